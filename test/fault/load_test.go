//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"chatbox/cmd/chatload/ledger"
)

// loadRun is a running load generator.
type loadRun struct {
	c      *cluster
	cmd    *exec.Cmd
	stdout bytes.Buffer
	log    *os.File
	done   chan error
}

// loadResult is what it prints in the end.
type loadResult struct {
	Seconds    float64              `json:"seconds"`
	Seed       uint64               `json:"seed"`
	Machine    string               `json:"machine"`
	Repeats    int64                `json:"repeats_sent"`
	Cancels    int64                `json:"cancels"`
	Reconnects int64                `json:"reconnects"`
	Refused    int64                `json:"refused_dials"`
	AcksPerS   float64              `json:"acked_per_second"`
	FramesPerS float64              `json:"frames_per_second"`
	Latency    map[string]quantiles `json:"latency"`
	Report     ledger.Report        `json:"report"`
}

// quantiles are milliseconds.
type quantiles struct {
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
}

func (q quantiles) String() string { return fmt.Sprintf("%.0f/%.0f", q.P50, q.P99) }

// load starts chatload against the balancer.
func (c *cluster) load(args ...string) *loadRun {
	c.t.Helper()
	bin, err := chatload()
	if err != nil {
		c.t.Fatal(err)
	}
	l := &loadRun{c: c, done: make(chan error, 1)}
	if l.log, err = os.Create(filepath.Join(c.dir, "chatload.log")); err != nil {
		c.t.Fatal(err)
	}
	l.cmd = exec.Command(bin, append([]string{
		"--url", c.balancer.url(), "--json", "--verify", "fakeopenai", "--directive", c.canary + " [[words=40 delay=10ms]]",
	}, args...)...)
	l.cmd.Env = []string{"JWT_SECRET=" + c.secret}
	l.cmd.Stdout, l.cmd.Stderr = &l.stdout, l.log
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := l.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { // ends with the process; the cleanup waits for it
		defer close(ended)
		l.done <- l.cmd.Wait()
	}()
	c.t.Cleanup(func() {
		_ = l.cmd.Process.Kill() // it has mostly ended
		<-ended
		_ = l.log.Close()
	})
	return l
}

// finish ends the talking, unless it has ended, and returns the verdict.
func (l *loadRun) finish() loadResult {
	l.c.t.Helper()
	_ = l.cmd.Process.Signal(syscall.SIGINT) // it may have ended
	return l.result()
}

// result waits for the end.
func (l *loadRun) result() loadResult {
	l.c.t.Helper()
	ctx, cancel := context.WithTimeout(l.c.ctx, 5*longestWait)
	defer cancel()
	var err error
	select {
	case err = <-l.done:
	case <-ctx.Done():
		l.c.t.Fatal("chatload does not end")
	}
	_ = os.WriteFile(filepath.Join(l.c.dir, "chatload.json"), l.stdout.Bytes(), 0o644) // for people
	var r loadResult
	if jerr := json.Unmarshal(l.stdout.Bytes(), &r); jerr != nil {
		l.c.t.Fatalf("chatload: %v, %v", err, jerr)
	}
	if err != nil {
		l.c.t.Errorf("chatload: %v", err)
	}
	return r
}

func TestLoad_RandomReconnects(t *testing.T) {
	t.Run("race-40", func(t *testing.T) { loaded(t, true, 40, pick(8, 20)) })
	if long() {
		t.Run("plain-200", func(t *testing.T) { loaded(t, false, 200, 20) })
	}
}

func loaded(t *testing.T, race bool, sessions, messages int) {
	t.Helper()
	c := start(t, setup{race: race})
	r := c.load("--users", fmt.Sprint(sessions), "--devices", "2", "--messages", fmt.Sprint(messages), "--ramp", "3s",
		"--reconnect-every", "4s", "--repeat", "0.2", "--cancel", "0.05").result()
	c.verdict(r.Report, nil)
	build := "plain build"
	if race {
		build = "race build"
	}
	figure(t, "load", "%s, %d sessions with 2 devices, %.0f s, seed %d, %s: %d acked (%.1f/s), %d answers verified, %.0f frames/s, "+
		"%d frames repeated, %d cancelled, %d reconnects, %d dials refused, violations %d; ms p50/p99: ack %v, first piece %v, second device %v, resume %v",
		build, sessions, r.Seconds, r.Seed, r.Machine, r.Report.Messages, r.AcksPerS, r.Report.Verified, r.FramesPerS,
		r.Repeats, r.Cancels, r.Reconnects, r.Refused, r.Report.Violations(false),
		r.Latency["ack"], r.Latency["first piece"], r.Latency["second device"], r.Latency["resume"])
	if want := sessions * messages; r.Report.Messages != want || r.Report.Sessions != sessions {
		t.Errorf("%d messages acked in %d sessions, want %d in %d", r.Report.Messages, r.Report.Sessions, want, sessions)
	}
}
