package app

import (
	"context"
	"io"

	"chatbox/app/files"
	"chatbox/providers/doctext"
)

var _ files.Texts = (*doctext.Reader)(nil)

// DocumentCommand is the hidden command of a program that runs pods: with it as the
// first argument, the program must only call ReadDocument with the others.
const DocumentCommand = doctext.Command

// NewDocuments returns the reader of documents, which starts the running program
// as its helper. Only a program whose main calls ReadDocument may use it: any other
// would do its own work again.
func NewDocuments() (*doctext.Reader, error) {
	command, err := doctext.Self()
	if err != nil {
		return nil, err
	}
	return doctext.New(doctext.Config{Command: command}), nil
}

// prepareDocuments compiles the parser of PDF, which takes seconds, before a document
// needs it.
func (a *App) prepareDocuments(ctx context.Context) {
	reader, ok := a.opts.Files.Texts.(interface {
		Prepare(ctx context.Context) error
	})
	if !ok || a.opts.Files.Blobs == nil {
		return
	}
	if err := reader.Prepare(ctx); err != nil && ctx.Err() == nil {
		a.log.WarnContext(ctx, "PDF documents cannot be read yet; the next one tries again", "error", err)
	}
}

// ReadDocument makes this process a helper that reads one document from in, writes
// its text to out, and returns the exit code.
func ReadDocument(args []string, in io.Reader, out io.Writer) int {
	return doctext.Helper(args, in, out)
}
