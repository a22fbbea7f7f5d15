package bench_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"chatbox/cmd/chatload/bench"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// relays starts two relays over one Redis and returns their socket addresses.
func relays(t *testing.T) []string {
	t.Helper()
	srv := miniredis.RunT(t)
	urls := make([]string, 2)
	for i := range urls {
		rdb := redis.NewClient(&redis.Options{Addr: srv.Addr()})
		t.Cleanup(func() { _ = rdb.Close() })
		s := httptest.NewServer(bench.NewRelay(rdb))
		t.Cleanup(s.Close)
		urls[i] = "ws" + strings.TrimPrefix(s.URL, "http") + "/ws"
	}
	return urls
}

func anybody(string) (http.Header, error) { return nil, nil }

func TestDelivery_CountsWhatTheOtherSideReceived(t *testing.T) {
	d := bench.Delivery{
		URLs: relays(t), Sessions: 3, Outstanding: 2, Warmup: 50 * time.Millisecond, Duration: 300 * time.Millisecond,
		Credential: anybody, Processes: bench.Processes{"test": {os.Getpid()}},
	}
	res, err := d.Run(t.Context())
	require.NoError(t, err)
	assert.Positive(t, res.Messages)
	assert.Positive(t, res.PerSecond)
	assert.Positive(t, res.Latency.P50)
	assert.LessOrEqual(t, res.Latency.P50, res.Latency.P99)
	assert.LessOrEqual(t, res.Latency.P99, res.Latency.Max)
	assert.Contains(t, res.CPU, "test")
}

func TestDelivery_KeepsTheRate(t *testing.T) {
	d := bench.Delivery{
		URLs: relays(t), Sessions: 2, Outstanding: 4, Rate: 50, Warmup: 100 * time.Millisecond, Duration: time.Second, Credential: anybody,
	}
	res, err := d.Run(t.Context())
	require.NoError(t, err)
	assert.Positive(t, res.Messages)
	assert.LessOrEqual(t, res.Messages, 60)
}

func TestDelivery_Refusals(t *testing.T) {
	urls := relays(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, d := range map[string]bench.Delivery{
		"one address":    {URLs: urls[:1], Sessions: 1, Outstanding: 1},
		"nobody listens": {URLs: []string{"ws" + strings.TrimPrefix(gone.URL, "http"), urls[0]}, Sessions: 1, Outstanding: 1},
		"a process that is gone": {
			URLs: urls, Sessions: 1, Outstanding: 1, Duration: time.Second, Processes: bench.Processes{"x": {ended(t)}},
		},
	} {
		d.Credential = anybody
		_, err := d.Run(t.Context())
		require.Error(t, err, name)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	d := bench.Delivery{URLs: urls, Sessions: 1, Outstanding: 1, Duration: time.Minute, Credential: anybody}
	_, err := d.Run(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// ended returns the id of a process that has ended.
func ended(t *testing.T) int {
	t.Helper()
	c := exec.CommandContext(t.Context(), "true")
	require.NoError(t, c.Run())
	return c.Process.Pid
}

func TestAnswers_PassedThrough(t *testing.T) {
	model := bench.NewModel(100)
	vendor := httptest.NewServer(model)
	t.Cleanup(vendor.Close)
	urls := make([]string, 2)
	for i := range urls {
		s := httptest.NewServer(bench.PassThrough(vendor.URL))
		t.Cleanup(s.Close)
		urls[i] = s.URL
	}
	a := bench.Answers{
		URLs: urls, Passed: true, Model: model, Sessions: 3, Warmup: 200 * time.Millisecond, Duration: 500 * time.Millisecond,
		Processes: bench.Processes{"test": {os.Getpid()}},
	}
	res, err := a.Run(t.Context())
	require.NoError(t, err)
	assert.Positive(t, res.Pieces)
	assert.Equal(t, 3, res.First.N)
	assert.LessOrEqual(t, res.Lag.P50, res.Lag.P99)
	assert.Contains(t, res.CPU, "test")

	_, err = bench.Answers{URLs: urls[:1], Sessions: 1, Model: model}.Run(t.Context())
	require.Error(t, err)
	a.Duration = time.Minute // the model has finished
	_, err = a.Run(t.Context())
	require.ErrorContains(t, err, "ended before the measurement")
}
