package sessionlog

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"chatbox"
	"chatbox/cluster"
)

// pendingOfPage is how many pending turns of a session one read brings.
const pendingOfPage = 500

// Seed sets the session's copy in Redis from the history, and returns the
// session. ErrErased: the session is erased.
func (l *Log) Seed(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	sess, err := l.Load(ctx, k)
	if err != nil {
		return sess, err
	}
	if sess.Erased {
		return sess, ErrErased
	}
	return sess, l.refill(ctx, sess)
}

// SeedState sets head and state of the session in Redis, and no pending turns:
// none of an erased session is answered.
func (l *Log) SeedState(ctx context.Context, sess chatbox.Session) error {
	return l.deps.Hot.Seed(ctx, cluster.Seed{Session: sess.Key, Owner: sess.Owner, State: sess.State})
}

// refill sets head, state and pending turns of the session in Redis in one atomic
// step, so that no newer message is answered before an older one. An event that
// is stored between the reads and that step does no harm: it enters its own turn
// when it is published, and voids the turns that it voids.
func (l *Log) refill(ctx context.Context, sess chatbox.Session) error {
	turns, err := l.unanswered(ctx, sess)
	if err != nil {
		return err
	}
	err = l.deps.Hot.Seed(ctx, cluster.Seed{Session: sess.Key, Owner: sess.Owner, State: sess.State, Turns: turns})
	if err == nil && len(turns) > 0 {
		l.deps.Due.Add(sess.Key)
	}
	return err
}

// unanswered lists the turns of the session that want an answer, in the order in
// which they are to be answered.
func (l *Log) unanswered(ctx context.Context, sess chatbox.Session) ([]chatbox.PendingTurn, error) {
	st := sess.State
	// A message to a person who holds the session is answered only if that person
	// vanishes, and then the automatic hand-back enters its turn.
	if st.Ended || st.HolderID != "" || st.Head == 0 {
		return nil, nil
	}
	var turns []chatbox.PendingTurn
	for from := int64(1); from <= st.Head; {
		page, err := l.deps.Turns.PendingOf(ctx, sess.Key, from, st.Head, pendingOfPage)
		if err != nil {
			return nil, err
		}
		for _, t := range page {
			over, err := l.answered(ctx, t)
			if err != nil {
				return nil, err
			}
			if !over && t.At >= st.AnswerableFrom {
				turns = append(turns, t)
			}
		}
		if len(page) < pendingOfPage {
			break
		}
		from = page[len(page)-1].Gen.Seq + 1
	}
	slices.SortStableFunc(turns, func(a, b chatbox.PendingTurn) int { return cmp.Compare(a.At, b.At) })
	return turns, nil
}

// answered reports whether the final answer of a pending turn is stored already:
// the pod that stored it has not settled the turn yet, and no pod may answer it
// again.
func (l *Log) answered(ctx context.Context, t chatbox.PendingTurn) (bool, error) {
	if t.Claims == 0 {
		return false, nil
	}
	_, err := l.deps.Messages.ByKey(ctx, t.Session, chatbox.AnswerKey(t.Gen.Seq, t.Gen.Run))
	if errors.Is(err, chatbox.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// EnterTurn schedules a turn that became pending. at is the place from which the
// turn counts (Turn.At). A session that Redis does not know, or not as far as the
// message, is healed first, which enters the turn.
func (l *Log) EnterTurn(ctx context.Context, k chatbox.SessionKey, g chatbox.Gen, at int64) error {
	err := l.deps.Hot.Enqueue(ctx, k, g, at)
	if errors.Is(err, chatbox.NotFound) {
		err = l.Heal(ctx, k)
	}
	if err == nil {
		l.deps.Due.Add(k)
	}
	return err
}
