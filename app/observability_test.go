package app

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"chatbox/app/config"
	"chatbox/internal/logattr"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLogger_LevelAndFormat(t *testing.T) {
	var b bytes.Buffer
	log := NewLogger(&b, config.Log{Format: "text"}, slog.LevelWarn)
	log.InfoContext(t.Context(), "quiet")
	assert.Empty(t, b.String())
	log.WarnContext(t.Context(), "loud")
	assert.Contains(t, b.String(), "msg=loud")
}

func TestLogger_NamesWhatTheContextCarries(t *testing.T) {
	var b bytes.Buffer
	log := NewLogger(&b, config.Log{Format: "json"}, slog.LevelInfo)
	log.InfoContext(logattr.With(t.Context(), slog.String("conn", "c-1")), "x", "took", time.Second)
	var line map[string]any
	require.NoError(t, json.Unmarshal(b.Bytes(), &line))
	assert.Equal(t, "c-1", line["conn"])
	assert.Equal(t, "1s", line["took"])
}
