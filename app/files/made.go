package files

import (
	"context"
	"errors"
	"io"

	"chatbox"
)

// Keep stores a file that the service itself makes for a session: f has its key,
// owner, name and type, and fill writes its content. When it returns nil, content
// and record are durable and the session uses the file. first is false if another
// pod has stored a file of the key before; that one stands then. When it fails,
// nothing stays. chatbox.NotFound: the session is erased. It counts towards no
// quota.
func (s *Service) Keep(ctx context.Context, f chatbox.File, session chatbox.SessionKey, fill func(io.Writer) error) (first bool, err error) {
	if err := s.own(ctx); err != nil {
		return false, err
	}
	f.Blob, f.CreatedAt = newBlobName(), s.now()
	err = s.deps.Blobs.Write(ctx, f.Blob, f.Key, partContent, func(w io.Writer) error {
		count := &counter{w: w}
		defer func() { f.Size = count.n }()
		return fill(count)
	})
	if err != nil {
		return false, err
	}
	// From here on the caller's end does not matter: the file is used, or it is removed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupWait)
	defer cancel()
	stands, first, err := s.create(ctx, f)
	if err != nil || !first {
		s.removeBlob(ctx, f, err)
	}
	if err != nil {
		return first, err
	}
	return first, s.useMade(ctx, stands.Key, session, first)
}

// create stores the record of a file, and returns the one that stands, and whether
// that is this one. A record of the key that is gone is removed first.
func (s *Service) create(ctx context.Context, f chatbox.File) (stands chatbox.File, first bool, err error) {
	for try := 0; ; try++ {
		stands, created, err := s.deps.Records.Create(ctx, f)
		switch {
		case err != nil || created:
			return stands, created, err
		case !stands.Gone:
			return stands, stands.Blob == f.Blob, nil // the same blob: the reply to the insert was lost
		case try > 0:
			return stands, false, chatbox.NewError(chatbox.Unavailable, "the earlier file of this key is being removed; please try again", nil)
		}
		if err := s.remove(ctx, stands); err != nil { // it expired; its key is free again
			return stands, false, err
		}
	}
}

// removeBlob removes the content of a file that has no record. The sweep removes
// the rest.
func (s *Service) removeBlob(ctx context.Context, f chatbox.File, why error) {
	if chatbox.IsTransient(why) && s.recorded(ctx, f) {
		return
	}
	if err := s.deps.Blobs.Delete(ctx, f.Blob); err != nil {
		s.deps.Logger.WarnContext(ctx, "blob without a record left to the sweep", "error", err)
	}
}

// recorded reports whether an insert whose outcome is unknown may have taken
// effect. If the history does not say, the sweep decides later.
func (s *Service) recorded(ctx context.Context, f chatbox.File) bool {
	found, err := s.deps.Records.Get(ctx, f.Key)
	return err == nil && found.Blob == f.Blob || err != nil && !errors.Is(err, chatbox.NotFound)
}

// useMade records that the session uses the file, unless the session is erased. An
// erasure stores its last event before it releases the files, so one that the
// second look does not see releases this one too. After a crash between use and
// look, the sweep of the erasure does. If another pod was first, only an erasure
// ends the file, which is that pod's.
func (s *Service) useMade(ctx context.Context, k chatbox.FileKey, session chatbox.SessionKey, first bool) error {
	err := s.standing(ctx, session)
	if err == nil {
		_, err = s.deps.Records.Use(ctx, k, session.ID, s.now())
	}
	used := err == nil
	if used {
		err = s.standing(ctx, session)
	}
	if err == nil || !first && !errors.Is(err, chatbox.NotFound) {
		return err
	}
	if used {
		if gone, rerr := s.deps.Records.Release(ctx, k, session.ID); rerr == nil && !gone {
			return err
		}
	} else if gone, aerr := s.deps.Records.Abandon(ctx, k); aerr != nil || !gone {
		return err // the sweep of unused files removes it
	}
	if f, gerr := s.deps.Records.Get(ctx, k); gerr == nil && f.Gone {
		s.removeNow(ctx, f)
	}
	return err
}

// standing returns chatbox.NotFound for a session that is erased.
func (s *Service) standing(ctx context.Context, k chatbox.SessionKey) error {
	sess, err := s.deps.Sessions.Load(ctx, k)
	if err == nil && sess.WasErased() {
		err = chatbox.NoSuchSession()
	}
	return err
}

// mostOfSession bounds OfSession. A session has fewer files, unless thousands of its
// answers were spoken.
const mostOfSession = 5000

// OfSession returns the files that the session uses, also those that no event
// shows, at most 5,000. The caller has checked who may read the session.
func (s *Service) OfSession(ctx context.Context, k chatbox.SessionKey) ([]chatbox.File, error) {
	return s.deps.Records.OfSession(ctx, k, mostOfSession)
}

// ReadInSession opens a file that the session uses from the byte on. See
// InSession.
func (s *Service) ReadInSession(ctx context.Context, k chatbox.SessionKey, id string, from int64) (content io.ReadCloser, size int64, err error) {
	c, err := s.InSession(ctx, k, id)
	if err != nil {
		return nil, 0, err
	}
	content, err = c.Open(from)
	return content, c.Size, err
}
