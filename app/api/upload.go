package api

import (
	"bufio"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// maxFraming is how many bytes of a multipart body may be something other than
// the file: headers, boundaries, and what stands before and after them.
const maxFraming = 32 << 10

// readAhead is how much of an upload is read from the connection at once.
const readAhead = 16 << 10

// Concurrent uploads.
const (
	uploads     = 512 // of a pod
	uploadsEach = 256 // of a user
)

// sender is signedIn for a body whose length the handler bounds.
func (e *edge) sender(next echo.HandlerFunc) echo.HandlerFunc { return e.authenticated(next) }

// uploadTurn makes an upload wait while too many others run.
func (e *edge) uploadTurn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		leave, err := enter(c.Request().Context(), e.turns.uploads, actorOf(c).User())
		if err != nil {
			return err
		}
		defer leave()
		return next(c)
	}
}

// filePart is the one part of an upload. It ends well only if the request has
// nothing else.
type filePart struct {
	name   string
	parts  *multipart.Reader
	part   *multipart.Part
	framed *framed
	about  int64 // bytes that the client announced for the file; -1: unknown
	end    error // of reading
}

func (p *filePart) size() int64 { return p.about }

// framed bounds the bytes of a body outside of its file.
type framed struct {
	src  io.Reader
	n    int64
	file bool // the file is being read
	left int64
}

var errFraming = chatbox.Invalid(fieldBody, "has too much beside its file")

func (f *framed) Read(p []byte) (int, error) {
	if !f.file && f.left <= 0 {
		return 0, errFraming
	}
	n, err := f.src.Read(p)
	if f.n += int64(n); !f.file {
		f.left -= int64(n)
	}
	return n, err
}

// openFilePart reads up to the content of the file.
func openFilePart(r *http.Request) (*filePart, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, chatbox.Invalid("Content-Type", "must be multipart/form-data with a boundary")
	}
	// The multipart reader reads 4 KiB at a time; each would be a call to the system.
	f := &framed{src: bufio.NewReaderSize(r.Body, readAhead), left: maxFraming}
	p := &filePart{parts: multipart.NewReader(f, params["boundary"]), framed: f, about: -1}
	if p.part, err = p.parts.NextRawPart(); err != nil {
		return nil, badParts(err)
	}
	if p.part.FormName() != "file" {
		return nil, chatbox.Invalid("file", "must be the only part of the body")
	}
	_, disposition, err := mime.ParseMediaType(p.part.Header.Get("Content-Disposition"))
	if err == nil {
		p.name = disposition["filename"]
	}
	if r.ContentLength >= 0 {
		// The reader has read ahead, so this is the least that may come.
		const overhead = 512
		p.about = max(0, r.ContentLength-f.n-int64(len(params["boundary"]))-overhead)
	}
	f.file = true
	return p, nil
}

func badParts(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return chatbox.Missing("file")
	case errors.As(err, new(*chatbox.Error)):
		return err
	default:
		return chatbox.Invalid(fieldBody, "is not well-formed multipart")
	}
}

// Read returns io.EOF only after the last boundary, and an error if another part
// follows.
func (p *filePart) Read(b []byte) (int, error) {
	if p.end != nil {
		return 0, p.end
	}
	n, err := p.part.Read(b)
	if errors.Is(err, io.EOF) {
		err = p.close()
	}
	p.end = err
	return n, err
}

func (p *filePart) close() error {
	p.framed.file, p.framed.left = false, maxFraming
	_, err := p.parts.NextRawPart()
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case err == nil:
		return chatbox.Invalid("file", "must be the only part of the body")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return err
	default:
		return badParts(err)
	}
}
