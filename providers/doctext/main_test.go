package doctext

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain makes the test binary a helper, as cmd/chatbox is one, and programs that misbehave as a parser might that a document has taken over.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case Command:
			os.Exit(Helper(os.Args[2:], os.Stdin, os.Stdout))
		case "eat-memory":
			os.Exit(misbehave(func() {
				for kept := [][]byte{}; ; kept = append(kept, bytes.Repeat([]byte{1}, 1<<20)) {
					_ = kept
				}
			}))
		case "eat-time":
			os.Exit(misbehave(func() {
				for n := 0; n >= 0; n %= 7 {
					n++
				}
			}))
		case "sleep":
			os.Exit(misbehave(func() { <-make(chan int) }))
		case "die":
			os.Exit(misbehave(func() {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				<-make(chan int)
			}))
		case "shout":
			os.Exit(misbehave(func() {
				for {
					if _, err := os.Stdout.WriteString(strings.Repeat("x", 4096)); err != nil {
						os.Exit(exitWhole)
					}
				}
			}))
		case "look":
			os.Exit(misbehave(look))
		case "write":
			os.Exit(misbehave(func() {
				_, _ = fmt.Fprint(os.Stdout, os.WriteFile("left", []byte("x"), 0o600) != nil)
			}))
		case "pod":
			pod()
		}
	}
	code := run(m)
	os.Exit(code)
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "doctext-test-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if helper, err = helperIn(dir); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// helper is the program that readers start.
var helper string

// helperIn returns this program, or a copy without the race detector in dir: with
// it, the limits do not hold and a parser takes minutes.
func helperIn(dir string) (string, error) {
	if !raceDetector {
		return os.Executable()
	}
	program := filepath.Join(dir, "helper")
	out, err := exec.Command("go", "test", "-c", "-o", program, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return program, nil
}

// misbehave limits this process as Helper does, and does not read.
func misbehave(act func()) int {
	seconds, err := strconv.ParseUint(os.Args[4], 10, 16)
	if err != nil || limit(256<<20, seconds, false) != nil {
		return exitUsage
	}
	act()
	return exitWhole
}

func look() {
	dir, _ := os.Getwd()
	fds, _ := os.ReadDir("/proc/self/fd")
	var open []string
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && !strings.HasPrefix(to, "anon_inode:") && !strings.HasPrefix(to, "/proc/") {
			open = append(open, strings.TrimRight(to, ":[]0123456789"))
		}
	}
	_, _ = fmt.Fprintf(os.Stdout, "env=%d dir=%s secret=%v", len(os.Environ()), dir, strings.Contains(strings.Join(open, " "), "canary"))
}

// pod is a process that reads a document and is killed meanwhile.
func pod() {
	r := New(Config{Command: []string{os.Args[0], "eat-time"}, Timeout: time.Minute})
	_, _ = r.Text(context.Background(), docxType, strings.NewReader("x")) //nolint:forbidigo // a program of its own
}

const (
	pdfType  = "application/pdf"
	docxType = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	xlsxType = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	pptxType = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	odtType  = "application/vnd.oasis.opendocument.text"
)

func typeOf(file string) string {
	return map[string]string{"pdf": pdfType, "docx": docxType, "xlsx": xlsxType, "pptx": pptxType, "odt": odtType}[file[strings.LastIndex(file, ".")+1:]]
}

// reader returns a reader whose helpers are this test binary.
func reader(tb testing.TB, change func(*Config)) *Reader {
	tb.Helper()
	cfg := Config{Command: []string{helper, Command}, Timeout: 3 * time.Minute, Processor: time.Minute, MaxWait: 3 * time.Minute}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// acting returns a change that makes helpers misbehave.
func acting(act string) func(*Config) {
	return func(c *Config) { c.Command = []string{c.Command[0], act} }
}

func file(tb testing.TB, name string) []byte {
	tb.Helper()
	content, err := os.ReadFile("testdata/" + name)
	require.NoError(tb, err)
	return content
}

var errStore = errors.New("the store failed")

// failing reads some bytes and fails.
type failing struct{ left int }

func (f *failing) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, errStore
	}
	n := min(len(p), f.left)
	f.left -= n
	return n, nil
}

// blocked does not return before its context ends.
type blocked struct{ ctx context.Context }

func (b blocked) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, io.ErrUnexpectedEOF
}
