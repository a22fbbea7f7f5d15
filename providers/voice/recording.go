package voice

import (
	"errors"
	"io"
	"sync"
)

// recording reads exactly the announced bytes, and keeps its own error, to tell it
// from the vendor's.
type recording struct {
	src  io.Reader
	left int64
	err  error
}

var errLength = errors.New("the recording is not as long as was said")

// Read returns io.EOF after the last announced byte.
func (r *recording) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err := r.src.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case errors.Is(err, io.EOF) && r.left > 0:
		err = errLength
	case errors.Is(err, io.EOF):
		err = nil
	}
	if err != nil {
		r.err = err
	}
	return n, err
}

// requestBody tells when the transport does not read it any more. The transport
// closes every body, once or more.
type requestBody struct {
	io.Reader

	closed chan struct{} // closed by the first Close
	once   sync.Once
}

// Close never fails.
func (b *requestBody) Close() error {
	b.once.Do(func() { close(b.closed) })
	return nil
}
