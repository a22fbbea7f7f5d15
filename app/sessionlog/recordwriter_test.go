package sessionlog_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recording is a pod whose records are written, with its history and Redis.
type recording struct {
	*pod

	t       *testing.T
	history *fakes.History
	redis   *fakes.Redis
	stop    func() // returns when the pod has ended
	sent    int
}

func record(t *testing.T, f func(r *recording)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &recording{t: t, history: fakes.NewHistory(), redis: fakes.NewRedis()}
		r.pod = newPod(r.history, r.redis)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); r.Run(ctx) }()
		r.stop = func() { cancel(); <-done }
		synctest.Wait()
		f(r)
		r.stop()
	})
}

func (r *recording) say(n int) {
	r.t.Helper()
	for range n {
		r.sent++
		_, err := r.Append(r.t.Context(), note(fmt.Sprint("k", r.sent)))
		require.NoError(r.t, err)
	}
}

// recorded returns the head in the session's record.
func (r *recording) recorded() int64 {
	r.t.Helper()
	synctest.Wait()
	sess, err := r.history.Load(r.t.Context(), session)
	require.NoError(r.t, err)
	return sess.State.Head
}

func (r *recording) pause(d time.Duration) { sleep.For(r.t.Context(), d) }

func TestRecords_FirstChangeSoonAndOthersTogether(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.say(1)
		r.pause(50 * time.Millisecond)
		assert.EqualValues(t, 1, r.recorded(), "a list soon shows a quiet session's message")
		r.say(50)
		assert.EqualValues(t, 1, r.recorded())
		assert.Equal(t, 50, r.redis.Intents(session), "a sweep finds the session if the pod dies now")
		r.pause(2 * time.Second)
		assert.EqualValues(t, 51, r.recorded())
		assert.Equal(t, 2, r.history.Calls("SaveState"))
		assert.Zero(t, r.redis.Intents(session))
		r.pause(2 * time.Second)
		r.say(1)
		r.pause(50 * time.Millisecond)
		assert.EqualValues(t, 52, r.recorded(), "quiet again")
	})
}

// A group of records costs the history much less than as many single ones.
func TestRecords_SessionsOfOneTickAreWrittenTogether(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		other := note("other")
		other.Session.ID += "-2"
		both := func(key string) {
			r.say(1)
			r.pause(30 * time.Millisecond)
			other.Key = key
			_, err := r.Append(t.Context(), other)
			require.NoError(t, err)
		}
		both("o1")
		synctest.Wait()
		assert.Zero(t, r.history.Calls("SaveState"))
		r.pause(20 * time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 2, r.history.Calls("SaveState"), "first changes")

		both("o2")
		r.pause(time.Second + 219*time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 2, r.history.Calls("SaveState"))
		r.pause(time.Millisecond)
		synctest.Wait()
		assert.Equal(t, 4, r.history.Calls("SaveState"), "further changes")
	})
}

func TestRecords_WhatStaffLooksForIsNotDelayed(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.say(2)
		d := note("help")
		decide := d.Decide
		d.Decide = func(b sessionlog.Basis) (chatbox.Event, error) {
			e, err := decide(b)
			e.Type, e.Turn = chatbox.TypeHelpRequest, nil
			return e, err
		}
		_, err := r.Append(t.Context(), d)
		require.NoError(t, err)
		assert.EqualValues(t, 3, r.recorded())
	})
}

func TestRecords_AFailedWriteIsRepeatedWithTheLatestState(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.history.Fail("SaveState", chatbox.NewError(chatbox.StoreFailed, "", nil))
		r.say(3)
		assert.Zero(t, r.recorded())
		assert.NotZero(t, r.redis.Intents(session))
		r.history.Fail("SaveState", nil)
		r.pause(2 * time.Second)
		assert.EqualValues(t, 3, r.recorded())
		assert.Zero(t, r.redis.Intents(session))
	})
}

func TestRecords_AfterAnOutageTheyAreSoonComplete(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.history.Fail("SaveState", chatbox.NewError(chatbox.StoreFailed, "", nil))
		for range 300 {
			r.say(2)
			r.pause(2 * time.Second)
		}
		assert.LessOrEqual(t, r.redis.Intents(session), 600)
		r.history.Fail("SaveState", nil)
		r.pause(8 * time.Second)
		assert.EqualValues(t, 600, r.recorded())
	})
}

func TestRecords_TheIntentOfAFailedPublicationStays(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.say(1)
		r.redis.Fail("Publish", chatbox.NewError(chatbox.Unavailable, "", nil))
		r.say(1)
		r.pause(2 * time.Second)
		assert.EqualValues(t, 2, r.recorded())
		assert.Equal(t, 1, r.redis.Intents(session), "the event is not visible yet")
	})
}

func TestRecords_AStoppingPodWritesThem(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.say(1)
		r.pause(50 * time.Millisecond)
		require.EqualValues(t, 1, r.recorded())
		r.say(8)
		r.stop()
		assert.EqualValues(t, 9, r.recorded())
		assert.Zero(t, r.redis.Intents(session))
	})
}

func TestRecords_AKilledPodLeavesThemToASweep(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		r.say(1)
		r.pause(50 * time.Millisecond)
		require.EqualValues(t, 1, r.recorded())
		r.say(8)
		r.Cut()
		r.stop()
		assert.EqualValues(t, 1, r.recorded())
		assert.Equal(t, 8, r.redis.Intents(session))
	})
}

// Every change between two writes is covered by an intent, also one that comes
// while a write is under way.
func TestRecords_AChangeDuringAWriteHasAnIntent(t *testing.T) {
	record(t, func(r *recording) {
		t := r.t
		release := r.history.BlockSaveState()
		r.say(1)
		r.pause(50 * time.Millisecond)
		synctest.Wait() // the write has begun
		r.say(1)
		release()
		synctest.Wait()
		assert.Equal(t, 1, r.redis.Intents(session))
		r.pause(2 * time.Second)
		assert.EqualValues(t, 2, r.recorded())
		assert.Zero(t, r.redis.Intents(session))
	})
}
