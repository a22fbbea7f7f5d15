package history

import (
	"context"
	"time"

	"chatbox"
)

// recordLag is how recent a session's last activity must be for a list to take its
// state from Redis. It exceeds the second between two writes of a record, because
// the clocks of pods may differ.
const recordLag = 5 * time.Second

// latestWait limits how long a list waits for Redis.
const latestWait = 500 * time.Millisecond

// complete replaces the states of sessions whose records may lack the latest
// events. If Redis is unavailable, the sessions stay as they are.
func (s *Service) complete(ctx context.Context, sessions []chatbox.Session) {
	var keys []chatbox.SessionKey
	var at []int
	since := s.log.Now().Add(-recordLag)
	for i := range sessions {
		if sess := &sessions[i]; sess.State.LastActivity.After(since) || sess.CreatedAt.After(since) {
			keys, at = append(keys, sess.Key), append(at, i)
		}
	}
	if len(keys) == 0 {
		return
	}
	limited, cancel := context.WithTimeout(ctx, latestWait)
	defer cancel()
	states, err := s.deps.Latest.States(limited, keys)
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "latest states not read", "error", err)
		return
	}
	for n, st := range states {
		if sess := &sessions[at[n]]; st.Head > sess.State.Head && !st.Erased && !sess.Erased {
			sess.State = st
		}
	}
}
