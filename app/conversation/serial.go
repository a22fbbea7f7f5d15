package conversation

import (
	"context"
	"sync"

	"chatbox"
)

// serial lets one act of a key run at a time on this pod, in the order of
// arrival. Of a session's appends; the race between pods is decided by the
// insert.
type serial[K comparable] struct {
	mu   sync.Mutex // guards following
	held map[K]*turnstile
}

type turnstile struct {
	free chan struct{} // holds one token while nobody is inside; never closed
	want int
	why  error // what keeps whoever is inside
}

// enter waits for the key; the returned func leaves it. Who waits in vain
// is told what keeps the one inside, where that is known.
func (s *serial[K]) enter(ctx context.Context, k K) (leave func(), err error) {
	s.mu.Lock()
	if s.held == nil {
		s.held = map[K]*turnstile{}
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
		return nil, chatbox.Errorf(chatbox.Unavailable, "the session is busy", context.Cause(ctx))
	}
}

// kept notes what keeps the one who is inside; nil: nothing any more.
func (s *serial[K]) kept(k K, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.held[k]; t != nil {
		t.why = why
	}
}
