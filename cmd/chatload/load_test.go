package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/cmd/chatload/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// chatload runs the program against a server and returns its exit code and output.
func chatload(t *testing.T, c *chat, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, progress bytes.Buffer
	args = append([]string{"--url", c.URL, "--secret", testSecret, "--ramp", "50ms"}, args...)
	code = run(t.Context(), t.Context(), args, func(string) string { return "" }, &out, &progress)
	return code, out.String(), progress.String()
}

func decodeResult(t *testing.T, text string) result {
	t.Helper()
	var r result
	require.NoError(t, json.Unmarshal([]byte(text), &r), text)
	return r
}

func TestLoad_AGoodServerPasses(t *testing.T) {
	t.Parallel()
	c := newChat(t, "")
	code, out, progress := chatload(t, c, "--users", "6", "--sessions", "2", "--parallel", "2", "--messages", "6", "--devices", "3",
		"--repeat", "0.5", "--cancel", "0.2", "--retry", "1", "--auth", "mixed", "--verify", "fakeopenai", "--end", "--json",
		"--reconnect-every", "700ms", "--directive", "[[words=40]]", "--metrics-url", c.URL+"/chatbox/metrics/prometheus")
	r := decodeResult(t, out)
	require.Equal(t, exitGood, code, "%v %s", r.Report.Examples, progress)
	assert.Equal(t, 12, r.Report.Sessions)
	assert.Equal(t, 36, r.Report.Devices)
	assert.Equal(t, 72, r.Report.Messages)
	assert.GreaterOrEqual(t, r.Report.Verified, 72)
	assert.Positive(t, r.Reconnects)
	assert.Positive(t, r.Repeats)
	assert.Positive(t, r.Cancels)
	for _, name := range []string{"connect", "ack", "first piece", "second device", "resume"} {
		assert.Positive(t, r.Latency[name].N, name)
	}
	assert.Len(t, r.Memory, 1)
	for _, s := range c.sessions {
		assert.True(t, s.ended)
	}
}

func TestLoad_EveryFaultIsAnExitCode(t *testing.T) {
	t.Parallel()
	for fault, want := range map[string]ledger.Class{
		"lose": ledger.Lost, "twice": ledger.Repeated, "hole": ledger.Hole, "text": ledger.WrongText,
		"final": ledger.SeveralFinals, "silent": ledger.Unanswered,
	} {
		t.Run(fault, func(t *testing.T) {
			t.Parallel()
			args := []string{"--users", "2", "--messages", "3", "--verify", "fakeopenai", "--json", "--settle", "1s", "--wait", "1"}
			if fault == "silent" {
				args = append(args, "--answer-timeout", "200ms")
			}
			code, out, _ := chatload(t, newChat(t, fault), args...)
			r := decodeResult(t, out)
			assert.Equal(t, exitViolation, code)
			assert.Positive(t, r.Report.Counts[want], r.Report.Counts)
		})
	}
}

func TestLoad_PrintsATable(t *testing.T) {
	t.Parallel()
	code, out, _ := chatload(t, newChat(t, ""), "--users", "2", "--messages", "2", "--rate", "50")
	assert.Equal(t, exitGood, code)
	for _, s := range []string{"lost", "wrong_text", "second device", "p99", "OK:"} {
		assert.Contains(t, out, s)
	}
	code, out, _ = chatload(t, newChat(t, "text"), "--users", "1", "--messages", "1", "--verify", "fakeopenai")
	assert.Equal(t, exitViolation, code)
	assert.Contains(t, out, "FAILED: 1 violations")
	assert.Contains(t, out, "wrong_text: session ")
}

func TestLoad_EndsByItself(t *testing.T) {
	t.Parallel()
	code, out, _ := chatload(t, newChat(t, ""), "--users", "3", "--messages", "0", "--duration", "500ms", "--wait", "0", "--json")
	assert.Equal(t, exitGood, code, out)
	assert.Positive(t, decodeResult(t, out).Report.Answers)

	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var stdout, stderr bytes.Buffer
	args := []string{"--url", newChat(t, "").URL, "--secret", testSecret, "--messages", "100000", "--json", "--ramp", "0"}
	assert.Equal(t, exitGood, run(t.Context(), ctx, args, func(string) string { return "" }, &stdout, &stderr), stdout.String())
}

func TestLoad_NoServerNoSuccess(t *testing.T) {
	t.Parallel()
	c := newChat(t, "")
	c.Close()
	code, out, _ := chatload(t, c, "--users", "1", "--settle", "200ms", "--json")
	assert.Equal(t, exitViolation, code)
	assert.Positive(t, decodeResult(t, out).Report.Counts[ledger.Unchecked])
}

func TestIdle_HoldsAndMeasures(t *testing.T) {
	t.Parallel()
	c := newChat(t, "")
	code, out, progress := chatload(t, c, "--idle", "25", "--duration", "50ms", "--json", "--dialers", "4",
		"--metrics-url", c.URL+"/chatbox/metrics/prometheus")
	var r idleResult
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	assert.Equal(t, exitGood, code, "%+v %s", r, progress)
	assert.Equal(t, int64(25), r.Ready)
	assert.Equal(t, 25, r.Alive)
	assert.InDelta(t, 1e4, r.BytesPerSocket, 1)
	assert.Len(t, c.sessions, 25)

	code, out, _ = chatload(t, c, "--idle", "3", "--attach=false", "--duration", "1ms")
	assert.Equal(t, exitGood, code)
	assert.Contains(t, out, "3 of 3")
}

func TestParse_ReportsAllFaultsAtOnce(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"--nonsense":  {"nonsense"},
		"--users x":   {"users"},
		"--secret= ":  {"--secret"},
		"--url ftp:x": {"ftp:x"},
		"--users 0 --repeat 2 --verify oracle --resume maybe --auth none --messages -1 --duration -1s --settle 0 stray": {
			"--users", "--repeat", "oracle", "--resume", "--auth", "--messages", "--duration", "--settle", "stray",
		},
		"--messages 0":    {"--duration"},
		"--devices 11":    {"11 sockets", "--many-sockets"},
		"--wait -0.1":     {"--wait"},
		"--metrics-url x": {`"x"`},
	} {
		var out, help bytes.Buffer
		code := run(t.Context(), t.Context(), strings.Fields(args), func(string) string { return "" }, &out, &help)
		assert.Equal(t, exitUsage, code, args)
		for _, s := range want {
			assert.Contains(t, help.String(), s, args)
		}
	}
	var help bytes.Buffer
	assert.Equal(t, exitGood, run(t.Context(), t.Context(), []string{"--help"}, func(string) string { return "" }, &help, &help))
	assert.Contains(t, help.String(), "-reconnect-every")
}
