package access

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbox"
)

const (
	countPatience = 500 * time.Millisecond // timeout of Redis for a request
	awayFor       = time.Second            // how long Redis is not asked after a timeout
	window        = time.Minute
	maxTallied    = 100_000 // users that a pod counts alone
)

// Admit counts a REST request. It returns chatbox.RateLimited beyond the user's
// limit, chatbox.Unauthenticated if the credential was withdrawn, and
// chatbox.PermissionDenied if the user is blocked. While Redis is unavailable,
// the pod uses its own counts and the withdrawals that it knows: requests are
// served rather than refused.
func (g *Gate) Admit(ctx context.Context, a chatbox.Actor) error {
	switch {
	case g.Blocked(a.User()):
		return blocked()
	case g.Withdrawn(a):
		return withdrawn()
	}
	limit := g.cfg.UserRate
	if a.Staff() { // read-only staff use a polling page as well
		limit = g.cfg.AdminRate
	}
	wait, before, err := g.count(ctx, a.User(), limit)
	switch {
	case err != nil:
		wait = g.local.count(a.User(), limit, time.Now())
	case a.IssuedAt.Before(before):
		return withdrawn()
	}
	if wait > 0 {
		return &chatbox.Error{Code: chatbox.RateLimited, Message: "too many requests", RetryAfter: wait, Refusal: chatbox.RefusedRESTRate}
	}
	return nil
}

var errAway = errors.New("redis did not answer recently")

func (g *Gate) count(ctx context.Context, u chatbox.UserKey, limit int) (time.Duration, time.Time, error) {
	if g.isAway() {
		return 0, time.Time{}, errAway
	}
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	wait, before, err := g.Counts.CountRequest(ctx, u, limit)
	if err != nil {
		g.missed(ctx, err)
	}
	return wait, before, err
}

func (g *Gate) isAway() bool { return time.Now().UnixNano() < g.away.Load() }

// missed records that Redis did not answer, so that the next requests do not wait
// for it.
func (g *Gate) missed(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the client is gone
	}
	g.away.Store(time.Now().Add(awayFor).UnixNano())
	g.Logger.DebugContext(ctx, "rate limits apply per pod", "error", err) // the outage of Redis is logged elsewhere
}

// tally counts requests on this pod, in windows of a minute that are the same for
// all users. The first request after a window begins the next one. It is bounded:
// when it is full, it does not count further users.
type tally struct {
	mu    sync.Mutex // guards following
	since time.Time
	users map[chatbox.UserKey]int
}

// count counts a request. If that exceeds the limit, it returns how long to wait.
func (t *tally) count(u chatbox.UserKey, limit int, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= window {
		t.since, t.users = now, map[chatbox.UserKey]int{}
	}
	n, known := t.users[u]
	switch {
	case n >= limit:
		return t.since.Add(window).Sub(now)
	case known || len(t.users) < maxTallied:
		t.users[u] = n + 1
	}
	return 0
}
