package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// recorder notes the order in which steps ran.
type recorder struct {
	mu   sync.Mutex
	seen []string
}

func (r *recorder) step(name string, err error) func(context.Context) error {
	return func(context.Context) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.seen = append(r.seen, name)
		return err
	}
}

func newLifecycle() *Lifecycle { return NewLifecycle(slog.New(slog.DiscardHandler)) }

func TestLifecycle_LastInFirstOutAndErrorsJoined(t *testing.T) {
	var r recorder
	l := newLifecycle()
	bad, worse := errors.New("bad"), errors.New("worse")
	require.NoError(t, l.Add(t.Context(), "redis", 0, r.step("redis", bad)))
	require.NoError(t, l.Add(t.Context(), "hub", 0, r.step("hub", nil)))
	require.NoError(t, l.Add(t.Context(), "server", 0, r.step("server", worse)))
	err := l.Stop(t.Context())
	assert.Equal(t, []string{"server", "hub", "redis"}, r.seen)
	require.ErrorIs(t, err, bad)
	require.ErrorIs(t, err, worse)
	require.ErrorContains(t, err, "stop redis: bad")
}

func TestLifecycle_StopsOnceForAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLifecycle()
		n := 0
		bad := errors.New("bad")
		require.NoError(t, l.Add(t.Context(), "slow", 0, func(context.Context) error {
			<-time.After(time.Second)
			n++
			return bad
		}))
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { assert.ErrorIs(t, l.Stop(t.Context()), bad) })
		}
		wg.Wait()
		assert.Equal(t, 1, n)
	})
}

func TestLifecycle_AStepThatHangsHoldsNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		l := newLifecycle()
		release := make(chan struct{})
		require.NoError(t, l.Add(t.Context(), "first", 0, r.step("first", nil)))
		require.NoError(t, l.Add(t.Context(), "deaf", time.Second, func(context.Context) error { <-release; return nil }))
		require.NoError(t, l.Add(t.Context(), "polite", time.Second, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		began := time.Now()
		err := l.Stop(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "stop deaf: did not end in time")
		require.ErrorContains(t, err, "stop polite: context deadline exceeded")
		assert.LessOrEqual(t, time.Since(began), 3*time.Second)
		assert.Equal(t, []string{"first"}, r.seen)
		close(release)
	})
}

func TestLifecycle_IsBoundedByItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		l := newLifecycle()
		require.NoError(t, l.Add(t.Context(), "first", 0, r.step("first", nil)))
		require.NoError(t, l.Add(t.Context(), "long", time.Hour, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		require.Error(t, l.Stop(ctx))
		assert.LessOrEqual(t, time.Since(began), 3*time.Second)
		assert.Equal(t, []string{"first"}, r.seen, "what is left is still given its chance")
	})
}

func TestLifecycle_AStepThatPanicsIsAnError(t *testing.T) {
	var r recorder
	l := newLifecycle()
	require.NoError(t, l.Add(t.Context(), "first", 0, r.step("first", nil)))
	require.NoError(t, l.Add(t.Context(), "wild", 0, func(context.Context) error { panic("boom") }))
	require.ErrorContains(t, l.Stop(t.Context()), "stop wild: panicked: boom")
	assert.Equal(t, []string{"first"}, r.seen)
}

func TestLifecycle_WhatComesTooLateIsStoppedAtOnce(t *testing.T) {
	var r recorder
	l := newLifecycle()
	require.NoError(t, l.Stop(t.Context()))
	require.NoError(t, l.Add(t.Context(), "late", 0, r.step("late", nil)))
	assert.Equal(t, []string{"late"}, r.seen)
}
