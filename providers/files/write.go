package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gocloud.dev/blob"

	"chatbox"
)

// deliverWait is how long a spooled object may take to reach the store.
const deliverWait = 5 * time.Minute

// Write seals what fill writes, under the name and for the place. The object
// exists only if fill and Write return nil. If fill fails, Write returns its
// error. Of one object at most two segments are in memory.
func (s *Store) Write(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error {
	if s.deliver != nil {
		return s.writeSpooled(ctx, name, k, part, fill)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := s.bucket.NewWriter(ctx, name, objectOptions())
	if err != nil {
		return failed("write an object", err)
	}
	if err := s.fill(w, k, part, fill); err != nil {
		cancel() // makes Close discard the object
		_ = w.Close()
		return err
	}
	err = w.Close()
	if err == nil && s.folder != "" {
		err = flush(filepath.Join(s.folder, filepath.FromSlash(name)))
	}
	if err != nil {
		return failed("write an object", err)
	}
	return nil
}

// flush makes a file and its name survive a crash of the machine. The bucket does
// not do that.
func flush(path string) error {
	for _, p := range []string{path, filepath.Dir(path)} {
		f, err := os.Open(p) //nolint:gosec // names of objects are the program's own
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func objectOptions() *blob.WriterOptions {
	return &blob.WriterOptions{ContentType: "application/octet-stream", DisableContentTypeDetection: true, BufferSize: segmentSize}
}

// fill seals into dst. Errors of dst are failures of the store.
func (s *Store) fill(dst io.Writer, k chatbox.FileKey, part string, fill func(io.Writer) error) error {
	out := &sink{dst: dst}
	sealed, err := s.sealTo(out, k, part)
	if err == nil {
		err = fill(sealed)
	}
	if err == nil {
		err = sealed.Close()
	}
	if out.err != nil {
		return failed("write an object", out.err)
	}
	return err
}

// sink remembers the error of the store, to tell it from an error of the source.
type sink struct {
	dst io.Writer
	err error
}

func (s *sink) Write(p []byte) (int, error) {
	n, err := s.dst.Write(p)
	if err != nil {
		s.err = err
	}
	return n, err
}

// writeSpooled is for S3, whose writers hold up to 16 MiB of each object in memory. It seals into a temporary file and sends the file when it is
// complete. A client that sends slowly holds no connection to the store. The file
// has no name, so it is gone with the process.
func (s *Store) writeSpooled(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error {
	f, err := os.CreateTemp("", "chatbox-")
	if err != nil {
		return failed("create a temporary file", err)
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // the open file stays usable
		return failed("create a temporary file", err)
	}
	if err := s.fill(f, k, part, fill); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return failed("read a temporary file", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, deliverWait, fmt.Errorf("the store did not take the object within %s", deliverWait))
	defer cancel()
	if err := s.deliver(ctx, name, f, size); err != nil {
		return failed("write an object", errors.Join(err, context.Cause(ctx)))
	}
	return nil
}
