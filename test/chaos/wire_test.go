package chaos

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire stands between the pods and Redis. It reads commands and replies, so
// that a fault meets a certain command, and a lost reply is that command's.
type wire struct {
	plan    *plan
	target  string
	headers map[string]string // of scripts: first line → name
	l       net.Listener
	done    chan struct{}
	work    sync.WaitGroup

	mu      sync.Mutex        // guards following
	scripts map[string]string // hash → name, as seen on the wire
	links   map[*link]struct{}
	away    bool
}

// link is one connection of a pod.
type link struct {
	down, up net.Conn

	mu   sync.Mutex     // guards following
	sent int            // commands passed on
	lost map[int]*fault // by place among them
	sub  bool           // the connection subscribes: replies are not one for one
}

func (l *link) close() { _ = l.down.Close(); _ = l.up.Close() }

func startWire(t *testing.T, p *plan, target string) *wire {
	t.Helper()
	w := &wire{plan: p, target: target, headers: map[string]string{}, done: make(chan struct{}), scripts: map[string]string{}, links: map[*link]struct{}{}}
	files, err := filepath.Glob("../../redisstate/scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		w.headers[firstLine(string(src))] = strings.TrimSuffix(filepath.Base(f), ".lua")
	}
	var lc net.ListenConfig
	if w.l, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx := context.WithoutCancel(t.Context())
	w.work.Go(func() { w.accept(ctx) })
	t.Cleanup(func() {
		close(w.done)
		_ = w.l.Close()
		w.cut(false)
		w.work.Wait()
	})
	return w
}

func firstLine(s string) string { line, _, _ := strings.Cut(s, "\n"); return line }

func (w *wire) url() string { return "redis://" + w.l.Addr().String() }

func (w *wire) accept(ctx context.Context) {
	for {
		down, err := w.l.Accept()
		if err != nil {
			return
		}
		w.work.Go(func() { w.serve(ctx, down) })
	}
}

// cut ends all connections; with away new ones are refused too.
func (w *wire) cut(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
	for l := range w.links {
		l.close()
	}
}

func (w *wire) back() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = false
}

func (w *wire) serve(ctx context.Context, down net.Conn) {
	defer func() { _ = down.Close() }()
	up, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", w.target)
	if err != nil {
		return
	}
	l := &link{down: down, up: up, lost: map[int]*fault{}}
	defer l.close()
	w.mu.Lock()
	if w.away {
		w.mu.Unlock()
		return
	}
	w.links[l] = struct{}{}
	w.mu.Unlock()
	w.work.Go(func() { defer l.close(); w.replies(l) })
	w.commands(l)
	w.mu.Lock()
	delete(w.links, l)
	w.mu.Unlock()
}

// commands passes on what the pod asks until either side ends.
func (w *wire) commands(l *link) {
	r := bufio.NewReader(l.down)
	for {
		raw, args, err := readValue(r)
		if err != nil {
			return
		}
		name := w.name(args)
		f := w.plan.meet(name)
		if f != nil && !w.before(f) {
			return
		}
		l.mu.Lock()
		l.sub = l.sub || name == "subscribe"
		if f != nil && (f.act == loseReply || f.act == hold) {
			l.lost[l.sent] = f
		}
		l.sent++
		l.mu.Unlock()
		if _, err := l.up.Write(raw); err != nil {
			return
		}
	}
}

// before is what a fault does to a command that was not passed on; false: it
// never is.
func (w *wire) before(f *fault) bool {
	switch f.act {
	case refuse:
		return false
	case delay:
		w.wait(f.span, nil)
	case late:
		w.wait(time.Minute, f.gate)
	default: // concern the reply
	}
	return true
}

func (w *wire) wait(d time.Duration, gate <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-w.done:
	case <-gate:
	case <-t.C:
	}
}

// replies forwards the replies of Redis, except those that a fault removes.
func (w *wire) replies(l *link) {
	r := bufio.NewReader(l.up)
	for n := 0; ; {
		raw, _, err := readValue(r)
		if err != nil {
			return
		}
		l.mu.Lock()
		f := l.lost[n]
		if l.sub && f == nil {
			for _, other := range l.lost { // the confirmation of a subscription
				f = other
			}
		}
		if raw[0] != '>' {
			n++
		}
		l.mu.Unlock()
		if f != nil {
			if f.act == loseReply {
				return
			}
			w.wait(time.Minute, f.gate)
		}
		if _, err := l.down.Write(raw); err != nil {
			return
		}
	}
}

// name is what a command counts as: a script's name, or the command's.
func (w *wire) name(args []string) string {
	if len(args) == 0 {
		return ""
	}
	cmd := strings.ToLower(args[0])
	switch {
	case cmd == "script" && len(args) == 3, cmd == "eval":
		src := args[len(args)-1]
		if cmd == "eval" {
			src = args[1]
		}
		sum := sha1.Sum([]byte(src))
		w.mu.Lock()
		defer w.mu.Unlock()
		name := w.headers[firstLine(src)]
		w.scripts[hex.EncodeToString(sum[:])] = name
		if cmd == "eval" {
			return name
		}
	case cmd == "evalsha" && len(args) > 1:
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.scripts[args[1]]
	}
	return cmd
}

// readValue reads one value of the protocol as it is, and, of a flat array of
// strings, its parts.
func readValue(r *bufio.Reader) (raw []byte, parts []string, err error) {
	var b bytes.Buffer
	err = copyValue(&b, r, &parts)
	return b.Bytes(), parts, err
}

var errProtocol = errors.New("not the protocol of Redis")

func copyValue(b *bytes.Buffer, r *bufio.Reader, parts *[]string) error {
	line, err := r.ReadString('\n')
	if err != nil {
		return err
	}
	b.WriteString(line)
	if len(line) < 3 {
		return errProtocol
	}
	size := func() (int, error) { return strconv.Atoi(strings.TrimSpace(line[1:])) }
	switch line[0] {
	case '+', '-', ':', '_', ',', '#', '(':
		return nil
	case '$', '=', '!':
		n, err := size()
		if err != nil || n < 0 {
			return err
		}
		text := make([]byte, n+2)
		if _, err := io.ReadFull(r, text); err != nil {
			return err
		}
		b.Write(text)
		*parts = append(*parts, string(text[:n]))
		return nil
	case '*', '~', '>', '%', '|':
		n, err := size()
		if err != nil {
			return err
		}
		if line[0] == '%' || line[0] == '|' {
			n *= 2
		}
		for range max(n, 0) {
			if err := copyValue(b, r, parts); err != nil {
				return err
			}
		}
		if line[0] == '|' {
			return copyValue(b, r, parts) // what the attributes are of
		}
		return nil
	default:
		return errProtocol
	}
}
