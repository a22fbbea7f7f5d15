package desk

import (
	"context"
	"sync"
	"time"

	"chatbox"
)

const (
	searchLanes  = 4               // searches of a pod that read the history at once; what comes beyond waits
	searchesEach = 2               // of them of one member of staff
	searchWait   = 5 * time.Second // the longest wait
)

// searches bounds what searches cost everybody else. It is safe for concurrent
// use.
type searches struct {
	lanes chan struct{} // holds one for each search that reads; never closed

	mu sync.Mutex // guards of
	of map[chatbox.UserKey]*searcher
}

// searcher is a member of staff who searches.
type searcher struct {
	lanes    chan struct{} // as those of searches
	searches int           // those that wait included
}

func newSearches() *searches {
	return &searches{lanes: make(chan struct{}, searchLanes), of: map[chatbox.UserKey]*searcher{}}
}

// enter waits until the member of staff may search: chatbox.Unavailable where
// that is not in time.
func (l *searches) enter(ctx context.Context, u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	own := l.join(u)
	for i, lanes := range []chan struct{}{own.lanes, l.lanes} {
		select {
		case lanes <- struct{}{}:
		case <-ctx.Done():
			if i > 0 {
				<-own.lanes
			}
			l.part(u, own)
			return nil, &chatbox.Error{Code: chatbox.Unavailable, Message: "too many searches are under way", RetryAfter: time.Second}
		}
	}
	return func() { <-l.lanes; <-own.lanes; l.part(u, own) }, nil
}

func (l *searches) join(u chatbox.UserKey) *searcher {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.of[u]
	if own == nil {
		own = &searcher{lanes: make(chan struct{}, searchesEach)}
		l.of[u] = own
	}
	own.searches++
	return own
}

func (l *searches) part(u chatbox.UserKey, own *searcher) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.searches--; own.searches == 0 {
		delete(l.of, u)
	}
}

// Finder finds messages by their words, and sessions.
type Finder interface {
	// Check reports what is wrong with the query, chatbox.InvalidArgument
	// naming the parameter, without a look at anything.
	Check(q chatbox.SearchQuery) error
	// Find returns one page, newest first. A message that it returns has the
	// words and can be opened, and its session is not erased.
	Find(ctx context.Context, q chatbox.SearchQuery) (chatbox.SearchPage, error)
}

// Search looks through the messages and sessions of the caller's tenant. That it
// was done, and about whom where one user was named, is on record; what was
// looked for is not. A pod does four searches at once, two of them of one member
// of staff. What comes beyond waits, and is chatbox.Unavailable after five seconds.
func (s *Service) Search(ctx context.Context, a chatbox.Actor, q chatbox.SearchQuery) (chatbox.SearchPage, error) {
	if !a.Staff() {
		return chatbox.SearchPage{}, notStaff()
	}
	q.Tenant = a.Tenant
	if err := s.Finder.Check(q); err != nil {
		return chatbox.SearchPage{}, err
	}
	leave, err := s.searches.enter(ctx, a.User())
	if err != nil {
		return chatbox.SearchPage{}, err
	}
	defer leave()
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionSearch, chatbox.AuditSubject{UserID: q.UserID}); err != nil {
		return chatbox.SearchPage{}, err
	}
	return s.Finder.Find(ctx, q)
}
