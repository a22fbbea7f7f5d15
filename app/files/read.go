package files

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"strconv"
	"time"

	"chatbox"
	"chatbox/app/files/internal/picture"
)

// MaxWidth is the largest width of a smaller picture.
const MaxWidth = 1600

// Link lets any client that has it read a file, until it ends.
type Link struct {
	File  chatbox.FileKey
	Width int // of a smaller picture; 0: the file itself
	Ends  time.Time
	Sig   string
}

// linkPurpose is the purpose of the signatures of links.
const linkPurpose = "file link"

// signed is the text that a link's signature covers. No part can contain the
// separator.
func (l Link) signed() string {
	return l.File.String() + "|" + strconv.Itoa(l.Width) + "|" + strconv.FormatInt(l.Ends.Unix(), 10)
}

// Link returns a link to a file that the caller may read: the uploader, the owner
// of a session that uses it, and staff of the tenant. A read by staff outside of
// a session that they hold or watch is audited. Everybody else gets
// chatbox.NotFound, as for an unknown file. width is that of a smaller picture;
// 0: none.
func (s *Service) Link(ctx context.Context, a chatbox.Actor, id string, width int) (Link, error) {
	f, err := s.readable(ctx, a, id)
	if err != nil {
		return Link{}, err
	}
	if width > 0 && !f.Picture() {
		return Link{}, chatbox.Invalid("w", "this file is not a picture")
	}
	ends := s.now().Add(s.cfg.LinkTTL).Truncate(time.Second).Add(time.Second) // links have whole seconds
	l := Link{File: f.Key, Width: width, Ends: ends}
	l.Sig = encodeSig(s.deps.Signer.Digests(linkPurpose, l.signed())[0])
	return l, nil
}

func encodeSig(digest []byte) string { return base64.RawURLEncoding.EncodeToString(digest) }

// verify returns chatbox.PermissionDenied for a link that has ended, that was
// altered, or that no key of the cluster has signed.
func (s *Service) verify(l Link) error {
	good := false
	for _, want := range s.deps.Signer.Digests(linkPurpose, l.signed()) {
		// Texts are compared, because several of them decode to the same bytes.
		good = hmac.Equal([]byte(l.Sig), []byte(encodeSig(want))) || good
	}
	if !good || !s.now().Before(l.Ends) {
		return chatbox.NewError(chatbox.PermissionDenied, "the link has ended or is not valid", nil)
	}
	return nil
}

// readable returns a file that the caller may read.
func (s *Service) readable(ctx context.Context, a chatbox.Actor, id string) (chatbox.File, error) {
	f, err := s.live(ctx, a.File(id))
	if err != nil {
		return f, err
	}
	if f.Owner != "" && f.Owner == a.UserID {
		return f, nil
	}
	held := false
	about := chatbox.AuditSubject{UserID: f.Owner}
	for _, sessionID := range f.Sessions {
		sess, err := s.deps.Sessions.Load(ctx, a.Session(sessionID))
		if errors.Is(err, chatbox.NotFound) || err == nil && sess.WasErased() {
			continue
		}
		if err != nil {
			return f, err
		}
		if sess.Owner == a.UserID {
			return f, nil
		}
		about = chatbox.AuditSubject{SessionID: sessionID, UserID: sess.Owner}
		if a.Staff() && s.attends(ctx, a, sess) {
			held = true
			break
		}
	}
	switch {
	case !a.Staff():
		return f, chatbox.NoSuchFile()
	case held:
		return f, nil
	default:
		return f, s.deps.Audit.Record(ctx, a, chatbox.AuditFileRead, about)
	}
}

// attends reports whether staff holds or watches the session, which is on record
// already.
func (s *Service) attends(ctx context.Context, a chatbox.Actor, sess chatbox.Session) bool {
	if sess.State.HolderID == a.UserID {
		return true
	}
	watches, err := s.deps.Watchers.Watches(ctx, sess.Key, a.UserID)
	return err == nil && watches
}

