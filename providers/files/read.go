package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/minio/sio"
	"gocloud.dev/blob"

	"chatbox"
)

// Read opens n bytes of an object's content from the given one on. size is the
// size of the whole content. An object of another size, sealed for another
// place, altered or cut is chatbox.Unreadable, from Read or from the reader, and
// none of the segments at fault is returned. The caller must close the reader.
func (s *Store) Read(ctx context.Context, name string, k chatbox.FileKey, part string, size, from, n int64) (io.ReadCloser, error) {
	if from < 0 || n < 0 || from > size || n > size-from {
		return nil, altered(fmt.Errorf("%d bytes from %d on of %d", n, from, size))
	}
	start, err := s.bucket.NewRangeReader(ctx, name, 0, int64(fixedHeader+maxKeyID+saltSize), nil)
	if beyondEnd(err) {
		return nil, altered(err)
	}
	if err != nil {
		return nil, failed("read an object", err)
	}
	head, err := readHeader(start)
	total := start.Size()
	_ = start.Close()
	if err != nil {
		return nil, altered(err)
	}
	if want := head.size() + sealedSize(size); total != want {
		return nil, altered(fmt.Errorf("the object has %d bytes instead of %d", total, want))
	}
	if n == 0 {
		return io.NopCloser(&io.LimitedReader{}), nil
	}
	_, key, err := s.keys.DeriveFileKey(head.id, head.salt, place(k, part)...)
	if err != nil {
		return nil, altered(err)
	}
	first := from / segmentSize
	begin := head.size() + first*sealedSegment
	end := min(total, head.size()+((from+n-1)/segmentSize+1)*sealedSegment)
	sealed, err := s.bucket.NewRangeReader(ctx, name, begin, end-begin, nil)
	if err != nil {
		return nil, failed("read an object", err)
	}
	source := &source{src: sealed}
	plain, err := sio.DecryptReader(source, dare(key, uint32(first))) //nolint:gosec // 2^32 segments are 256 TiB
	if err != nil {
		_ = sealed.Close()
		return nil, altered(err)
	}
	return &reader{plain: plain, source: source, sealed: sealed, skip: from - first*segmentSize, left: n, last: from+n == size}, nil
}

// beyondEnd reports whether S3 refused a range because the object is empty.
func beyondEnd(err error) bool {
	refused, ok := errors.AsType[*awshttp.ResponseError](err)
	return ok && refused.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable
}

// source remembers the error of the store, to tell it from an altered object.
type source struct {
	src io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.src.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// reader returns a range of the content.
type reader struct {
	plain      io.Reader
	source     *source
	sealed     *blob.Reader
	skip, left int64
	last       bool // the range reaches the end of the content
}

func (r *reader) Read(p []byte) (int, error) {
	if r.skip > 0 {
		n, err := io.CopyN(io.Discard, r.plain, r.skip)
		if r.skip -= n; err != nil {
			return 0, r.why(err)
		}
	}
	if r.left == 0 {
		return 0, r.end()
	}
	n, err := r.plain.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	switch {
	case err == nil, errors.Is(err, io.EOF) && r.left == 0:
		return n, nil
	default:
		return n, r.why(err)
	}
}

// end verifies, after the object's last segment, that it was marked as the last
// one.
func (r *reader) end() error {
	if !r.last {
		return io.EOF
	}
	r.last = false
	var more [1]byte
	if n, err := r.plain.Read(more[:]); n > 0 || !errors.Is(err, io.EOF) {
		return r.why(fmt.Errorf("the last segment is missing: %w", err))
	}
	return io.EOF
}

// Size returns the size of an object's content. It does not verify the object;
// reading it does.
func (s *Store) Size(ctx context.Context, name string) (int64, error) {
	start, err := s.bucket.NewRangeReader(ctx, name, 0, int64(fixedHeader+maxKeyID+saltSize), nil)
	if beyondEnd(err) {
		return 0, altered(err)
	}
	if err != nil {
		return 0, failed("read an object", err)
	}
	defer start.Close()
	head, err := readHeader(start)
	if err != nil {
		return 0, altered(err)
	}
	sealed := start.Size() - head.size()
	size := sealed - (sealed+sealedSegment-1)/sealedSegment*segmentExtra
	if size <= 0 {
		return 0, altered(errFormat)
	}
	return size, nil
}

// why returns the reason for a failed read.
func (r *reader) why(err error) error {
	if r.source.err != nil {
		return failed("read an object", r.source.err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return altered(err)
}

func (r *reader) Close() error { return r.sealed.Close() }
