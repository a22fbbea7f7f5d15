// Package picture removes the metadata of pictures while they pass, measures them
// before anything is decoded, and makes smaller ones. It never decodes a picture
// of more than MaxPixels.
package picture

import (
	"bufio"
	"errors"
	"io"
)

// MaxPixels is the largest picture that is accepted.
const MaxPixels = 50_000_000

// Types of pictures.
const (
	JPEG = "image/jpeg"
	PNG  = "image/png"
	GIF  = "image/gif"
	WebP = "image/webp"
)

// Errors of pictures that are not accepted.
var (
	ErrDamaged = errors.New("the picture is damaged or cut off")
	ErrTooBig  = errors.New("the picture has more than 50 megapixels")
)

// Facts are what the file says about its picture.
type Facts struct {
	Width, Height int // as stored
	// Orientation is that of EXIF, 1 to 8; 1: as stored. The stripped picture has
	// lost it, except for WebP, whose stripped file keeps it and nothing else.
	Orientation int
}

// Shown returns the width and height after the orientation is applied.
func (f Facts) Shown() (width, height int) {
	if f.Orientation >= 5 {
		return f.Height, f.Width
	}
	return f.Width, f.Height
}

// check returns ErrTooBig or ErrDamaged for impossible measures.
func (f Facts) check() error { return checkSize(int64(f.Width), int64(f.Height)) }

func checkSize(width, height int64) error {
	switch {
	case width <= 0 || height <= 0:
		return ErrDamaged
	case width > MaxPixels || height > MaxPixels || width*height > MaxPixels:
		return ErrTooBig
	}
	return nil
}

// Strip copies the picture without its metadata and without what follows its end.
// The pixels are copied as they are. It returns ErrDamaged for a file that is not
// a whole picture of the type, and ErrTooBig before it copies any pixels.
func Strip(contentType string, dst io.Writer, src io.Reader) (Facts, error) {
	r := &in{src: bufio.NewReaderSize(src, 16<<10)}
	w := bufio.NewWriterSize(dst, 16<<10)
	f := Facts{Orientation: 1}
	var err error
	switch contentType {
	case JPEG:
		err = stripJPEG(w, r, &f)
	case PNG:
		err = stripPNG(w, r, &f)
	case GIF:
		err = stripGIF(w, r, &f)
	case WebP:
		err = stripWebP(w, r, &f)
	default:
		err = ErrDamaged
	}
	if err == nil {
		err = f.check()
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil { // what follows the picture is read, so that the upload can end, and dropped
		_, err = io.Copy(io.Discard, r.src)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && r.ended {
		err = ErrDamaged
	}
	return f, err
}

// in reads a picture. It notes a regular end, to tell a short picture from a
// source that failed.
type in struct {
	src    *bufio.Reader
	ended  bool
	before []byte // bytes that byte returns first
}

// unread makes byte return the bytes again.
func (r *in) unread(b ...byte) { r.before = b }

// full fills p.
func (r *in) full(p []byte) error {
	_, err := io.ReadFull(r.src, p)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		// The source's own io.ErrUnexpectedEOF is the error of its next read.
		if _, next := r.src.ReadByte(); errors.Is(next, io.EOF) {
			r.ended = true
		}
	}
	return err
}

func (r *in) byte() (byte, error) {
	if len(r.before) > 0 {
		b := r.before[0]
		r.before = r.before[1:]
		return b, nil
	}
	b, err := r.src.ReadByte()
	if errors.Is(err, io.EOF) {
		r.ended = true
	}
	return b, err
}

// copy copies n bytes.
func (r *in) copy(w io.Writer, n int64) error {
	_, err := io.CopyN(w, r.src, n)
	if errors.Is(err, io.EOF) {
		r.ended = true
	}
	return err
}

func (r *in) skip(n int64) error { return r.copy(io.Discard, n) }
