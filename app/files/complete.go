package files

import (
	"context"
	"errors"
	"io"

	"chatbox"
	"chatbox/app/files/internal/kind"
	"chatbox/app/files/internal/media"
	"chatbox/app/files/internal/picture"
)

// partContent is the part of a file that is the file itself.
const partContent = "content"

// complete finds out what only the whole file tells: which document an archive
// is, how long a recording is. It turns pictures upright.
func (u *upload) complete(ctx context.Context, facts picture.Facts) error {
	switch {
	case u.file.Picture():
		u.file.Width, u.file.Height = facts.Shown()
		if facts.Orientation > 1 && u.file.ContentType != picture.WebP {
			return u.turn(ctx, facts)
		}
		return nil
	case u.file.ContentType == kind.Zip:
		found, err := kind.Office(u.s.reader(ctx, u.file), u.file.Size)
		if err != nil && !errors.Is(err, kind.ErrZip) {
			return err
		}
		if found != "" {
			u.file.ContentType = found
		}
	default:
		facts, err := media.Of(u.file.ContentType, u.s.reader(ctx, u.file), u.file.Size)
		if err != nil {
			return err
		}
		u.file.Duration = facts.Duration
		if facts.Audio && !facts.Video {
			switch u.file.ContentType {
			case kind.MP4:
				u.file.ContentType = kind.M4A
			case kind.WebM:
				u.file.ContentType = kind.Audio
			}
		}
	}
	if !u.s.accepts(u.file.ContentType) {
		return u.badType()
	}
	return nil
}

// turn replaces the blob by one whose pixels are stored upright.
func (u *upload) turn(ctx context.Context, facts picture.Facts) error {
	leave, err := u.s.enterDecoding(ctx, 2*picture.DecodedSize(u.file.ContentType, facts.Width, facts.Height))
	if err != nil {
		return err
	}
	defer leave()
	stored := u.file
	content, err := u.s.read(ctx, stored, partContent, stored.Size, 0, stored.Size)
	if err != nil {
		return err
	}
	defer content.Close()
	name := newBlobName()
	u.blobs = append(u.blobs, name)
	var failed error
	err = u.s.deps.Blobs.Write(ctx, name, u.file.Key, partContent, func(w io.Writer) error {
		count := &counter{w: &bounded{w: w, left: u.source.max, over: u.overBy}}
		failed = picture.Rotate(u.file.ContentType, facts.Orientation, count, content)
		u.file.Size = count.n
		return failed
	})
	if errors.Is(failed, picture.ErrDamaged) {
		return badType(picture.ErrDamaged.Error())
	}
	if errors.Is(failed, picture.ErrCostly) {
		return badSize(picture.ErrCostly.Error())
	}
	if err != nil {
		return err
	}
	u.file.Blob = name
	return nil
}

// bounded writes at most left bytes.
type bounded struct {
	w    io.Writer
	left int64
	over func() error
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, b.over()
	}
	return b.w.Write(p)
}

// enterDecoding waits for memory to decode pictures in.
func (s *Service) enterDecoding(ctx context.Context, size int64) (leave func(), err error) {
	size = min(size, pictureMemory)
	if err := s.decoding.Acquire(ctx, size); err != nil {
		return nil, chatbox.NewError(chatbox.Unavailable, "too many pictures are processed at the moment; please try again", err)
	}
	return func() { s.decoding.Release(size) }, nil
}

// read opens a part of a file.
func (s *Service) read(ctx context.Context, f chatbox.File, part string, size, from, n int64) (io.ReadCloser, error) {
	return s.deps.Blobs.Read(ctx, blobOf(f, part), f.Key, part, size, from, n)
}

func blobOf(f chatbox.File, part string) string {
	if part == partContent {
		return f.Blob
	}
	return f.Blob + "." + part
}

// reader reads a stored file at any place. Each call opens the blob again.
func (s *Service) reader(ctx context.Context, f chatbox.File) io.ReaderAt {
	return readerAt(func(p []byte, from int64) (int, error) {
		if from >= f.Size {
			return 0, io.EOF
		}
		n := min(int64(len(p)), f.Size-from)
		r, err := s.read(ctx, f, partContent, f.Size, from, n)
		if err != nil {
			return 0, err
		}
		defer r.Close()
		got, err := io.ReadFull(r, p[:n])
		if err == nil && n < int64(len(p)) {
			err = io.EOF
		}
		return got, err
	})
}

type readerAt func(p []byte, from int64) (int, error)

func (f readerAt) ReadAt(p []byte, from int64) (int, error) { return f(p, from) }
