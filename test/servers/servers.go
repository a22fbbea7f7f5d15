// Package servers starts the servers of scripts/servers.sh for one test, and
// simulates faults of their processes.
package servers

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Kinds of groups of Redis servers.
const (
	Sentinel = "sentinel" // redis-1 is the first master, redis-2 and -3 its replicas; sentinel-1 to -3
	Cluster  = "cluster"  // cluster-1 to -3 are the first masters, -4 to -6 their replicas
)

// Set is a group of servers started for one test. The servers end with the test.
type Set struct {
	// URL is the value of REDIS_URL for a pod.
	URL   string
	state string
	env   map[string]string
}

// Start starts the servers of a kind and waits until they are ready. If
// redis-server is not installed, it skips the test with a message.
func Start(tb testing.TB, kind string) *Set {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Skip("NOT RUN: no redis-server on this machine (apt-get install redis-server)")
	}
	s := &Set{state: filepath.Join(tb.TempDir(), "servers")}
	tb.Cleanup(func() { s.script(tb, "down") })
	s.script(tb, "up", kind)
	s.refresh(tb)
	s.URL = s.env[strings.ToUpper(kind)+"_URL"]
	return s
}

// Addr returns the address of a member. An unknown member fails the test.
func (s *Set) Addr(tb testing.TB, member string) string {
	tb.Helper()
	addr := s.env[strings.ReplaceAll(member, "-", "_")+"_ADDR"]
	if addr == "" {
		tb.Fatalf("no server %s", member)
	}
	return addr
}

// Member returns the name of the member at the address. An unknown address fails
// the test.
func (s *Set) Member(tb testing.TB, addr string) string {
	tb.Helper()
	for k, v := range s.env {
		if name, is := strings.CutSuffix(k, "_ADDR"); is && v == addr {
			return strings.ReplaceAll(name, "_", "-")
		}
	}
	tb.Fatalf("no server at %s", addr)
	return ""
}

// Signal sends a signal to the member's process without waiting for the effect.
func (s *Set) Signal(tb testing.TB, member string, sig syscall.Signal) {
	tb.Helper()
	pid, err := strconv.Atoi(s.env[strings.ReplaceAll(member, "-", "_")+"_PID"])
	if err != nil {
		tb.Fatalf("no server %s", member)
	}
	if err := syscall.Kill(pid, sig); err != nil {
		tb.Fatalf("%v to %s: %v", sig, member, err)
	}
}

// Restart starts a killed member again, without its data.
func (s *Set) Restart(tb testing.TB, member string) {
	tb.Helper()
	s.script(tb, "kill", member) // waits until the process has ended
	s.script(tb, "start", member)
	s.refresh(tb)
}

func (s *Set) refresh(tb testing.TB) {
	tb.Helper()
	s.env = map[string]string{}
	for line := range strings.Lines(s.script(tb, "env")) {
		k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
		s.env[k] = v
	}
}

// script runs scripts/servers.sh and returns its output. The output goes to a
// file, since the servers outlive the script and would keep a pipe open.
func (s *Set) script(tb testing.TB, args ...string) string {
	tb.Helper()
	_, here, _, _ := runtime.Caller(0)
	path := filepath.Join(filepath.Dir(here), "..", "..", "scripts", "servers.sh")
	out, err := os.CreateTemp(tb.TempDir(), "said")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(tb.Context()), 3*time.Minute) // the test's context has ended during clean-up
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"--state", s.state}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	said, rerr := os.ReadFile(out.Name())
	if err != nil || rerr != nil {
		tb.Fatalf("servers.sh %s: %v %v\n%s", strings.Join(args, " "), err, rerr, said)
	}
	return string(said)
}

// Await waits until all members of the kind are ready and know each other.
func (s *Set) Await(tb testing.TB, kind string) {
	tb.Helper()
	s.script(tb, "start", kind)
}
