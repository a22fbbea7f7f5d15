package doctor

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/redisstate"
	"chatbox/test/rawserver"
)

func TestMain(m *testing.M) {
	redisstate.LogTo(slog.New(slog.DiscardHandler))
	goleak.VerifyTestMain(m)
}

var errBroken = errors.New("it is broken")

// hung is the address of a server that takes connections and never says a word.
func hung(t *testing.T) string {
	t.Helper()
	addr, _ := rawserver.Start(t, func(net.Conn) {})
	return addr
}

// closed is an address of this machine at which nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	addr, stop := rawserver.Start(t, func(net.Conn) {})
	stop()
	return addr
}

// greeter is a server that says one line to every client.
func greeter(t *testing.T, says string) string {
	t.Helper()
	addr, _ := rawserver.Start(t, func(conn net.Conn) {
		_, _ = io.WriteString(conn, says)
		_ = conn.Close()
	})
	return addr
}

// requireLine expects one finding of the level whose text has all parts.
func requireLine(t *testing.T, all []Finding, level Level, name string, parts ...string) {
	t.Helper()
	for _, f := range all {
		if f.Name != name {
			continue
		}
		require.Equal(t, level, f.Level, f.Text)
		for _, p := range parts {
			require.Contains(t, f.Text, p)
		}
		return
	}
	require.Fail(t, "no line", "%s in %v", name, all)
}

func TestExamine_OrderAndLimits(t *testing.T) {
	waits := func(ctx context.Context) []Finding { <-ctx.Done(); return one(Fail, "hung", "no answer in time") }
	found := examine(t.Context(), []check{
		{"hung", 1, waits},
		{"quick", overall, func(context.Context) []Finding { return []Finding{{OK, "quick", "a"}, {Warn, "quick too", "b"}} }},
	})
	assert.Equal(t, []Finding{{Fail, "hung", "no answer in time"}, {OK, "quick", "a"}, {Warn, "quick too", "b"}}, found)
	assert.True(t, Failed(found))
	assert.False(t, Failed(found[1:]), "warnings are no failures")
}

func TestReport_OneLineOfTheWorst(t *testing.T) {
	r := &report{name: "x"}
	r.say(OK, "fine")
	assert.Equal(t, Finding{OK, "x", "fine"}, r.finding())
	r.say(Warn, "old")
	r.say(Warn, "old")
	assert.Equal(t, Finding{Warn, "x", "old"}, r.finding())
	r.say(Fail, "dead")
	assert.Equal(t, Finding{Fail, "x", "dead; old"}, r.finding())
}

func TestPrint_LinesAndJSON(t *testing.T) {
	all := []Finding{{OK, "redis", "a\nb\tsecret-one"}, {Fail, "x", "caf\xff\u2028é"}}
	redact(all, []string{"secret-one"})
	var text, js strings.Builder
	require.NoError(t, Print(&text, all))
	require.NoError(t, PrintJSON(&js, all))
	assert.Equal(t, "ok redis: a b [redacted]\nFAIL x: caf é\n", text.String())
	assert.JSONEq(t, `{"ok":false,"findings":[{"level":"ok","name":"redis","text":"a b [redacted]"},{"level":"FAIL","name":"x","text":"caf é"}]}`, js.String())
}
