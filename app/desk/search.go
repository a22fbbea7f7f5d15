package desk

import (
	"context"

	"chatbox"
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
// looked for is not.
func (s *Service) Search(ctx context.Context, a chatbox.Actor, q chatbox.SearchQuery) (chatbox.SearchPage, error) {
	if !a.Staff() {
		return chatbox.SearchPage{}, notStaff()
	}
	q.Tenant = a.Tenant
	if err := s.Finder.Check(q); err != nil {
		return chatbox.SearchPage{}, err
	}
	if err := s.Audit.Record(ctx, a, chatbox.AuditSessionSearch, chatbox.AuditSubject{UserID: q.UserID}); err != nil {
		return chatbox.SearchPage{}, err
	}
	return s.Finder.Find(ctx, q)
}
