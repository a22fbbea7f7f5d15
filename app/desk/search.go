package desk

import (
	"context"
	"time"

	"chatbox"
)

const (
	searchLanes  = 4               // searches of a pod that read the history at once; what comes beyond waits
	searchesEach = 2               // of them of one member of staff
	searchWait   = 5 * time.Second // the longest wait
)

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
	leave, err := s.enterSearch(ctx, a.User())
	if err != nil {
		return chatbox.SearchPage{}, err
	}
	defer leave()
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionSearch, chatbox.AuditSubject{UserID: q.UserID}); err != nil {
		return chatbox.SearchPage{}, err
	}
	return s.Finder.Find(ctx, q)
}

// enterSearch waits until the member of staff may search: chatbox.Unavailable
// where that is not in time.
func (s *Service) enterSearch(ctx context.Context, u chatbox.UserKey) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, searchWait)
	defer cancel()
	leave, err = s.searches.Enter(ctx, u)
	if err != nil {
		return nil, &chatbox.Error{Code: chatbox.Unavailable, Message: "too many searches are under way", RetryAfter: time.Second, Err: err}
	}
	return leave, nil
}
