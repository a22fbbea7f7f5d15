package live

import (
	"context"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/lanes"
)

const (
	frameEffort  = 10      // cost of a frame that reads or notifies, in replayed events
	maxEfforts   = 100_000 // users with accounts on a pod; further users are not limited
	effortsSwept = time.Minute
	replayLanes  = 16 // concurrent replays of a pod that read the history; others wait
)

// efforts limits the reading that each user causes on this pod by frames without
// another rate limit. A user may have burst events read at once, and rate more
// each second. The cost of a frame is known only after it, so an account may be
// overdrawn once. It is safe for concurrent use.
type efforts struct {
	burst, rate float64

	reads *lanes.Lanes[chatbox.UserKey] // replays that read the history

	mu    sync.Mutex // guards following
	users map[chatbox.UserKey]account
	swept time.Time
}

// account is a user's budget at a time.
type account struct {
	left float64
	at   time.Time
}

func newEfforts(burst, rate int64) *efforts {
	return &efforts{burst: float64(burst), rate: float64(rate), reads: lanes.New[chatbox.UserKey](replayLanes, 1), users: map[chatbox.UserKey]account{}}
}

// admit charges the price of a frame. If the account is overdrawn, it returns
// chatbox.RateLimited with the time to wait and charges nothing.
func (e *efforts) admit(u chatbox.UserKey, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweepLocked(now)
	a, known := e.balanceLocked(u, now)
	if a.left <= 0 {
		wait := time.Duration((1 - a.left) / e.rate * float64(time.Second))
		return &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too many requests; wait a moment", RetryAfter: max(wait, time.Millisecond), Refusal: chatbox.RefusedRate,
		}
	}
	if known || len(e.users) < maxEfforts {
		e.users[u] = account{a.left - frameEffort, now}
	}
	return nil
}

// spend charges the actual cost of a frame.
func (e *efforts) spend(u chatbox.UserKey, events int, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a, known := e.balanceLocked(u, now); known {
		e.users[u] = account{a.left - float64(events), now}
	}
}

func (e *efforts) balanceLocked(u chatbox.UserKey, now time.Time) (a account, known bool) {
	a, known = e.users[u]
	if !known {
		return account{e.burst, now}, false
	}
	a.left = min(e.burst, a.left+e.rate*max(0, now.Sub(a.at).Seconds()))
	return a, true
}

// sweepLocked removes accounts that are full again.
func (e *efforts) sweepLocked(now time.Time) {
	if now.Sub(e.swept) < effortsSwept {
		return
	}
	e.swept = now
	for u := range e.users {
		if a, _ := e.balanceLocked(u, now); a.left >= e.burst {
			delete(e.users, u)
		}
	}
}

// read runs read, which reads the history for a user's replay. It allows one
// read per user at a time, however many sockets resume, and a few per pod.
func (e *efforts) read(ctx context.Context, u chatbox.UserKey, read func() error) error {
	leave, err := e.reads.Enter(ctx, u)
	if err != nil {
		return chatbox.NewError(chatbox.Unavailable, "too many replays are in progress", err)
	}
	defer leave()
	return read()
}

// Admit charges the caller the price of one frame that reads or notifies.
// chatbox.RateLimited: the caller is over the budget; nothing was charged.
func (s *Service) Admit(a chatbox.Actor) error { return s.efforts.admit(a.User(), time.Now()) }
