package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"chatbox"
	"chatbox/app/files/internal/kind"
	"chatbox/app/files/internal/picture"
)

const (
	// promptSide is the longest side of a picture for a model, in pixels.
	promptSide = 1568
	// promptPicture is the maximum size of such a picture in bytes. It keeps five of
	// them far below the limits of vendors: Anthropic takes 5 MB each, as base64, and
	// 32 MB a request (platform.claude.com/docs/en/build-with-claude/vision).
	promptPicture = 1 << 20
	// maxText is how much of a document's text is kept, in bytes.
	maxText = 256 << 10
)

// The parts of a file that are made for models.
const (
	partModel = "model" // the smaller picture
	partText  = "text"  // a mark and the text
)

// Marks at the beginning of partText. markNone is also all of partModel if the
// picture cannot be decoded.
const (
	markWhole = 'w' // the whole text follows
	markCut   = 'c' // the beginning of the text follows
	markNone  = 'n' // the document's text cannot be had
)

// ForModel returns a picture that the session uses, as data for a model: at most
// 1,568 pixels a side and 1 MiB, upright, without metadata. chatbox.NotFound: the
// session uses no such file, or it is gone. chatbox.FileType: it is not a picture
// that can be read.
func (s *Service) ForModel(ctx context.Context, session chatbox.SessionKey, id string) (chatbox.PromptPicture, error) {
	f, err := s.usedBy(ctx, session, id)
	if err != nil {
		return chatbox.PromptPicture{}, err
	}
	if !f.Picture() {
		return chatbox.PromptPicture{}, badType("this file is not a picture")
	}
	part, contentType, size := partContent, f.ContentType, f.Size
	if !fitsModel(f) {
		contentType = picture.JPEG
		part = partModel
		if size, err = s.derived(ctx, f, part, func(w io.Writer) error { return s.shrinkForModel(ctx, f, w) }); err != nil {
			return chatbox.PromptPicture{}, err
		}
	}
	data, err := s.readAll(ctx, f, part, size, promptPicture)
	if err == nil && len(data) <= 1 {
		err = badType(picture.ErrDamaged.Error())
	}
	if err != nil {
		return chatbox.PromptPicture{}, err
	}
	w, h := picture.Within(f.Width, f.Height, promptSide)
	return chatbox.PromptPicture{Name: f.Name, ContentType: contentType, Width: w, Height: h, Data: data}, nil
}

// fitsModel reports whether models take the picture as it is. GIF and WebP may be
// animated, which not every vendor accepts.
func fitsModel(f chatbox.File) bool {
	plain := f.ContentType == picture.JPEG || f.ContentType == picture.PNG
	return plain && f.Size <= promptPicture && max(f.Width, f.Height) <= promptSide
}

// shrinkForModel makes the picture small. That it cannot be decoded is kept as well.
func (s *Service) shrinkForModel(ctx context.Context, f chatbox.File, dst io.Writer) error {
	leave, err := s.enterDecoding(ctx, picture.DecodedSize(f.ContentType, f.Width, f.Height))
	if err != nil {
		return err
	}
	defer leave()
	orientation := 1
	if f.ContentType == picture.WebP {
		if orientation, err = s.orientation(ctx, f); err != nil {
			return err
		}
	}
	src, err := s.read(ctx, f, partContent, f.Size, 0, f.Size)
	if err != nil {
		return err
	}
	defer src.Close()
	noted := &notedReader{src: src}
	err = picture.Bound(f.ContentType, orientation, promptSide, promptPicture, dst, noted)
	switch {
	case noted.err != nil: // the picture is not to blame
		return noted.err
	case errors.Is(err, picture.ErrDamaged):
		_, err = dst.Write([]byte{markNone})
	}
	return err
}

// Text returns the text of a document that the session uses, at most 256 KiB of
// it; cut says that there is more. chatbox.NotFound: the session uses no such file,
// or it is gone. chatbox.FileType: its text cannot be had.
func (s *Service) Text(ctx context.Context, session chatbox.SessionKey, id string) (text string, cut bool, err error) {
	f, err := s.usedBy(ctx, session, id)
	if err != nil {
		return "", false, err
	}
	if !kind.IsText(f.ContentType) && s.deps.Texts == nil {
		return "", false, noText()
	}
	size, err := s.derived(ctx, f, partText, func(w io.Writer) error { return s.writeText(ctx, f, w) })
	if err != nil {
		return "", false, err
	}
	kept, err := s.readAll(ctx, f, partText, size, maxText+1)
	if err != nil {
		return "", false, err
	}
	if len(kept) == 0 || kept[0] == markNone {
		return "", false, noText()
	}
	return string(kept[1:]), kept[0] == markCut, nil
}

