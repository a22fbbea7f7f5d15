package speech

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/seek"
	"chatbox/internal/lanes"
)

// window is how many of the newest bytes of a speech are in memory while it is
// made. A listener that is further behind waits for the stored file.
const window = 1 << 20

// errBusy is the cause of a refusal because of other users.
var errBusy = errors.New("too many answers are spoken at once")

// making is a speech that is being made and stored.
type making struct {
	cancel  context.CancelCauseFunc
	session chatbox.SessionKey
	file    chatbox.File

	mu      sync.Mutex // guards following
	ring    []byte     // the newest bytes: byte n is at n % window; nil once the stored file has them
	total   int64
	changed chan struct{} // closed and replaced by each change
	over    bool          // it was stored, or it failed
	err     error
	other   bool // the stored file is not this speech, but that of another pod
}

// join returns the speech of the answer that is being made, and begins one if
// there is none.
func (s *Service) join(ctx context.Context, a chatbox.Actor, sess chatbox.Session, id, text string) (*making, string, error) {
	key := chatbox.FileKey{Tenant: sess.Key.Tenant, ID: id}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, "", errEnds
	}
	if m := s.making[key]; m != nil {
		return m, OutcomeShared, nil
	}
	// A caller that leaves does not end the making: the request to the vendor costs money,
	// and the next caller needs the speech.
	working, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	m := &making{
		cancel: cancel, session: sess.Key, changed: make(chan struct{}),
		file: chatbox.File{Key: key, Owner: sess.Owner, Name: "answer.mp3", ContentType: "audio/mpeg"},
	}
	s.making[key] = m
	s.work.Go(func() { // ends after cfg.Make, or with Run; Run waits
		defer cancel(nil)
		working, stop := context.WithTimeoutCause(working, s.cfg.Make, chatbox.NewError(chatbox.ModelTimeout, "", nil))
		defer stop()
		err := s.contain(working, func() error { return s.make(working, a.User(), m, text) })
		s.end(working, m, err)
	})
	return m, OutcomeMade, nil
}

// contain turns a panic into an error, so that it ends one speech and not the pod.
func (s *Service) contain(ctx context.Context, act func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.deps.Logger.ErrorContext(ctx, "speech panicked", "panic", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = chatbox.NewError(chatbox.Internal, "", nil)
		}
	}()
	return act()
}

// make asks the vendor and stores the sound while it arrives.
func (s *Service) make(ctx context.Context, u chatbox.UserKey, m *making, text string) error {
	leave, err := s.enter(ctx, s.lanes, u)
	if err != nil {
		return err
	}
	defer leave()
	if content, _, err := s.deps.Files.ReadInSession(ctx, m.session, m.file.Key.ID, 0); err == nil {
		m.setOther() // it was stored meanwhile
		return content.Close()
	}
	sound, err := s.deps.Speaker.Speak(ctx, text)
	if err != nil {
		return err
	}
	defer func() { _ = sound.Close() }() // its errors were read
	first, err := s.deps.Files.Keep(ctx, m.file, m.session, func(w io.Writer) error {
		_, err := io.Copy(io.MultiWriter(w, m), sound)
		return err
	})
	if err == nil && !first {
		m.setOther()
	}
	return err
}

// enter waits for one of the lanes.
func (s *Service) enter(ctx context.Context, l *lanes.Lanes[chatbox.UserKey], u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Wait)
	defer cancel()
	if leave, err = l.Enter(ctx, u); err != nil {
		return nil, refusal(err)
	}
	return leave, nil
}

// refusal returns the error of a call that did not get its turn because of err.
func refusal(err error) error {
	if errors.Is(err, lanes.ErrShare) {
		return chatbox.AskedTooMuch(time.Second, err)
	}
	e := chatbox.NewError(chatbox.Unavailable, "too many answers are spoken at the moment", errors.Join(errBusy, err))
	e.RetryAfter = time.Second
	return e
}

// end tells the listeners. Later calls read the file, or begin again.
func (s *Service) end(ctx context.Context, m *making, err error) {
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cause // the time-out, or the pod's end
	}
	if errors.Is(err, chatbox.InvalidArgument) {
		err = seek.NoSuchAnswer() // it has no words
	}
	s.mu.Lock()
	delete(s.making, m.file.Key)
	s.mu.Unlock()
	m.mu.Lock()
	m.over, m.err = true, err
	total := m.total
	if err != nil || !m.other {
		m.ring = nil // the store has the rest
	}
	close(m.changed)
	m.mu.Unlock()
	switch {
	case err == nil:
		s.deps.Observer.AnswerSpoken(OutcomeMade, total)
	case total > 0: // Speak has returned without an error and has counted nothing
		s.deps.Observer.AnswerSpoken(outcomeOf(err), 0)
		s.deps.Logger.WarnContext(ctx, "speech of an answer broke off", "session", m.session.ID, "error", err)
	default:
		s.deps.Logger.DebugContext(ctx, "answer not spoken", "session", m.session.ID, "error", err)
	}
}

// Write keeps the newest bytes. It never fails and never waits.
func (m *making) Write(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ring == nil {
		m.ring = make([]byte, window)
	}
	for rest := p; len(rest) > 0; {
		n := copy(m.ring[m.total%window:], rest)
		m.total += int64(n)
		rest = rest[n:]
	}
	close(m.changed)
	m.changed = make(chan struct{})
	return len(p), nil
}

func (m *making) setOther() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.other = true
}

// state returns how many bytes there are, whether the making is over and with which
// error, and the channel that the next change closes.
func (m *making) state() (total int64, over bool, changed <-chan struct{}, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total, m.over, m.changed, m.err
}
