package desk

import (
	"context"

	"chatbox"
)

// Queue is a tenant's sessions whose users wait for a person, as far as the
// folds of their logs were stored: who has just asked, or was just come to, may
// be in it or not for a moment.
type Queue interface {
	// Queue returns the first limit (≥ 1) of them in the order of
	// chatbox.Waiting, and how many there are in all, counted up to
	// chatbox.MaxCounted. One read where all of them were asked for.
	Queue(ctx context.Context, tenant string, limit int) (first []chatbox.Waiting, total int64, err error)
}
