package sessionlog

import (
	"context"
	"sync"

	"chatbox"
)

// serial runs the appends of a session one at a time on this pod, in order of
// arrival. Appends of different pods compete at the insert.
type serial struct {
	mu   sync.Mutex // guards following
	held map[chatbox.SessionKey]*turnstile
}

type turnstile struct {
	free chan struct{} // holds one token while no append runs; never closed
	want int
	why  error // the error that delays the running append
}

// enter waits until no other append of the session runs on this pod. The caller
// must call leave. If ctx ends first, enter returns the error that delays the
// running append, or chatbox.Unavailable if that error is unknown.
func (s *serial) enter(ctx context.Context, k chatbox.SessionKey) (leave func(), err error) {
	s.mu.Lock()
	if s.held == nil {
		s.held = map[chatbox.SessionKey]*turnstile{}
	}
	t := s.held[k]
	if t == nil {
		t = &turnstile{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		s.held[k] = t
	}
	t.want++
	s.mu.Unlock()
	done := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if t.want--; t.want == 0 {
			delete(s.held, k)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; done() }, nil
	case <-ctx.Done():
		s.mu.Lock()
		why := t.why
		s.mu.Unlock()
		done()
		if why != nil {
			return nil, why
		}
		return nil, chatbox.NewError(chatbox.Unavailable, "the session is busy", context.Cause(ctx))
	}
}

// kept records the error that delays the running append. A nil error clears it.
func (s *serial) kept(k chatbox.SessionKey, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.held[k]; t != nil {
		t.why = why
	}
}
