package doctext

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"chatbox"
)

// Config says how helpers are run. The zero values of all but Command are replaced
// by defaults.
type Config struct {
	// Command starts a helper; its arguments are added. See Self.
	Command []string
	// Dir is the helpers' working directory. The PDF parser keeps its machine code
	// in it, 21 MB. It is made if it does not exist and must belong to this user
	// alone. Default: a directory of the user in the one for temporary files.
	Dir string
	// Helpers is how many helpers may run at once. Default: 2.
	Helpers int
	// Waiting is how many documents may wait for a helper. Default: 32.
	Waiting int
	// MaxWait is how long a document waits. Default: 30 s.
	MaxWait time.Duration
	// Timeout is how long a helper may run, waiting included. Default: 60 s.
	Timeout time.Duration
	// Processor is how much processor time a helper may use. Default: 20 s.
	Processor time.Duration
	// Memory is how many bytes of memory a helper may have. Default: 256 MiB.
	Memory int64
}

// Self returns the command that starts the running program as a helper.
func Self() ([]string, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("doctext: %w", err)
	}
	return []string{exe, Command}, nil
}

// Reader reads documents. It is safe for concurrent use.
type Reader struct {
	cfg     Config
	running chan struct{} // holds a value per helper; never closed
	waiting chan struct{} // holds a value per document that waits or is read; a full one refuses
	compile chan struct{} // holds a value while the PDF parser is compiled; the others wait
}

// New returns a reader. It starts nothing.
func New(cfg Config) *Reader {
	if cfg.Dir == "" {
		cfg.Dir = filepath.Join(os.TempDir(), "chatbox-text-"+strconv.Itoa(os.Getuid()))
	}
	cfg.Helpers = or(cfg.Helpers, 2)
	cfg.Waiting = or(cfg.Waiting, 32)
	cfg.MaxWait = or(cfg.MaxWait, 30*time.Second)
	cfg.Timeout = or(cfg.Timeout, time.Minute)
	cfg.Processor = or(cfg.Processor, 20*time.Second)
	cfg.Memory = or(cfg.Memory, 256<<20)
	return &Reader{
		cfg:     cfg,
		running: make(chan struct{}, cfg.Helpers),
		waiting: make(chan struct{}, cfg.Helpers+cfg.Waiting),
		compile: make(chan struct{}, 1),
	}
}

func or[T int | int64 | time.Duration](v, otherwise T) T { //nolint:ireturn // not an interface
	if v == 0 {
		return otherwise
	}
	return v
}

// Text returns the text of a document in the order in which it is read: UTF-8
// without control characters, cells of a table row separated by tabs, and at most
// MaxText bytes. CutNote is the last line of a text that was cut. The errors are
// those of the package, ctx's, and content's. Reads of content must end when ctx
// ends.
func (r *Reader) Text(ctx context.Context, contentType string, content io.Reader) (string, error) {
	if mediaType, _, err := mime.ParseMediaType(contentType); err == nil {
		contentType = mediaType
	}
	k, ok := kindOf(contentType)
	switch {
	case !ok:
		return "", ErrUnsupported
	case k == plain:
		return plainText(content)
	case len(r.cfg.Command) == 0:
		return "", chatbox.NewError(chatbox.Unavailable, "documents are not read here", nil)
	}
	release, err := r.acquire(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	dir, err := r.dir()
	if err != nil {
		return "", unavailable(err)
	}
	if k == pdf {
		if err := r.prepare(ctx, dir); err != nil {
			return "", err
		}
	}
	return r.read(ctx, k, dir, content)
}

// Prepare compiles the PDF parser if this machine does not have it yet: some
// seconds of one processor and 350 MB, in a helper. Without it, the first PDF
// waits for that.
func (r *Reader) Prepare(ctx context.Context) error {
	release, err := r.acquire(ctx)
	if err != nil {
		return err
	}
	defer release()
	dir, err := r.dir()
	if err != nil {
		return unavailable(err)
	}
	return r.prepare(ctx, dir)
}

// acquire waits for a helper's place. The caller gives it back by release.
func (r *Reader) acquire(ctx context.Context) (release func(), err error) {
	select {
	case r.waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	most := time.NewTimer(r.cfg.MaxWait)
	defer most.Stop()
	select {
	case r.running <- struct{}{}:
		return func() { <-r.running; <-r.waiting }, nil
	case <-most.C:
		err = ErrBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	<-r.waiting
	return nil, err
}

// dir returns the working directory. Another user who can write to it could
// replace the parser's code.
func (r *Reader) dir() (string, error) {
	if err := os.Mkdir(r.cfg.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("doctext: %w", err)
	}
	info, err := os.Lstat(r.cfg.Dir)
	if err != nil {
		return "", fmt.Errorf("doctext: %w", err)
	}
	if !info.IsDir() || info.Mode().Perm()&0o077 != 0 || !mine(info) {
		return "", fmt.Errorf("doctext: %s must be a directory that belongs to this user alone (mode 0700)", r.cfg.Dir)
	}
	return r.cfg.Dir, nil
}

// prepare makes sure that the PDF parser is compiled.
func (r *Reader) prepare(ctx context.Context, dir string) error {
	select {
	case r.compile <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-r.compile }()
	if compiled(dir) {
		return nil
	}
	return r.runPrepare(ctx, dir)
}

func unavailable(err error) error {
	return chatbox.NewError(chatbox.Unavailable, "documents cannot be read now", err)
}
