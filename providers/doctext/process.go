package doctext

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Exit codes of the helper. Others, and signals, mean that it crashed.
const (
	exitWhole     = 0
	exitNoMemory  = 2 // by Go's runtime; Helper recovers from panics, which have the same
	exitCut       = 10
	exitBroken    = 11
	exitEncrypted = 12
	exitTooLarge  = 13
	exitUsage     = 14
	exitTooLong   = 256 // set by run
)

const (
	// drainWait is how long the pipes of a helper may stay open after its end.
	drainWait = time.Second
	// prepareWait and prepareProcessor are how long compiling the PDF parser may take.
	prepareWait      = 3 * time.Minute
	prepareProcessor = time.Minute
	// prepareMemory is the memory for that in bytes.
	prepareMemory = 768 << 20
	// prepareArg is the argument for that in the place of a kind.
	prepareArg = "prepare"
)

var errSlow = errors.New("doctext: the helper took too long")

// read runs a helper for one document.
func (r *Reader) read(ctx context.Context, k kind, dir string, content io.Reader) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	in := &source{r: content, left: MaxContent, fail: cancel}
	out := &sink{left: MaxText}
	code, err := r.run(ctx, r.cfg.Timeout, r.cfg.Processor, helperArgs(k, r.cfg.Memory, r.cfg.Processor, dir), in, out)
	switch {
	case unread(ctx) != nil:
		return "", unread(ctx)
	case err != nil:
		return "", err
	}
	switch code {
	case exitWhole:
		return string(out.text), nil
	case exitCut:
		return string(out.text) + "\n" + CutNote, nil
	case exitEncrypted:
		return "", ErrEncrypted
	case exitTooLarge, exitNoMemory:
		return "", ErrTooLarge
	case exitTooLong:
		return "", ErrTimeout
	case exitUsage:
		return "", unavailable(errors.New("doctext: the helper refuses its arguments"))
	default: // exitBroken, or the helper crashed
		return "", ErrBroken
	}
}

// runPrepare runs a helper that compiles the PDF parser into dir.
func (r *Reader) runPrepare(ctx context.Context, dir string) error {
	code, err := r.run(ctx, prepareWait, prepareProcessor, helperArgs(prepareArg, prepareMemory, prepareProcessor, dir), nil, nil)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return unavailable(err)
	case code != exitWhole || !compiled(dir):
		return unavailable(fmt.Errorf("doctext: compiling the PDF parser ended with %d", code))
	}
	return nil
}

func helperArgs(k kind, memory int64, processor time.Duration, dir string) []string {
	return []string{string(k), strconv.FormatInt(memory, 10), strconv.Itoa(seconds(processor)), dir}
}

func seconds(d time.Duration) int { return max(1, int(d/time.Second)) }

// run starts a helper and waits for its end. The error is ctx's, or says that the
// helper could not run to its end; else code tells how it ended. os/exec's
// goroutines copy in and out; they end with the process, or drainWait later.
func (r *Reader) run(ctx context.Context, most, processor time.Duration, args []string, in io.Reader, out io.Writer) (code int, err error) {
	// On Linux a helper is killed when the thread that started it ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, stop := context.WithTimeoutCause(ctx, most, errSlow)
	defer stop()
	program, first := r.cfg.Command[0], r.cfg.Command[1:len(r.cfg.Command):len(r.cfg.Command)]
	cmd := exec.CommandContext(ctx, program, append(first, args...)...) //nolint:gosec // the program itself
	// No environment, rather than the pod's with its secrets.
	cmd.Env = []string{}
	cmd.Dir = args[len(args)-1]
	cmd.Stdin, cmd.Stdout = in, out
	cmd.WaitDelay = drainWait
	cmd.SysProcAttr = attributes()
	if err := cmd.Start(); err != nil {
		return 0, unavailable(fmt.Errorf("doctext: %w", err))
	}
	err = cmd.Wait()
	ended := cmd.ProcessState
	switch {
	case ended.Success() && err != nil:
		return exitBroken, nil // it wrote more than it may
	case ended.Success():
		return exitWhole, nil
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errSlow):
		return 0, unavailable(errSlow)
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case !killed(ended):
		return ended.ExitCode(), nil
	case ended.UserTime()+ended.SystemTime() < processor:
		return 0, unavailable(errors.New("doctext: the helper was killed")) // for the memory of others, perhaps
	default:
		return exitTooLong, nil
	}
}

// killed reports whether a process ended by a signal that nothing resists.
func killed(p *os.ProcessState) bool {
	status, ok := p.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// source is the content of a document. fail kills the helper if the content is too
// large or cannot be read, so that a part is never taken for the whole.
type source struct {
	r    io.Reader
	left int64
	fail context.CancelCauseFunc
}

// contentError is why a content was not read to its end.
type contentError struct{ error }

// Unwrap returns the cause.
func (e *contentError) Unwrap() error { return e.error }

// unread returns why source has ended ctx, or nil.
func unread(ctx context.Context) error {
	if e, ok := errors.AsType[*contentError](context.Cause(ctx)); ok {
		return e.error
	}
	return nil
}

// Read reads, and counts.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.left -= int64(n)
	switch {
	case s.left < 0:
		err = ErrTooLarge
	case err == nil, errors.Is(err, io.EOF):
		return n, err
	}
	s.fail(&contentError{err})
	return 0, err
}

// sink keeps what the helper writes, up to a bound. It has no ReadFrom, as
// bytes.Buffer has, which io.Copy would prefer to Write.
type sink struct {
	text []byte
	left int
}

// Write keeps p, or refuses it.
func (s *sink) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, io.ErrShortWrite
	}
	s.text = append(s.text, p...)
	return len(p), nil
}
