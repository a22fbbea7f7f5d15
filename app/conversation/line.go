package conversation

import (
	"context"
	"sync"

	"chatbox"
)

// line does one kind of work for sessions: each waits in it at most once, and
// at most a fixed number is worked on at a time. Its goroutines are started by
// add, end when there is nothing to do, and are waited for by wait.
type line struct {
	do  func(ctx context.Context, s chatbox.SessionKey)
	max int
	wg  sync.WaitGroup

	mu      sync.Mutex      // guards following
	ctx     context.Context //nolint:containedctx // of the workers, from open to wait
	waiting []chatbox.SessionKey
	known   map[chatbox.SessionKey]struct{}
	workers int
	closed  bool
}

func newLine(most int, do func(ctx context.Context, s chatbox.SessionKey)) *line {
	return &line{do: do, max: most, known: map[chatbox.SessionKey]struct{}{}, closed: true}
}

func (l *line) open(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ctx, l.closed = ctx, false
}

// add has the session worked on; a session that waits already is not added
// again. Nothing is taken before open and after close: sweeps find it.
func (l *line) add(s chatbox.SessionKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	if _, ok := l.known[s]; ok {
		return
	}
	l.known[s] = struct{}{}
	l.waiting = append(l.waiting, s)
	if l.workers < l.max {
		l.workers++
		l.wg.Go(l.work)
	}
}

func (l *line) work() {
	for {
		l.mu.Lock()
		if len(l.waiting) == 0 {
			l.workers--
			l.mu.Unlock()
			return
		}
		s := l.waiting[0]
		l.waiting = l.waiting[1:]
		delete(l.known, s)
		ctx := l.ctx
		l.mu.Unlock()
		l.do(ctx, s)
	}
}

// close takes nothing more and forgets who waits.
func (l *line) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	l.waiting = nil
	clear(l.known)
}

func (l *line) wait() { l.wg.Wait() }

// shut reports whether nothing more is taken.
func (l *line) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// serial lets one append per session run at a time on this pod, in the order
// of arrival; the race between pods is decided by the insert.
type serial struct {
	mu   sync.Mutex // guards following
	held map[chatbox.SessionKey]*turnstile
}

type turnstile struct {
	free chan struct{} // holds one token while nobody is inside; never closed
	want int
	why  error // what keeps whoever is inside
}

// enter waits for the session; the returned func leaves it. Who waits in vain
// is told what keeps the one inside, where that is known.
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
		return nil, chatbox.Errorf(chatbox.Unavailable, "the session is busy", context.Cause(ctx))
	}
}

// kept notes what keeps the one who is inside; nil: nothing any more.
func (s *serial) kept(k chatbox.SessionKey, why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.held[k]; t != nil {
		t.why = why
	}
}
