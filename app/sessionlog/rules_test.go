package sessionlog_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/workqueue"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var session = chatbox.SessionKey{ID: "s"}

// pod is the session log of one pod; pods may share a history and a Redis.
type pod struct {
	*sessionlog.Log

	healed, unpublished int
}

func (p *pod) Healed(events int) { p.healed += events }
func (p *pod) PublishFailed()    { p.unpublished++ }

func newPod(history *fakes.History, redis sessionlog.Hot) *pod {
	p := &pod{}
	p.Log = sessionlog.New(sessionlog.DefaultConfig(), sessionlog.Deps{
		Messages: history, Sessions: history, Turns: history, Hot: redis, Due: workqueue.New[chatbox.SessionKey](workqueue.Config{}),
		Observer: p, Logger: slog.New(slog.DiscardHandler),
	})
	return p
}

// note is an append of a user's message that wants an answer; it creates the
// session.
func note(key string) sessionlog.Draft {
	return sessionlog.Draft{
		Session: session, Key: key,
		Create: func() chatbox.Session { return chatbox.Session{Key: session, Owner: "ada"} },
		Decide: func(sessionlog.Basis) (chatbox.Event, error) {
			return chatbox.Event{ID: key, Type: chatbox.TypeUserMessage, Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1}}, nil
		},
	}
}

func TestAppend_AnUnknownSessionIsRefusedWithoutCreate(t *testing.T) {
	p := newPod(fakes.NewHistory(), fakes.NewRedis())
	d := note("k")
	d.Create = nil
	_, err := p.Append(t.Context(), d)
	require.ErrorIs(t, err, chatbox.NotFound)
}

func TestAppend_PodsThatRaceMakeOneOrder(t *testing.T) {
	history, redis := fakes.NewHistory(), fakes.NewRedis()
	pods := []*pod{newPod(history, redis), newPod(history, redis), newPod(history, redis)}
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() {
			_, err := pods[i%len(pods)].Append(t.Context(), note(fmt.Sprint("k", i)))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	log := history.Log(session)
	require.Len(t, log, 60)
	for i, e := range log {
		assert.EqualValues(t, i+1, e.Seq)
	}
}

func TestAppend_IsDecidedAgainWhereItsPlaceIsTaken(t *testing.T) {
	history, redis := fakes.NewHistory(), fakes.NewRedis()
	p, other := newPod(history, redis), newPod(history, redis)
	_, err := p.Append(t.Context(), note("k1"))
	require.NoError(t, err)
	d, decided := note("k2"), 0
	decide := d.Decide
	d.Decide = func(b sessionlog.Basis) (chatbox.Event, error) {
		if decided++; decided == 1 { // another pod is faster
			_, err := other.Append(t.Context(), note("k3"))
			require.NoError(t, err)
		}
		assert.EqualValues(t, decided, b.State.Head, "it sees the event that was faster")
		return decide(b)
	}
	res, err := p.Append(t.Context(), d)
	require.NoError(t, err)
	assert.Equal(t, 2, decided)
	assert.EqualValues(t, 3, res.Event.Seq)
}

func TestAppend_ARepeatByAnotherPod(t *testing.T) {
	history, redis := fakes.NewHistory(), fakes.NewRedis()
	first, err := newPod(history, redis).Append(t.Context(), note("k"))
	require.NoError(t, err)
	again, err := newPod(history, redis).Append(t.Context(), note("k"))
	require.NoError(t, err)
	assert.True(t, again.Repeat)
	assert.Equal(t, first.Event.Seq, again.Event.Seq)
}

func TestAppend_IsDurableWhereRedisCannotPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		history, redis := fakes.NewHistory(), fakes.NewRedis()
		p := newPod(history, redis)
		_, err := p.Append(t.Context(), note("k1"))
		require.NoError(t, err)
		redis.Fail("Publish", chatbox.NewError(chatbox.Unavailable, "", nil))
		res, err := p.Append(t.Context(), note("k2"))
		require.NoError(t, err, "the event is in the history")
		assert.False(t, res.Published)
		assert.Equal(t, 1, p.unpublished)
		redis.Fail("Publish", nil)
		require.NoError(t, p.Heal(t.Context(), session))
		assert.Equal(t, 1, p.healed)
		tail, err := p.Peek(t.Context(), session, 0)
		require.NoError(t, err)
		assert.EqualValues(t, 2, tail.State.Head)
		assert.Len(t, tail.Events, 2)
	})
}

