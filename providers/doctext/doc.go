// Package doctext reads the text of documents: PDF, docx, xlsx, pptx, odt, and
// plain text in its forms.
//
// Parsers of documents are large, and documents come from anybody. So each
// document is read by a process of its own, the helper: the same executable with
// a hidden command. The helper has no environment, no open file but its pipes, and
// limits of memory, processor time and output that it sets before it reads the first
// byte; it is killed when it takes too long, and it ends with the pod. A hostile
// document costs one error. PDF, the largest parser, runs in WebAssembly besides,
// without files and with a bound of its own.
package doctext

import "chatbox"

// Command is the hidden command: a program whose first argument is Command runs
// Helper with the others.
const Command = "extract-text"

// Bounds of one document.
const (
	// MaxContent is the largest document in bytes. Of plain text, only the
	// beginning is read.
	MaxContent = 32 << 20
	// MaxText is the longest text in bytes, the line that says so included.
	MaxText = 256 << 10
	// maxPages is the maximum number of pages of a PDF that are read.
	maxPages = 2_000
	// maxUnpacked is how many bytes of the parts of a packed document are read.
	maxUnpacked = 64 << 20
)

// CutNote is the last line of a text that is longer than MaxText or has more
// pages than are read.
const CutNote = "[The rest of the document is left out.]"

// The errors. None contains anything of the document. Those with chatbox.Unavailable
// say nothing about the document: a retry may help.
var (
	// ErrUnsupported is the error for types whose text is not read.
	ErrUnsupported error = chatbox.NewError(chatbox.FileType, "documents of this type cannot be read", nil)
	// ErrBroken is the error for documents that are not what their type says.
	ErrBroken error = chatbox.NewError(chatbox.FileType, "the document is damaged", nil)
	// ErrEncrypted is the error for documents that need a password.
	ErrEncrypted error = chatbox.NewError(chatbox.FileType, "the document is encrypted", nil)
	// ErrTooLarge is the error for documents that need more memory than the helper
	// may use, as they are or unpacked.
	ErrTooLarge error = chatbox.NewError(chatbox.FileSize, "the document is too large to be read", nil)
	// ErrTimeout is the error for documents that take more processor time than the
	// helper may use.
	ErrTimeout error = chatbox.NewError(chatbox.FileSize, "the document takes too long to be read", nil)
	// ErrBusy is the error when too many documents wait.
	ErrBusy error = chatbox.NewError(chatbox.Unavailable, "too many documents are being read", nil)
)

// kind is a way to read a document; it is the helper's argument.
type kind string

const (
	plain kind = "plain" // needs no helper
	pdf   kind = "pdf"
	docx  kind = "docx"
	xlsx  kind = "xlsx"
	pptx  kind = "pptx"
	odt   kind = "odt"
)

func kindOf(contentType string) (kind, bool) {
	switch contentType {
	case "text/plain", "text/markdown", "text/csv", "application/json":
		return plain, true
	case "application/pdf":
		return pdf, true
	case "application/vnd.openxmlformats-officedocument.wordprocessingml.document":
		return docx, true
	case "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet":
		return xlsx, true
	case "application/vnd.openxmlformats-officedocument.presentationml.presentation":
		return pptx, true
	case "application/vnd.oasis.opendocument.text":
		return odt, true
	}
	return "", false
}
