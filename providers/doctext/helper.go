package doctext

import (
	"errors"
	"fmt"
	"io"
	"strconv"
)

// Errors by which the readers of the formats end.
var (
	errFull      = errors.New("doctext: the text is long enough")
	errTooLarge  = errors.New("doctext: too large")
	errEncrypted = errors.New("doctext: encrypted")
)

// Helper is the helper process: it sets its limits, reads a document from in, and
// writes the text to out. It returns the exit code. Only a process of its own may
// call it.
func Helper(args []string, in io.Reader, out io.Writer) (code int) {
	if len(args) != 4 {
		return exitUsage
	}
	k, dir := kind(args[0]), args[3]
	memory, err := strconv.ParseInt(args[1], 10, 64)
	seconds, err2 := strconv.ParseUint(args[2], 10, 16)
	if err != nil || err2 != nil || memory <= 0 || limit(memory, seconds, k == prepareArg) != nil {
		return exitUsage
	}
	defer func() {
		if recover() != nil {
			code = exitBroken
		}
	}()
	if k == prepareArg {
		return exitCode(compilePDF(dir))
	}
	content, err := io.ReadAll(in)
	if err != nil {
		return exitBroken
	}
	o := newOutput(MaxText - len(CutNote) - 1)
	code = exitCode(extract(k, content, dir, o))
	if code != exitWhole && code != exitCut {
		return code
	}
	if _, err := io.WriteString(out, o.String()); err != nil {
		return exitBroken
	}
	return code
}

func exitCode(err error) int {
	switch {
	case err == nil:
		return exitWhole
	case errors.Is(err, errFull):
		return exitCut
	case errors.Is(err, errTooLarge):
		return exitTooLarge
	case errors.Is(err, errEncrypted):
		return exitEncrypted
	default:
		return exitBroken
	}
}

// extract writes the text of the content to o. errFull means that there is more.
func extract(k kind, content []byte, dir string, o *output) error {
	switch k {
	case pdf:
		return pdfText(content, dir, o)
	case docx:
		return docxText(content, o)
	case xlsx:
		return xlsxText(content, o)
	case pptx:
		return pptxText(content, o)
	case odt:
		return odtText(content, o)
	default:
		return fmt.Errorf("doctext: no reader for %s", k)
	}
}
