package speech

import (
	"context"
	"errors"
	"io"

	"chatbox"
	"chatbox/app/seek"
	"chatbox/internal/detach"
	"chatbox/internal/lanes"
)

// found is what the history and the store have for a call.
type found struct {
	session chatbox.Session
	id      string // of the file of the speech
	content stored // of that file, if it exists
	text    string // of the answer, if it does not
}

// stored is the content of a stored speech.
type stored struct {
	io.ReadCloser // nil: there is none
	size          int64
}

// close closes a content that nobody reads.
func (c stored) close() {
	if c.ReadCloser != nil {
		_ = c.Close() // nothing was written
	}
}

// look reads what a call needs from the history and the store.
func (s *Service) look(ctx context.Context, a chatbox.Actor, sessionID, answerID string) (found, error) {
	f, err := within(ctx, s, a.User(), func() (f found, err error) {
		if f.session, err = s.session(ctx, a, sessionID); err != nil {
			return f, err
		}
		f.id = chatbox.SpeechFileID(f.session.Key, answerID)
		if f.content, err = s.open(ctx, f.session.Key, f.id, 0); errors.Is(err, chatbox.NotFound) {
			err = nil
		}
		return f, err
	}, func(f found) { f.content.close() })
	if err != nil || f.content.ReadCloser != nil {
		return f, err
	}
	// The search waits for its turn without a place among the reads.
	key, err := s.find(ctx, a.User(), f.session, answerID)
	if err != nil {
		return f, err
	}
	f.text, err = within(ctx, s, a.User(), func() (string, error) { return s.text(ctx, f.session, key) }, func(string) {})
	return f, err
}

// open opens a stored speech from the byte on, or returns chatbox.NotFound.
func (s *Service) open(ctx context.Context, k chatbox.SessionKey, id string, from int64) (stored, error) {
	content, size, err := s.deps.Files.ReadInSession(ctx, k, id, from)
	if err != nil {
		return stored{}, err
	}
	return stored{content, size}, nil
}

// within runs read, which may hang, and returns its result, or an error when
// Config.Look is over. The read keeps its place among those of the user until it
// ends. drop releases a result that nobody waits for any more.
func within[T any](ctx context.Context, s *Service, u chatbox.UserKey, read func() (T, error), drop func(T)) (T, error) { //nolint:ireturn // T is a struct
	leave, err := s.enter(ctx, s.looks, u)
	if err != nil {
		var none T
		return none, err
	}
	waiting, cancel := context.WithTimeoutCause(ctx, s.cfg.Look, errStuck())
	defer cancel()
	return detach.DoOrDrop(waiting, func() (got T, err error) {
		defer leave()
		err = s.contain(ctx, func() (err error) { got, err = read(); return err })
		return got, err
	}, drop)
}

// errStuck is the error of a call for which the history or the store took too long.
func errStuck() error {
	return chatbox.NewError(chatbox.Unavailable, "the answer cannot be spoken at the moment; please try again", errors.New("no progress in time"))
}

// session returns a session that the caller may read.
func (s *Service) session(ctx context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	if !chatbox.ValidSessionID(id) {
		return chatbox.Session{}, chatbox.NoSuchSession()
	}
	if !a.Staff() {
		sess, err := s.deps.Sessions.Owned(ctx, a, id)
		if err == nil && sess.State.Erased {
			err = chatbox.NoSuchSession()
		}
		return sess, err
	}
	sess, err := s.deps.Sessions.Load(ctx, a.Session(id))
	switch {
	case err != nil:
		return sess, err
	case sess.WasErased():
		return sess, chatbox.NoSuchSession()
	case sess.Owner == a.UserID:
		return sess, nil
	}
	return sess, s.deps.Audit.Record(ctx, a, chatbox.AuditSessionRead, chatbox.AuditSubject{SessionID: id, UserID: sess.Owner})
}

// find returns the key of the answer with the id.
func (s *Service) find(ctx context.Context, u chatbox.UserKey, sess chatbox.Session, id string) (key string, err error) {
	key, err = s.searches.Key(ctx, s.cfg.Wait, u, sess, id)
	if errors.Is(err, seek.ErrBusy) || errors.Is(err, lanes.ErrShare) {
		err = refusal(err)
	}
	return key, err
}

// text returns the text of the finished answer with the key.
func (s *Service) text(ctx context.Context, sess chatbox.Session, key string) (string, error) {
	e, err := s.deps.Messages.ByKey(ctx, sess.Key, key)
	switch {
	case errors.Is(err, chatbox.NotFound):
		return "", seek.NoSuchAnswer()
	case err != nil:
		return "", err
	case e.Unreadable:
		return "", chatbox.NewError(chatbox.Unreadable, "", nil)
	case e.Type != chatbox.TypeAnswer || e.Content == "":
		return "", seek.NoSuchAnswer()
	}
	return e.Content, nil
}
