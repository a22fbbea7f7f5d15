package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/config"
)

// fakeCluster is a pod's load and the API server. Its fields are guarded by mu.
type fakeCluster struct {
	mu               sync.Mutex
	sockets, answers int
	draining         bool
	down, hung       bool // the server refuses, or does not answer
	told             []int32
	calls            int
	log              bytes.Buffer
}

func (f *fakeCluster) setDeletionCost(ctx context.Context, cost int32) error {
	f.mu.Lock()
	f.calls++
	hung, down := f.hung, f.down
	if !hung && !down {
		f.told = append(f.told, cost)
	}
	f.mu.Unlock()
	if hung {
		<-ctx.Done()
		return ctx.Err()
	}
	if down {
		return errors.New("status 403: cannot patch")
	}
	return nil
}

func (f *fakeCluster) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.Write(line)
}

// set changes the cluster, and returns when wait has passed and all that follows from it has happened.
func (f *fakeCluster) set(wait time.Duration, change func()) {
	f.mu.Lock()
	change()
	f.mu.Unlock()
	<-time.After(wait)
	synctest.Wait()
}

// TestDeletionCost_IsToldWhenItChanges: at most every 30 s, only for a material change, and again after an outage, whose failures are counted.
func TestDeletionCost_IsToldWhenItChanges(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeCluster{sockets: 100, answers: 2}
		read := func() (int, int, bool) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return f.sockets, f.answers, f.draining
		}
		k := &costKeeper{
			send: f.setDeletionCost, failed: prometheus.NewCounter(prometheus.CounterOpts{Name: "x", Help: "x"}), log: slog.New(slog.NewTextHandler(f, nil)),
			load: func() (int, int) { sockets, answers, _ := read(); return sockets, answers },
		}
		told := func(want ...int32) {
			t.Helper()
			f.mu.Lock()
			defer f.mu.Unlock()
			require.Equal(t, want, f.told)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			k.run(ctx, func() bool { _, _, draining := read(); return draining })
		}()
		f.set(0, func() {})
		told(120)
		f.set(costEvery, func() { f.sockets = 105 })
		told(120) // too little
		f.set(costEvery/2, func() { f.sockets = 140 })
		told(120) // too soon
		f.set(costEvery, func() {})
		told(120, 160)

		f.set(2*costEvery, func() { f.sockets, f.answers, f.down = 0, 0, true })
		told(120, 160)
		require.InEpsilon(t, 2, counted(t, k.failed), 0)
		f.set(costEvery, func() { f.down = false })
		told(120, 160, 0)

		f.set(costEvery+costTimeout, func() { f.sockets, f.hung = 500, true })
		require.InEpsilon(t, 3, counted(t, k.failed), 0, "a server that hangs is given up")
		f.set(2*costEvery, func() { f.hung, f.draining = false, true })
		told(120, 160, 0) // a draining pod is being deleted
		cancel()
		<-ended
		require.Equal(t, 2, strings.Count(f.log.String(), "not told"), "one line for each outage")
	})
}

func counted(t *testing.T, c prometheus.Counter) float64 {
	t.Helper()
	var m dto.Metric
	require.NoError(t, c.Write(&m))
	return m.GetCounter().GetValue()
}

func TestDeletionCost_Worth(t *testing.T) {
	t.Parallel()
	assert.EqualValues(t, 7, costOf(7, 0))
	assert.EqualValues(t, 47, costOf(7, 4))
	assert.EqualValues(t, math.MaxInt32, costOf(math.MaxInt32, 5))
	for _, c := range []struct {
		told, cost int32
		worth      bool
	}{{0, 0, false}, {0, 1, true}, {1, 0, true}, {5, 6, false}, {5, 15, true}, {5000, 5400, false}, {5000, 5500, true}, {5500, 4900, true}} {
		assert.Equal(t, c.worth, costWorth(c.told, c.cost), "%+v", c)
	}
}

// TestDeletionCost_IsOffOutsideKubernetes: the setting alone neither calls anything nor keeps a pod from starting.
func TestDeletionCost_IsOffOutsideKubernetes(t *testing.T) {
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	require.Nil(t, openDeletionCost(config.Config{}, logger))
	require.Empty(t, log.String())
	require.Nil(t, openDeletionCost(config.Config{DeletionCost: true}, logger))
	require.Contains(t, log.String(), "POD_DELETION_COST")
}
