//go:build fault

// Package fault kills, stops, empties and restarts what a cluster stands on
// while clients talk: real pod processes, a Redis server per test, and the
// MongoDB-compatible server of CHATBOX_TEST_MONGO_URI. The transcripts of clients
// and the history are compared. Every scenario prints its measurements.
//
// FAULT=long plays more rounds and longer faults than the default, short.
// FAULT_SEED plays the schedule of an earlier run of TestConductor again.
// FAULT_OUT is the folder for logs, binaries and figures in place of out/fault: two
// runs at once need one each, and FAULT_PORTS=20000+6000, the ports of a run.
// FAULT_FLOODS names the floods of TestFlood_OneUserHurtsNobody, separated by
// commas; FAULT_POD_BIN is a build of the pod to measure in place of this tree's.
package fault

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const root = "../.."

// longestWait bounds every wait of a scenario; it asserts no speed.
const longestWait = 60 * time.Second

var (
	outDir  = cmp.Or(os.Getenv("FAULT_OUT"), root+"/out/fault")
	figures = filepath.Join(outDir, "figures.txt")
)

func TestMain(m *testing.M) {
	if o := os.Getenv(childOrder); o != "" {
		os.Exit(child(context.Background(), o)) //nolint:forbidigo // this program's root
	}
	_ = os.MkdirAll(outDir, 0o755) // failing shows with the first file
	_ = os.Remove(figures)
	goleak.VerifyTestMain(m)
}

// long reports whether the long form was asked for.
func long() bool { return os.Getenv("FAULT") == "long" }

// pick returns the value of the form that runs.
func pick[T any](short, other T) T {
	if long() {
		return other
	}
	return short
}

// figure prints what a scenario measured, in one line, also where tests that
// pass print nothing.
func figure(t *testing.T, name, format string, args ...any) {
	t.Helper()
	line := "FAULT " + name + ": " + fmt.Sprintf(format, args...)
	t.Log(line)
	f, err := os.OpenFile(figures, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Error(err)
		return
	}
	_, err = fmt.Fprintln(f, line)
	if cerr := f.Close(); err != nil || cerr != nil {
		t.Error(err, cerr)
	}
}

// The binaries are built once, and only those that a run needs.
var (
	plainPod = sync.OnceValues(func() (string, error) {
		if b := os.Getenv("FAULT_POD_BIN"); b != "" {
			return b, nil
		}
		return build("chatbox", "./cmd/chatbox")
	})
	racePod  = sync.OnceValues(func() (string, error) { return build("chatbox-race", "./cmd/chatbox", "-race") })
	chatload = sync.OnceValues(func() (string, error) { return build("chatload", "./cmd/chatload") })
)

func build(name, pkg string, flags ...string) (string, error) {
	path, err := filepath.Abs(filepath.Join(outDir, "bin", name))
	if err != nil {
		return "", err
	}
	args := append([]string{"build", "-o", path}, flags...)
	cmd := exec.Command("go", append(args, pkg)...)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, nil
}

// until polls ok until it is true, and fails the test where that takes longer
// than within. It returns how long it took.
func until(ctx context.Context, t *testing.T, what string, within time.Duration, ok func(context.Context) bool) time.Duration {
	t.Helper()
	took, reached := poll(ctx, within, ok)
	if !reached {
		t.Fatalf("%s: not within %v", what, within)
	}
	return took
}

// poll is until without a test to fail.
func poll(ctx context.Context, within time.Duration, ok func(context.Context) bool) (took time.Duration, reached bool) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok(ctx) {
		select {
		case <-ctx.Done():
			return time.Since(began), false
		case <-tick.C:
		}
	}
	return time.Since(began), true
}

// hold waits until d has gone by.
func hold(ctx context.Context, t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		t.Fatal(context.Cause(ctx))
	}
}
