//go:build fault

package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one program that can be started again on the same command line
// after it has ended. Its output goes to one file.
type process struct {
	name string
	argv []string
	env  []string
	log  string

	mu       sync.Mutex // guards following
	cmd      *exec.Cmd
	exited   chan struct{} // closed when the present run has ended
	expected bool          // its end was asked for
	starts   int
}

func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, err := os.OpenFile(p.log, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a terminal's signals are the test's
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	exited := make(chan struct{})
	p.cmd, p.exited, p.expected = cmd, exited, false
	p.starts++
	go func() { // ends with the process; every wait for the process waits for it
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
		close(exited)
	}()
	return nil
}

// signal sends one to the running process; sent says that its end is wanted.
func (p *process) signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New(p.name + " was never started")
	}
	if s == syscall.SIGKILL || s == syscall.SIGTERM || s == syscall.SIGINT {
		p.expected = true
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("%v to %s: %w", s, p.name, err)
	}
	return nil
}

// wait returns the exit code of the present run, -1 where a signal ended it.
func (p *process) wait(ctx context.Context) (int, error) {
	p.mu.Lock()
	cmd, exited := p.cmd, p.exited
	p.mu.Unlock()
	select {
	case <-exited:
		return cmd.ProcessState.ExitCode(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("%s has not ended: %w", p.name, context.Cause(ctx))
	}
}

// running reports whether the present run has not ended.
func (p *process) running() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// end kills the process if it still runs, and returns an error if it had exited
// unexpectedly.
func (p *process) end() error {
	p.mu.Lock()
	cmd, exited, expected := p.cmd, p.exited, p.expected
	p.mu.Unlock()
	if cmd == nil {
		return nil
	}
	select {
	case <-exited:
		if !expected {
			return fmt.Errorf("%s ended by itself: %v", p.name, cmd.ProcessState)
		}
	default:
		_ = cmd.Process.Kill() // it may end at this moment
		<-exited
	}
	return nil
}

// busy is the processor time it has used so far, in its present run.
func (p *process) busy() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	// After the name, which may hold anything: state is the first field, user
	// and system time the 12th and 13th, in hundredths of a second.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, _ := strconv.ParseInt(f, 10, 64) // the kernel writes numbers
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// count is how often it was started.
func (p *process) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// freePort finds a loopback port below the range of outgoing connections:
// nobody takes it while the process that owns it is down. Two runs at once have
// ranges of their own.
func freePort() (int, error) {
	first, ports := 20000, 12000
	if s := os.Getenv("FAULT_PORTS"); s != "" {
		if _, err := fmt.Sscanf(s, "%d+%d", &first, &ports); err != nil || ports < 1 {
			return 0, fmt.Errorf("FAULT_PORTS: want FIRST+COUNT, not %q", s)
		}
	}
	for range 200 {
		port := first + rand.IntN(ports)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		return port, l.Close()
	}
	return 0, fmt.Errorf("no free port among the %d from %d on", ports, first)
}
