package llm

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is a key that must be seen nowhere but in a request's header.
const canary = "sk-canary-0123456789"

// logBuffer is a log that a test may read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// answer is all that a stream told.
type answer struct {
	text   string
	pieces []string
	last   chatbox.Delta
	err    error
}

// collect reads a stream to its end and checks what the port promises of any:
// nothing follows an error or a finish, and one of both comes.
func collect(t *testing.T, seq iter.Seq2[chatbox.Delta, error]) answer {
	t.Helper()
	var a answer
	for d, err := range seq {
		require.NoError(t, a.err, "something follows the error")
		require.Empty(t, a.last.Finish, "something follows the finish")
		a.err, a.last = err, d
		if d.Text != "" {
			a.pieces = append(a.pieces, d.Text)
			a.text += d.Text
		}
	}
	require.Equal(t, a.err != nil, a.last.Finish == "", "a stream ends with a finish or with an error")
	return a
}

func prompt(content string) chatbox.Prompt {
	return chatbox.Prompt{Messages: []chatbox.PromptMessage{
		{Role: chatbox.RoleSystem, Content: "Be brief."},
		{Role: chatbox.RoleUser, Content: content},
	}}
}

// vendor is a server that does with each request what the test says.
type vendor struct {
	*httptest.Server
	requests atomic.Int32
	gone     chan struct{} // receives once for each request whose context ended while it was served
}

func newVendor(t *testing.T, serve func(w http.ResponseWriter, r *http.Request, n int)) *vendor {
	t.Helper()
	v := &vendor{gone: make(chan struct{}, 16)}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a server notices that its caller is gone once it has read the body
		r.Body = io.NopCloser(bytes.NewReader(body))
		serve(w, r, int(v.requests.Add(1)))
		if r.Context().Err() != nil {
			v.gone <- struct{}{}
		}
	}))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) waitGone(t *testing.T) {
	t.Helper()
	select {
	case <-v.gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the vendor's request was not cancelled")
	}
}

// newTestRouter returns a router with one provider of the type at the vendor. Its
// time-outs suit slow machines; change adapts it.
func newTestRouter(t *testing.T, kind, endpoint string, change func(*Config)) (*Router, *logBuffer) {
	t.Helper()
	cfg := Config{
		Providers: []Provider{{
			ID: "m1", Type: kind, Endpoint: endpoint, Model: "vendor-model",
			APIKey: NewSecret(canary), Continue: ContinuePrefix,
		}},
		StreamTimeout: 20 * time.Second, HeaderTimeout: 10 * time.Second, IdleTimeout: 10 * time.Second,
	}
	if change != nil {
		change(&cfg)
	}
	log := &logBuffer{}
	r, err := New(cfg, log.logger())
	require.NoError(t, err)
	t.Cleanup(r.Close)
	return r, log
}

// say writes the lines of a stream and flushes them.
func say(w http.ResponseWriter, lines ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = fmt.Fprint(w, strings.Join(lines, ""))
	w.(http.Flusher).Flush()
}

// abort closes the connection with a reset.
func abort() { panic(http.ErrAbortHandler) }

// requireCode checks code and readability of an error, and that neither it nor
// the log shows the key.
func requireCode(t *testing.T, code chatbox.Code, err error, log *logBuffer) {
	t.Helper()
	var e *chatbox.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotEmpty(t, e.Message)
	for _, shown := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, e.Err), log.String()} {
		require.NotContains(t, shown, canary)
	}
}

func contextWithCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}