func noText() *chatbox.Error { return badType("this file's text cannot be read") }

// writeText extracts a document's text. That a document has none is kept as well,
// so that it is not looked for again.
func (s *Service) writeText(ctx context.Context, f chatbox.File, dst io.Writer) error {
	src, err := s.read(ctx, f, partContent, f.Size, 0, f.Size)
	if err != nil {
		return err
	}
	defer src.Close()
	noted := &notedReader{src: src}
	text, cut, err := s.extract(ctx, f.ContentType, noted)
	switch {
	case noted.err != nil: // the document is not to blame
		return noted.err
	case ctx.Err() != nil, chatbox.IsTransient(err):
		return errors.Join(ctx.Err(), err)
	case err != nil:
		s.deps.Logger.InfoContext(ctx, "a document's text cannot be had", "type", f.ContentType, "bytes", f.Size, "error", err)
		_, err = dst.Write([]byte{markNone})
		return err
	}
	if len(text) > maxText {
		end := maxText
		for !utf8.RuneStart(text[end]) {
			end--
		}
		text, cut = text[:end], true
	}
	mark := byte(markWhole)
	if cut {
		mark = markCut
	}
	_, err = dst.Write(append([]byte{mark}, text...))
	return err
}

// notedReader keeps the error of its source, to tell it from a document's fault.
type notedReader struct {
	src io.Reader
	err error
}

func (r *notedReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		r.err = err
	}
	return n, err
}

// extract returns the text, or the beginning of a long one, as valid UTF-8.
func (s *Service) extract(ctx context.Context, contentType string, src io.Reader) (text string, cut bool, err error) {
	if kind.IsText(contentType) {
		return plainText(src)
	}
	text, err = s.deps.Texts.Text(ctx, contentType, src)
	if err == nil && strings.TrimSpace(text) == "" {
		err = errors.New("it has no text")
	}
	return strings.ToValidUTF8(text, "\uFFFD"), false, err
}

// plainText reads as much text as is kept: UTF-8, UTF-16 with a byte order mark, or
// else Windows-1252.
func plainText(src io.Reader) (text string, cut bool, err error) {
	const most = 2 * maxText // UTF-16
	raw, err := io.ReadAll(io.LimitReader(src, most+1))
	if err != nil {
		return "", false, err
	}
	if cut = len(raw) > most; cut {
		raw = raw[:most]
	}
	text = strings.TrimPrefix(kind.Decoded(raw), "\ufeff")
	if cut { // perhaps within a character
		for i := 0; i < utf8.UTFMax && !utf8.ValidString(text); i++ {
			text = text[:len(text)-1]
		}
	}
	known := true
	if !utf8.ValidString(text) {
		text, known = kind.Legacy(text)
	}
	if !known || strings.ContainsRune(text, 0) {
		return "", false, errors.New("its encoding is not known")
	}
	return text, cut, nil
}

// usedBy returns a file that is served and that the session uses. It is for the
// session's own answers, which nobody but its members sees.
func (s *Service) usedBy(ctx context.Context, session chatbox.SessionKey, id string) (chatbox.File, error) {
	if s.deps.Blobs == nil {
		return chatbox.File{}, chatbox.NoSuchFile()
	}
	f, err := s.live(ctx, chatbox.FileKey{Tenant: session.Tenant, ID: id})
	if err == nil && !f.UsedIn(session.ID) {
		err = chatbox.NoSuchFile()
	}
	return f, err
}

// readAll reads a part of at most most bytes.
func (s *Service) readAll(ctx context.Context, f chatbox.File, part string, size, most int64) ([]byte, error) {
	if size > most {
		return nil, fmt.Errorf("files: a part for models has %d bytes", size)
	}
	src, err := s.read(ctx, f, part, size, 0, size)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	var out bytes.Buffer
	out.Grow(int(size) + bytes.MinRead)
	_, err = out.ReadFrom(src)
	return out.Bytes(), err
}
