package outage

import (
	"sync"
	"time"
)

// Sparse passes one line per key and minute and counts the others. The zero
// value is ready to use. It is safe for concurrent use. Its keys must come
// from a closed set, since none is ever removed.
type Sparse struct {
	mu   sync.Mutex // guards seen
	seen map[string]*passage
}

type passage struct {
	at     time.Time
	missed int
}

// Pass reports whether a line may be written now, and how many were suppressed
// since the last one.
func (s *Sparse) Pass(key string) (missed int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.seen[key]
	if p == nil {
		if s.seen == nil {
			s.seen = map[string]*passage{}
		}
		p = &passage{}
		s.seen[key] = p
	}
	now := time.Now()
	if !p.at.IsZero() && now.Sub(p.at) < remindEvery {
		p.missed++
		return 0, false
	}
	missed, p.missed, p.at = p.missed, 0, now
	return missed, true
}
