package live

import (
	"context"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/lanes"
)

const (
	frameEffort  = 10      // of a frame that reads or tells something, in replayed events
	maxEfforts   = 100_000 // users that a pod keeps accounts of; beyond that nobody new is bounded
	effortsSwept = time.Minute
	replayLanes  = 16 // replays of a pod that read the history at once; what comes beyond waits
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

// account is what a user had left at a time.
type account struct {
	left float64
	at   time.Time
}

func newEfforts(burst, rate int64) *efforts {
	return &efforts{burst: float64(burst), rate: float64(rate), reads: lanes.New[chatbox.UserKey](replayLanes, 1), users: map[chatbox.UserKey]account{}}
}

// admit takes the price of a frame, or says how long the user has to wait for
// the account to be in credit again; then nothing was taken.
func (e *efforts) admit(u chatbox.UserKey, now time.Time) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.sweepLocked(now)
	a, known := e.balanceLocked(u, now)
	if a.left <= 0 {
		wait := time.Duration((1 - a.left) / e.rate * float64(time.Second))
		return &chatbox.Error{
			Code: chatbox.RateLimited, Message: "too much was asked for again and again", RetryAfter: max(wait, time.Millisecond), Refusal: chatbox.RefusedRate,
		}
	}
	if known || len(e.users) < maxEfforts {
		e.users[u] = account{a.left - frameEffort, now}
	}
	return nil
}

// spend takes what a frame turned out to cost.
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

// sweepLocked forgets accounts that are full again.
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

// read reads the history for a user's replay: for one of the user at a time,
// however many sockets resume, and for a few of the pod.
func (e *efforts) read(ctx context.Context, u chatbox.UserKey, read func() error) error {
	leave, err := e.reads.Enter(ctx, u)
	if err != nil {
		return chatbox.NewError(chatbox.Unavailable, "too much is being read at the moment", err)
	}
	defer leave()
	return read()
}

// Admit charges the caller the price of one frame that reads or tells something.
// chatbox.RateLimited: the caller has had too much read lately; nothing was
// charged.
func (s *Service) Admit(a chatbox.Actor) error { return s.efforts.admit(a.User(), time.Now()) }
