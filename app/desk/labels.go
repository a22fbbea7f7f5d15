package desk

import (
	"context"

	"chatbox"
)

// Labels are what staff puts on sessions: kept beside the fold, erased with the
// session, and found by marks that say nothing.
type Labels interface {
	// SetTags puts the tags in the place of those that the session has, and
	// Assign an assignee in that of the one it has, an empty one being nobody.
	// chatbox.NotFound: no such session, or an erased one.
	SetTags(ctx context.Context, k chatbox.SessionKey, tags []string) error
	Assign(ctx context.Context, k chatbox.SessionKey, to chatbox.Assignee) error
	// Tags are a tenant's tags in use, the most used first, at most as many as
	// asked for.
	Tags(ctx context.Context, tenant string, most int) ([]chatbox.TagCount, error)
	// Workload counts what is the affair of a member of staff.
	Workload(ctx context.Context, who chatbox.UserKey) (chatbox.Workload, error)
}