// live returns a file that is served.
func (s *Service) live(ctx context.Context, k chatbox.FileKey) (chatbox.File, error) {
	if !chatbox.ValidFileID(k.ID) {
		return chatbox.File{}, chatbox.NoSuchFile()
	}
	f, err := s.deps.Records.Get(ctx, k)
	switch {
	case err != nil:
		return f, err
	case f.Gone:
		return f, chatbox.NoSuchFile()
	case f.Unreadable:
		return f, chatbox.NewError(chatbox.Unreadable, "", nil)
	}
	return f, nil
}

// Content is what a link leads to.
type Content struct {
	Name        string
	ContentType string
	ETag        string // quoted
	Size        int64
	// Open opens the content from the given byte on.
	Open func(from int64) (io.ReadCloser, error)
	// Make is set if the content is a smaller picture that is not made yet. It makes
	// and stores the picture, and returns it. Size and Open are not set then. ETag and
	// ContentType are those of the result, unless the picture cannot be decoded.
	Make func() (Content, error)
}

// Content returns what the link leads to. chatbox.PermissionDenied: the link is
// not valid. chatbox.NotFound: the file is gone.
func (s *Service) Content(ctx context.Context, l Link) (Content, error) {
	if err := s.verify(l); err != nil {
		return Content{}, err
	}
	f, err := s.live(ctx, l.File)
	if err != nil {
		return Content{}, err
	}
	if l.Width > 0 {
		// A picture that cannot be decoded here, such as an animated WebP or one that
		// needs too much memory, is shown as it is.
		if c, ok, err := s.smaller(ctx, f, l.Width); ok || err != nil {
			return c, err
		}
	}
	return s.whole(ctx, f), nil
}

// InSession returns the content of a file that the session uses. chatbox.NotFound:
// the session does not use it any more, or the file is gone. The caller has
// checked who may read the session.
func (s *Service) InSession(ctx context.Context, k chatbox.SessionKey, id string) (Content, error) {
	f, err := s.live(ctx, chatbox.FileKey{Tenant: k.Tenant, ID: id})
	if err == nil && !f.UsedIn(k.ID) {
		err = chatbox.NoSuchFile()
	}
	if err != nil {
		return Content{}, err
	}
	return s.whole(ctx, f), nil
}

func (s *Service) content(ctx context.Context, f chatbox.File, part, contentType string, size int64) Content {
	return Content{
		Name: f.Name, ContentType: contentType, ETag: etag(f, part), Size: size,
		Open: func(from int64) (io.ReadCloser, error) { return s.read(ctx, f, part, size, from, size-from) },
	}
}

// etag does not reveal the blob's name.
func etag(f chatbox.File, part string) string {
	sum := sha256.Sum256([]byte(f.Blob + "|" + part))
	return `"` + hex.EncodeToString(sum[:12]) + `"`
}

// Widths in which smaller pictures are made and stored. A link to another width
// leads to the next larger one, so a picture is decoded a few times at most, however
// many widths are asked for.
func storedWidths() []int { return []int{160, 320, 640, 1024, MaxWidth} }

// smaller returns the picture at the next stored width that is not below the given
// one; ok is false if the picture itself is no wider.
func (s *Service) smaller(ctx context.Context, f chatbox.File, width int) (c Content, ok bool, err error) {
	for _, w := range storedWidths() {
		if w >= width {
			width = w
			break
		}
	}
	if width >= f.Width {
		return Content{}, false, nil
	}
	part := "w" + strconv.Itoa(width)
	contentType := picture.SmallType(f.ContentType)
	n, err := s.deps.Blobs.Size(ctx, blobOf(f, part))
	switch {
	case errors.Is(err, chatbox.NotFound):
		c = s.content(ctx, f, part, contentType, 0)
		c.Open = nil
		c.Make = func() (Content, error) {
			n, err := s.stored(ctx, f, part, width)
			if undecodable(err) {
				return s.whole(ctx, f), nil
			}
			return s.content(ctx, f, part, contentType, n), err
		}
		return c, true, nil
	case err != nil:
		return Content{}, false, err
	case n == int64(len(noPicture)):
		return Content{}, false, nil
	}
	return s.content(ctx, f, part, contentType, n), true, nil
}

