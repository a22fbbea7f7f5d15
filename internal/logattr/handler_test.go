package logattr

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"testing/slogtest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func logger(w io.Writer) *slog.Logger { return slog.New(NewHandler(slog.NewJSONHandler(w, nil))) }

func TestHandler_KeepsTheContextThroughWithAndWithGroup(t *testing.T) {
	var b bytes.Buffer
	log := logger(&b)
	ctx := With(t.Context(), slog.String("conn", "c-1"))
	ctx = With(ctx, slog.String("session", "s-1"))
	for name, tc := range map[string]struct {
		log  *slog.Logger
		want string
	}{
		"plain":       {log, `{"a":1,"conn":"c-1","session":"s-1"}`},
		"with":        {log.With("w", 2), `{"a":1,"w":2,"conn":"c-1","session":"s-1"}`},
		"group":       {log.WithGroup("g"), `{"g":{"a":1},"conn":"c-1","session":"s-1"}`},
		"group, with": {log.WithGroup("g").With("w", 2), `{"g":{"a":1,"w":2},"conn":"c-1","session":"s-1"}`},
		"with, group": {log.With("w", 2).WithGroup("g").WithGroup("h"), `{"w":2,"g":{"h":{"a":1}},"conn":"c-1","session":"s-1"}`},
		"nothing":     {log.With().WithGroup(""), `{"a":1,"conn":"c-1","session":"s-1"}`},
	} {
		t.Run(name, func(t *testing.T) {
			b.Reset()
			tc.log.InfoContext(ctx, "hello", "a", 1)
			assert.JSONEq(t, tc.want, lessNoise(t, b.Bytes()))
		})
	}
}

func lessNoise(t *testing.T, line []byte) string {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(line, &m))
	for _, k := range []string{slog.TimeKey, slog.LevelKey, slog.MessageKey} {
		delete(m, k)
	}
	out, err := json.Marshal(m)
	require.NoError(t, err)
	return string(out)
}

func TestDetached_KeepsTheAttributesAlone(t *testing.T) {
	var b bytes.Buffer
	type other struct{}
	parent, cancel := context.WithCancel(context.WithValue(t.Context(), other{}, "request"))
	ctx := Detached(With(parent, slog.String("request_id", "r-1")), slog.String("conn", "c-1"))
	cancel()
	logger(&b).InfoContext(With(ctx, slog.String("session", "s-1")), "hello")
	assert.Contains(t, b.String(), `"request_id":"r-1","conn":"c-1","session":"s-1"`)
	assert.Nil(t, ctx.Value(other{}))
	require.NoError(t, ctx.Err())
	assert.Nil(t, ctx.Done(), "it costs nothing to derive from it")
	_, bounded := ctx.Deadline()
	assert.False(t, bounded)
}

func TestHandler_SiblingsDoNotShareTheirScopes(t *testing.T) {
	var b bytes.Buffer
	parent := logger(&b).WithGroup("g").With("p", 1)
	one, two := parent.With("one", 1), parent.With("two", 2)
	one.InfoContext(t.Context(), "x")
	assert.JSONEq(t, `{"g":{"p":1,"one":1}}`, lessNoise(t, b.Bytes()))
	b.Reset()
	two.InfoContext(t.Context(), "x")
	assert.JSONEq(t, `{"g":{"p":1,"two":2}}`, lessNoise(t, b.Bytes()))
}

func TestHandler_ContextsDoNotShareTheirAttributes(t *testing.T) {
	base := With(t.Context(), slog.Int("a", 1))
	one, two := With(base, slog.Int("b", 2)), With(base, slog.Int("c", 3))
	var b bytes.Buffer
	log := logger(&b)
	log.InfoContext(one, "x")
	assert.JSONEq(t, `{"a":1,"b":2}`, lessNoise(t, b.Bytes()))
	b.Reset()
	log.InfoContext(two, "x")
	assert.JSONEq(t, `{"a":1,"c":3}`, lessNoise(t, b.Bytes()))
}

func TestHandler_IsAHandler(t *testing.T) {
	var b bytes.Buffer
	err := slogtest.TestHandler(NewHandler(slog.NewJSONHandler(&b, nil)), func() []map[string]any {
		var out []map[string]any
		for line := range bytes.SplitSeq(bytes.TrimSpace(b.Bytes()), []byte("\n")) {
			var m map[string]any
			require.NoError(t, json.Unmarshal(line, &m))
			out = append(out, m)
		}
		return out
	})
	require.NoError(t, err)
}
