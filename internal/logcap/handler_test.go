package logcap

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox/internal/sleep"
)

func TestHandler_ALoopThatFailsDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b bytes.Buffer
		log := slog.New(NewHandler(slog.NewTextHandler(&b, nil), 3))
		said := func() int {
			defer b.Reset()
			return strings.Count(b.String(), "\n")
		}
		for i := range 1000 { // 100 s
			log.With("pod", fmt.Sprint(i)).WithGroup("g").Warn("cannot be read", "session", i)
			log.Error("another one")
			log.Info("something happens")
			sleep.For(t.Context(), 100*time.Millisecond)
		}
		assert.Contains(t, b.String(), "held_back=597")
		assert.Equal(t, 2*2*3+1000, said())
	})
}

func TestHandler_ForgetsNoneAndHoldsFew(t *testing.T) {
	var b bytes.Buffer
	h := NewHandler(slog.NewTextHandler(&b, nil), 1)
	log := slog.New(h)
	for i := range 2 * maxMessages {
		log.Warn(fmt.Sprint("message ", i)) //nolint:sloglint // many messages are the point
	}
	assert.LessOrEqual(t, len(h.counts.seen), maxMessages+1)
	assert.Equal(t, maxMessages+1, strings.Count(b.String(), "\n"))
}