// whole is the file itself.
func (s *Service) whole(ctx context.Context, f chatbox.File) Content {
	return s.content(ctx, f, partContent, f.ContentType, f.Size)
}

// noPicture is stored instead of a smaller form of a picture that cannot be
// decoded, so that this is tried once and not for each request.
const noPicture = "-"

// stored returns the size of a stored smaller picture, and makes it first if there
// is none.
func (s *Service) stored(ctx context.Context, f chatbox.File, part string, width int) (int64, error) {
	n, err := s.derived(ctx, f, part, func(w io.Writer) error {
		return orNoPicture(ctx, w, func(w io.Writer) error {
			return s.shrink(ctx, f, partContent, f.ContentType, f.Size, f.Width, f.Height, width, w)
		})
	})
	if err == nil && n == int64(len(noPicture)) {
		return 0, picture.ErrDamaged
	}
	return n, err
}

// orNoPicture writes noPicture if fill cannot decode the picture.
func orNoPicture(ctx context.Context, w io.Writer, fill func(io.Writer) error) error {
	count := &counter{w: w}
	err := fill(count)
	if undecodable(err) && count.n == 0 && ctx.Err() == nil {
		_, err = io.WriteString(w, noPicture)
	}
	return err
}

// derived returns the size of a part of the file that is made from its content,
// and lets fill make it first if there is none. Pods that race store the same.
func (s *Service) derived(ctx context.Context, f chatbox.File, part string, fill func(io.Writer) error) (int64, error) {
	name := blobOf(f, part)
	n, err := s.deps.Blobs.Size(ctx, name)
	if !errors.Is(err, chatbox.NotFound) {
		return n, err
	}
	count := &counter{}
	var failed error
	err = s.deps.Blobs.Write(ctx, name, f.Key, part, func(w io.Writer) error {
		count.w = w
		failed = fill(count)
		return failed
	})
	if failed != nil {
		return 0, failed
	}
	if err != nil {
		return 0, err
	}
	return count.n, s.unlessGone(ctx, f)
}

// unlessGone removes the blobs of a file that has gone while one of them was
// written. It removes nothing if the history does not answer. It does not use the
// caller's context, because the reader of the file may have left.
func (s *Service) unlessGone(ctx context.Context, f chatbox.File) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWait)
	defer cancel()
	now, err := s.deps.Records.Get(ctx, f.Key)
	if err == nil && now.Gone || errors.Is(err, chatbox.NotFound) {
		return errors.Join(chatbox.NoSuchFile(), s.deps.Blobs.Delete(ctx, f.Blob))
	}
	return nil
}

// undecodable reports whether the picture itself is at fault, and not the store
// that it was read from.
func undecodable(err error) bool {
	_, coded := errors.AsType[*chatbox.Error](err)
	return (errors.Is(err, picture.ErrDamaged) || errors.Is(err, picture.ErrCostly)) && !coded
}

func (s *Service) shrink(ctx context.Context, f chatbox.File, part, contentType string, size int64, w, h, width int, dst io.Writer) error {
	leave, err := s.enterDecoding(ctx, picture.DecodedSize(contentType, w, h))
	if err != nil {
		return err
	}
	defer leave()
	orientation := 1
	if contentType == picture.WebP { // others are stored upright
		if orientation, err = s.orientation(ctx, f); err != nil {
			return err
		}
	}
	src, err := s.read(ctx, f, part, size, 0, size)
	if err != nil {
		return err
	}
	defer src.Close()
	return picture.Shrink(contentType, orientation, width, dst, src)
}

// orientation reads the orientation of a stored picture.
func (s *Service) orientation(ctx context.Context, f chatbox.File) (int, error) {
	src, err := s.read(ctx, f, partContent, f.Size, 0, f.Size)
	if err != nil {
		return 0, err
	}
	defer src.Close()
	facts, err := picture.Strip(f.ContentType, io.Discard, src)
	return facts.Orientation, err
}
