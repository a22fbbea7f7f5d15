package desk

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/lanes"
)

const (
	searchLanes  = 4               // concurrent searches of a pod; further ones wait
	searchesEach = 1               // concurrent searches of one member of staff
	searchWait   = 5 * time.Second // maximum wait
)

// Finder finds messages by their words, and sessions.
type Finder interface {
	// Check returns chatbox.InvalidArgument naming the parameter if the query is
	// invalid. It does no I/O.
	Check(q helpdesk.SearchQuery) error
	// Find returns one page, newest first. Each message has the words and can be
	// decrypted, and its session is not erased.
	Find(ctx context.Context, q helpdesk.SearchQuery) (helpdesk.SearchPage, error)
}

// SearchDeps are the ports of Search; all are required.
type SearchDeps struct {
	Finder Finder
	Audit  Audit
}

// Search finds messages and sessions for staff. It is safe for concurrent use.
type Search struct {
	SearchDeps

	searches *lanes.Lanes[chatbox.UserKey]
}

// NewSearch returns a Search. It starts nothing.
func NewSearch(d SearchDeps) *Search {
	return &Search{SearchDeps: d, searches: lanes.New[chatbox.UserKey](lanes.Config{All: searchLanes, Each: searchesEach})}
}

// Search searches the messages and sessions of the caller's tenant. The audit log
// records the search, and the user if the query names one, but not the words. A
// pod runs four searches at once, and one per member of staff. A further search
// waits. After five seconds it fails: with chatbox.RateLimited if the caller's own
// searches delayed it, otherwise with chatbox.Unavailable.
func (s *Search) Search(ctx context.Context, a chatbox.Actor, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	if !a.Staff() {
		return helpdesk.SearchPage{}, notStaff()
	}
	q.Tenant = a.Tenant
	if err := s.Finder.Check(q); err != nil {
		return helpdesk.SearchPage{}, err
	}
	leave, err := s.enterSearch(ctx, a.User())
	if err != nil {
		return helpdesk.SearchPage{}, err
	}
	defer leave()
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionSearch, chatbox.AuditSubject{UserID: q.UserID}); err != nil {
		return helpdesk.SearchPage{}, err
	}
	return s.Finder.Find(ctx, q)
}

// enterSearch waits until the member of staff may search. Its errors are those
// of Search.
func (s *Search) enterSearch(ctx context.Context, u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	leave, err = s.searches.Enter(ctx, u)
	switch {
	case errors.Is(err, lanes.ErrShare):
		return nil, &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too many of your searches are under way", RetryAfter: time.Second, Refusal: chatbox.RefusedRate, Err: err,
		}
	case err != nil:
		return nil, &chatbox.Error{Code: chatbox.Unavailable, Message: "too many searches are under way", RetryAfter: time.Second, Err: err}
	}
	return leave, nil
}
