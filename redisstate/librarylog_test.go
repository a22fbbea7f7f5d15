package redisstate_test

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"time"

	"chatbox/redisstate"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogTo_OneFormForAllLines(t *testing.T) {
	var said syncBuffer
	redisstate.LogTo(slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(logging.Enable) // the library's own again
	rdb := redis.NewFailoverClient(&redis.FailoverOptions{
		MasterName: "m", SentinelAddrs: []string{"127.0.0.1:1"}, DialTimeout: time.Second, DialerRetries: 1, MaxRetries: -1,
	})
	defer func() { _ = rdb.Close() }()
	require.Error(t, rdb.Ping(t.Context()).Err())
	for line := range bytes.Lines(said.bytes()) {
		assert.Contains(t, string(line), `"level":"DEBUG","msg":"redis library"`)
	}
	assert.NotEmpty(t, said.bytes())
}

// syncBuffer is a buffer that several goroutines write to.
type syncBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}
