//go:build linux

package doctext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// TestText_HelperIsEnded: a helper that takes too much costs one error, and the same reader reads the next document.
func TestText_HelperIsEnded(t *testing.T) {
	t.Parallel()
	r := reader(t, nil)
	good := r.cfg.Command
	for act, want := range map[string]error{"eat-memory": ErrTooLarge, "eat-time": ErrTimeout, "sleep": chatbox.Unavailable, "die": chatbox.Unavailable, "shout": ErrBroken} {
		r.cfg.Command, r.cfg.Timeout, r.cfg.Processor = []string{good[0], act}, time.Minute, time.Second
		if act == "sleep" {
			r.cfg.Timeout = 100 * time.Millisecond
		}
		text, err := r.Text(t.Context(), docxType, strings.NewReader("x"))
		require.ErrorIs(t, err, want, act)
		assert.Empty(t, text)

		r.cfg.Command, r.cfg.Timeout, r.cfg.Processor = good, time.Minute, time.Minute
		text, err = r.Text(t.Context(), odtType, bytes.NewReader(file(t, "minutes.odt")))
		require.NoError(t, err)
		assert.Contains(t, text, "heliotrope")
	}
	assert.Empty(t, r.running)
	assert.Empty(t, r.waiting)
}

// TestText_HelperHasNothing: no environment, no file of the pod, a directory of its own, in which it cannot write.
func TestText_HelperHasNothing(t *testing.T) {
	t.Parallel()
	secret, err := os.Create(filepath.Join(t.TempDir(), "canary"))
	require.NoError(t, err)
	defer secret.Close()
	r := reader(t, acting("look"))
	text, err := r.Text(t.Context(), docxType, strings.NewReader("x"))
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("env=0 dir=%s secret=false", r.cfg.Dir), text)

	text, err = reader(t, acting("write")).Text(t.Context(), docxType, strings.NewReader("x"))
	if err == nil {
		assert.Equal(t, "true", text, "a file was written")
	} else {
		require.ErrorIs(t, err, ErrBroken, "killed by SIGXFSZ")
	}
	left, _ := os.ReadFile(filepath.Join(r.cfg.Dir, "left"))
	assert.Empty(t, left)
	_ = os.Remove(filepath.Join(r.cfg.Dir, "left"))
}

func TestText_CancelledCallerEndsHelper(t *testing.T) {
	t.Parallel()
	r := reader(t, acting("sleep"))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the caller left")
	done := make(chan error, 1)
	go func() {
		_, err := r.Text(ctx, docxType, strings.NewReader("x"))
		done <- err
	}()
	pid := child(t, os.Getpid(), "sleep")
	cancel(why)
	require.ErrorIs(t, <-done, why)
	require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, 20*time.Second, 5*time.Millisecond)
}

// TestText_PodIsKilled: the helper of a pod that was killed ends.
func TestText_PodIsKilled(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "pod")
	require.NoError(t, cmd.Start())
	pid := child(t, cmd.Process.Pid, "eat-time")
	require.NoError(t, cmd.Process.Kill())
	_ = cmd.Wait()
	require.Eventually(t, func() bool { return gone(pid) }, 20*time.Second, 5*time.Millisecond)
}

// child waits for the child of the process that does act, and returns its id.
func child(t *testing.T, parent int, act string) (pid int) {
	t.Helper()
	require.Eventually(t, func() bool {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		for _, task := range tasks {
			ids, _ := os.ReadFile(task)
			for id := range strings.FieldsSeq(string(ids)) {
				line, _ := os.ReadFile("/proc/" + id + "/cmdline")
				if bytes.Contains(line, []byte("\x00"+act+"\x00")) {
					pid, _ = strconv.Atoi(id)
					return true
				}
			}
		}
		return false
	}, time.Minute, 5*time.Millisecond)
	return pid
}

// gone reports whether the process has ended; the one that should wait for it may take its time.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(stat, []byte(") Z "))
}

func TestText_QueueIsBounded(t *testing.T) {
	t.Parallel()
	r := reader(t, func(c *Config) { acting("sleep")(c); c.Helpers, c.Waiting, c.MaxWait = 1, 1, time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := r.Text(ctx, docxType, strings.NewReader("x"))
			done <- err
		}()
	}
	require.Eventually(t, func() bool { return len(r.waiting) == 2 }, time.Minute, time.Millisecond)
	_, err := r.Text(ctx, docxType, strings.NewReader("x"))
	require.ErrorIs(t, err, ErrBusy)
	require.ErrorIs(t, err, chatbox.Unavailable)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.ErrorIs(t, <-done, context.Canceled)
	assert.Empty(t, r.waiting)

	r = reader(t, func(c *Config) { c.Helpers, c.MaxWait = 1, time.Millisecond })
	r.running <- struct{}{}
	_, err = r.Text(t.Context(), docxType, strings.NewReader("x"))
	require.ErrorIs(t, err, ErrBusy)
	assert.Empty(t, r.waiting)
}

func TestText_DirectoryOfAnother(t *testing.T) {
	t.Parallel()
	open := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	link := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(t.TempDir(), link))
	for _, dir := range []string{open, link, "/nowhere/at/all"} {
		_, err := reader(t, func(c *Config) { c.Dir = dir }).Text(t.Context(), pdfType, strings.NewReader("x"))
		require.ErrorIs(t, err, chatbox.Unavailable, dir)
	}
	_, err := reader(t, func(c *Config) { c.Command = []string{"/nowhere"} }).Text(t.Context(), odtType, strings.NewReader("x"))
	require.ErrorIs(t, err, chatbox.Unavailable)
}

// TestHelper_Arguments: what is no helper's command line ends the process before it reads.
func TestHelper_Arguments(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	require.NoError(t, err)
	for _, args := range [][]string{{}, {"docx"}, {"docx", "1", "x", "/"}, {"docx", "-1", "1", "/"}, {"docx", "1", "1", "/", "more"}} {
		err := exec.Command(exe, append([]string{Command}, args...)...).Run()
		exit, ok := errors.AsType[*exec.ExitError](err)
		require.True(t, ok)
		assert.Equal(t, exitUsage, exit.ExitCode(), args)
	}
}
