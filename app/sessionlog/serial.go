package sessionlog

import (
	"context"
	"sync"

	"chatbox"
)

// serial lets one append per session run at a time on this pod, in the order
// of arrival; the race between pods is decided by the insert.
type serial struct {
	mu   sync.Mutex // guards following
	held map[chatbox.SessionKey]*turnstile
}

type turnstile struct {
	free chan struct{} // holds one token while nobody is inside; never closed
	want int
	why  error // what delays the append that is inside
}

// enter waits for the session; the returned func leaves it. A caller that waits
// in vain gets the error that delays the append inside, where that is known.
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

// kept notes what delays the append that is inside; nil: nothing any more.
func (s *serial) kept(k chatbox.SessionKey, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.held[k]; t != nil {
		t.why = why
	}
}