func TestAppend_RedisAwayIsWaitedForAndRefusedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		redis := fakes.NewRedis()
		p := newPod(fakes.NewHistory(), redis)
		redis.Fail("Begin", chatbox.NewError(chatbox.Unavailable, "", nil))
		ctx, cancel := p.Bound(t.Context())
		defer cancel()
		began := time.Now()
		_, err := p.Append(ctx, note("k"))
		require.ErrorIs(t, err, chatbox.Unavailable)
		assert.LessOrEqual(t, time.Since(began), 11*time.Second)
	})
}

func TestSeed_BringsTurnsBackInOrder(t *testing.T) {
	history, redis := fakes.NewHistory(), fakes.NewRedis()
	p := newPod(history, redis)
	for i := range 3 {
		_, err := p.Append(t.Context(), note(fmt.Sprint("k", i)))
		require.NoError(t, err)
	}
	redis.Flush()
	_, err := p.Append(t.Context(), note("k3")) // seeds
	require.NoError(t, err)
	for seq := int64(1); seq <= 4; seq++ {
		c, err := redis.Claim(t.Context(), session)
		require.NoError(t, err)
		require.Equal(t, cluster.ClaimTaken, c.Status)
		assert.Equal(t, seq, c.Lease.Gen.Seq, "the oldest question is answered first")
		require.NoError(t, redis.Drop(t.Context(), c.Lease, nil))
	}
}

// emptied is a Redis that is emptied right after it is seeded, some times.
type emptied struct {
	*fakes.Redis

	times int
}

func (e *emptied) Seed(ctx context.Context, in cluster.Seed) error {
	err := e.Redis.Seed(ctx, in)
	if e.times > 0 {
		e.times--
		e.Flush()
	}
	return err
}

func TestTail_ASessionThatRedisLosesAgainIsNotUnknown(t *testing.T) {
	history, redis := fakes.NewHistory(), &emptied{Redis: fakes.NewRedis()}
	p := newPod(history, redis)
	_, err := p.Append(t.Context(), note("k"))
	require.NoError(t, err)
	redis.Flush()
	redis.times = 2
	tail, err := p.Tail(t.Context(), session, 0)
	require.NoError(t, err)
	assert.Equal(t, "ada", tail.Owner)
	assert.EqualValues(t, 1, tail.State.Head)

	redis.Flush()
	redis.times = 100
	_, err = p.Tail(t.Context(), session, 0)
	require.ErrorIs(t, err, chatbox.Unavailable, "the client tries again; NotFound would make it begin a new session")
}

func TestSyncRecord_ARecordCatchesUpWithItsLog(t *testing.T) {
	history, redis := fakes.NewHistory(), fakes.NewRedis()
	p := newPod(history, redis)
	history.Fail("SaveState", chatbox.NewError(chatbox.StoreFailed, "", nil))
	_, err := p.Append(t.Context(), note("k"))
	require.NoError(t, err)
	history.Fail("SaveState", nil)
	sess, err := history.Load(t.Context(), session)
	require.NoError(t, err)
	require.Zero(t, sess.State.Head)
	require.NoError(t, p.SyncRecord(t.Context(), session))
	sess, err = history.Load(t.Context(), session)
	require.NoError(t, err)
	assert.EqualValues(t, 1, sess.State.Head)
}

func TestOwned_SomebodyElsesLooksUnknown(t *testing.T) {
	p := newPod(fakes.NewHistory(), fakes.NewRedis())
	_, err := p.Append(t.Context(), note("k"))
	require.NoError(t, err)
	_, mine := p.Owned(t.Context(), chatbox.Actor{UserID: "ada"}, "s")
	require.NoError(t, mine)
	_, foreign := p.Owned(t.Context(), chatbox.Actor{UserID: "mal"}, "s")
	_, unknown := p.Owned(t.Context(), chatbox.Actor{UserID: "mal"}, "nowhere")
	require.ErrorIs(t, foreign, chatbox.NotFound)
	require.EqualError(t, foreign, "not_found: no such session")
	require.ErrorIs(t, unknown, chatbox.NotFound)
}
