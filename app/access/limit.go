package access

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbox"
)

const (
	countPatience = 500 * time.Millisecond // Redis is waited for, by a request
	awayFor       = time.Second            // after it did not answer it is not asked
	window        = time.Minute
	maxTallied    = 100_000 // users that a pod counts by itself
)

// Admit counts one REST request: chatbox.RateLimited beyond the user's limit,
// chatbox.Unauthenticated where the credential was withdrawn,
// chatbox.PermissionDenied where the user is blocked. While Redis is
// away the limit is that of this pod alone, and so is what it knows of
// withdrawals: requests are served rather than refused.
func (g *Gate) Admit(ctx context.Context, a chatbox.Actor) error {
	switch {
	case g.Blocked(a.User()):
		return blocked()
	case g.Withdrawn(a):
		return withdrawn()
	}
	limit := g.cfg.UserRate
	if a.Staff() { // also who may only read has a page that asks again and again
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

var errAway = errors.New("redis did not answer a moment ago")

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

// missed notes that Redis did not answer, so that the next requests do not
// wait for it as well.
func (g *Gate) missed(ctx context.Context, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // the client went away
	}
	g.away.Store(time.Now().Add(awayFor).UnixNano())
	g.Logger.DebugContext(ctx, "limits are this pod's alone", "error", err) // that Redis is away is told elsewhere
}

// tally counts requests on this pod, in windows of a minute that begin with
// the first request; it is bounded, and beyond that it counts nobody new.
type tally struct {
	mu    sync.Mutex // guards following
	since time.Time
	users map[chatbox.UserKey]int
}

// count counts one request; it returns how long to wait where that is beyond
// the limit.
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
