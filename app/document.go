package app

import (
	"io"

	"chatbox/providers/doctext"
)

// DocumentCommand is the hidden command of a program that runs pods: with it as the
// first argument, the program must do nothing but call ReadDocument with the others.
const DocumentCommand = doctext.Command

// ReadDocument makes this process a helper that reads one document from in, writes
// its text to out, and returns the exit code.
func ReadDocument(args []string, in io.Reader, out io.Writer) int {
	return doctext.Helper(args, in, out)
}
