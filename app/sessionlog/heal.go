package sessionlog

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/cluster"
)

// healMax is how many missing events are published one by one; beyond it only
// the head is set, and the pods read the events for themselves.
const healMax = 200

// Heal publishes the events that the history has and Redis lacks, in order. It
// is idempotent, and several pods may heal one session at once.
func (l *Log) Heal(ctx context.Context, k chatbox.SessionKey) error {
	tail, err := l.deps.Hot.Read(ctx, k, AtHead)
	if err != nil {
		return err
	}
	if !tail.Seeded {
		_, err := l.Seed(ctx, k)
		return err
	}
	st, read, healed, unread := tail.State, 0, 0, false
	for !unread {
		events, err := l.deps.Messages.Range(ctx, k, st.Head+1, st.Head+headPage)
		if err != nil {
			return err
		}
		for _, e := range events {
			// Perhaps only this pod lacks the key, so the copy in Redis must not say
			// for all pods that the event cannot be read. Only the head is set, and
			// the pods read the event for themselves.
			if unread = e.Unreadable; unread {
				break
			}
			st = st.Apply(e)
			shown, err := l.show(ctx, cluster.Publication{Event: e, State: st}, false)
			if err != nil {
				return err
			}
			if read++; shown {
				healed++
			}
		}
		if len(events) < headPage || read >= healMax {
			break
		}
	}
	if healed > 0 {
		l.deps.Observer.Healed(healed)
		l.deps.Due.Add(k)
		l.stale.Add(k) // a pod that died before it published had not stored the state either
	}
	if read >= healMax || unread {
		_, err := l.Seed(ctx, k)
		return err
	}
	return nil
}

// healQueued heals a session of the queue.
func (l *Log) healQueued(ctx context.Context, k chatbox.SessionKey) error {
	turn, cancel := l.Bound(ctx)
	defer cancel()
	err := l.Heal(turn, k)
	if errors.Is(err, chatbox.NotFound) {
		err = l.settleErased(turn, k)
	}
	if err != nil {
		l.deps.Logger.DebugContext(ctx, "session not healed", "session", k.ID, "error", err)
	}
	return err
}

// HealLater queues the session to be healed in the background.
func (l *Log) HealLater(k chatbox.SessionKey) { l.broken.Add(k) }

// SyncRecordLater queues the session's record to be updated in the background.
func (l *Log) SyncRecordLater(k chatbox.SessionKey) { l.stale.Add(k) }

// Resubscribed retries queued sessions that failed before, since Redis may have
// been away. It does not block.
func (l *Log) Resubscribed() {
	l.broken.Retry()
	l.stale.Retry()
	l.records.queue.Retry()
}

// settleErased ends the turns of an erased session.
func (l *Log) settleErased(ctx context.Context, k chatbox.SessionKey) error {
	turns, err := l.deps.Turns.PendingOf(ctx, k, 1, AtHead, pendingOfPage)
	for _, t := range turns {
		if err == nil {
			err = l.deps.Turns.SettleTurn(ctx, k, t.Gen, chatbox.TurnDone)
		}
	}
	return err
}
