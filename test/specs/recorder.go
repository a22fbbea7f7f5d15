package specs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Recorder compares responses and frames of pods with the documents, and records
// which parts of the documents occurred. It is safe for concurrent use.
type Recorder struct {
	docs *Documents

	mu     sync.Mutex // guards following
	seen   map[string]bool
	faults []string
}

// NewRecorder returns an empty recorder.
func NewRecorder() (*Recorder, error) {
	docs, err := Load()
	if err != nil {
		return nil, err
	}
	return &Recorder{docs: docs, seen: map[string]bool{}}, nil
}

// Record returns a recorder for one test. The test fails at its end if a response
// or a frame is not described by the documents.
func Record(tb testing.TB) *Recorder {
	tb.Helper()
	r, err := NewRecorder()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		for _, f := range r.Faults() {
			tb.Errorf("the documents do not describe this: %s", f)
		}
	})
	return r
}

// Faults returns a copy of the first 20 faults.
func (r *Recorder) Faults() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.faults)
}

// Seen reports whether an item occurred, such as "GET /sessions 200", "server
// ack" or "code frame NOT_FOUND".
func (r *Recorder) Seen(what string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[what]
}

const maxFaults = 20

func (r *Recorder) fault(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.faults) < maxFaults {
		r.faults = append(r.faults, fmt.Sprintf(format, args...))
	}
}

func (r *Recorder) see(what ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range what {
		r.seen[w] = true
	}
}

// Received checks a frame sent by a pod.
func (r *Recorder) Received(text []byte) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	f, ok := v.(map[string]any)
	if err != nil || !ok {
		r.fault("a frame that is no JSON object: %.200s", text)
		return
	}
	m, why := match(r.docs.Server, f)
	if m == nil {
		r.fault("frame %.600s: %s", text, why)
		return
	}
	r.see("server " + m.Name)
	if e, ok := f["error"].(map[string]any); ok {
		kind := "frame"
		if m.Name == "answerError" {
			kind = "answer"
		}
		r.see(fmt.Sprintf("code %s %s", kind, e["code"]))
	}
}

// Raw handles a frame of a client if sent is true, and a frame of a pod
// otherwise.
func (r *Recorder) Raw(sent bool, text []byte) {
	if sent {
		r.Sent(text)
		return
	}
	r.Received(text)
}

// Sent records a frame of a client if the frame is valid. It ignores invalid
// frames, since tests send them on purpose.
func (r *Recorder) Sent(text []byte) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if f, ok := v.(map[string]any); ok && err == nil {
		if m, _ := match(r.docs.Client, f); m != nil {
			r.see("client " + m.Name)
		}
	}
}

// match returns the message whose schema accepts the frame, or nil and the
// reason.
func match(kinds []*message, f map[string]any) (*message, string) {
	var why strings.Builder
	fmt.Fprintf(&why, "no frame is of type %q", f["type"])
	for _, m := range kinds {
		if m.Type != f["type"] {
			continue
		}
		err := m.schema.Validate(f)
		if err == nil {
			return m, ""
		}
		fmt.Fprintf(&why, "\n  as %s: %v", m.Name, err)
	}
	return nil, why.String()
}

// secured lists the headers that every response must have.
func secured() []string {
	return []string{
		"X-Request-Id", "X-Content-Type-Options", "X-Frame-Options", "Referrer-Policy", "Content-Security-Policy",
		"Cross-Origin-Opener-Policy", "Cache-Control",
	}
}

// Response checks the response to a request. path is escaped and includes the
// prefix.
func (r *Recorder) Response(method, path string, status int, h http.Header, body []byte) {
	path, ours := strings.CutPrefix(path, prefix)
	if !ours || method == http.MethodOptions || strings.HasPrefix(path, "/console") {
		return // served by another handler
	}
	what := fmt.Sprintf("%s %s: %d %.300s", method, path, status, body)
	for _, name := range secured() {
		if h.Get(name) == "" {
			r.fault("%s: has no %s", what, name)
		}
	}
	op, known := r.docs.operation(method, path)
	switch {
	case op == nil:
		want := http.StatusNotFound
		if known {
			want = http.StatusMethodNotAllowed
		}
		if status != want {
			r.fault("%s: no operation is documented here, want %d", what, want)
		}
		r.failure(what, body)
	case op.kinds[status] != nil:
		r.see(fmt.Sprintf("%s %s %d", op.Method, op.Path, status))
		r.body(what, op, status, method, h, body)
		if status != http.StatusOK && path != "/readyz" {
			r.retryAfter(what, status, h)
		}
	case status == http.StatusInternalServerError || status == http.StatusRequestEntityTooLarge:
		r.failure(what, body) // the documents describe these statuses for all operations
	default:
		r.fault("%s: the status is not documented", what)
	}
}

func (r *Recorder) body(what string, op *operation, status int, method string, h http.Header, body []byte) {
	if len(op.kinds[status]) == 0 || method == http.MethodHead {
		return
	}
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	schema := op.kinds[status][kind]
	if schema == nil && err == nil {
		schema = op.kinds[status]["*/*"]
	}
	if err != nil || schema == nil {
		r.fault("%s: the content type %q is not documented", what, h.Get("Content-Type"))
		return
	}
	var v any = string(body)
	if kind == "application/json" {
		if v, err = jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil {
			r.fault("%s: %v", what, err)
			return
		}
	}
	if err := schema.Validate(v); err != nil {
		r.fault("%s: %v", what, err)
		return
	}
	if status >= http.StatusBadRequest && op.Path != "/readyz" {
		r.failure(what, body)
	}
}

func (r *Recorder) retryAfter(what string, status int, h http.Header) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if n, err := strconv.Atoi(h.Get("Retry-After")); err != nil || n < 1 {
		r.fault("%s: Retry-After is %q", what, h.Get("Retry-After"))
	}
}

func (r *Recorder) failure(what string, body []byte) {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err == nil {
		err = r.docs.failure.Validate(v)
	}
	if err != nil {
		r.fault("%s: %v", what, err)
		return
	}
	var f struct {
		Code string `json:"code"`
	}
	if json.Unmarshal(body, &f) == nil {
		r.see("code rest " + f.Code)
	}
}

// operation returns the operation for a request, or nil. known reports whether
// the path is documented for some method.
func (d *Documents) operation(method, path string) (op *operation, known bool) {
	if method == http.MethodHead && (path == "/healthz" || path == "/readyz") {
		method = http.MethodGet
	}
	for _, o := range d.Operations {
		if !o.match.MatchString(path) {
			continue
		}
		known = true
		if o.Method == method && (op == nil || o.literal) {
			op = o
		}
	}
	return op, known
}

// Transport returns a RoundTripper that records the responses of next. It does
// not record upgrades.
func (r *Recorder) Transport(next http.RoundTripper) http.RoundTripper {
	return transport{r, next}
}

type transport struct {
	r    *Recorder
	next http.RoundTripper
}

func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return resp, err
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return resp, nil
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil { // the response broke off, and the test must get the error too
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), broken{err}))
		return resp, nil //nolint:nilerr // it comes after the body
	}
	t.r.Response(req.Method, req.URL.EscapedPath(), resp.StatusCode, resp.Header, body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }
