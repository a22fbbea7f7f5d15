package llm

import (
	"bytes"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"chatbox"
)

// vendorCase is what a vendor's server sends, in a file of testdata/streams,
// and what has to come of it. A .txt is the body of a 200 of type
// text/event-stream; a .http has a status line and headers of its own, and may
// end in a reset (Test-End: reset) or be one (Test-End: drop).
type vendorCase struct {
	file, kind string
	then       string // what is sent from the second request on; "": the same again

	text       string
	replaced   bool           // words were withdrawn on the way
	finish     chatbox.Finish // of a whole answer
	code       chatbox.Code   // of a failed one
	says       string         // in the sentence that users read of it
	retry      time.Duration
	prompt     int // tokens; zero: not told
	completion int
	requests   int // zero: one
}

type vendorDialect struct {
	kind, title string
	cases       []vendorCase
}

func vendorDialects() []vendorDialect {
	return []vendorDialect{
		{TypeOpenAI, "OpenAI and compatible servers", openaiCases()},
		{TypeAnthropic, "Anthropic", anthropicCases()},
		{TypeDify, "Dify", difyCases()},
	}
}

// outcome is what came of a case, seen as a client of the router sees it.
type outcome struct {
	text     string
	replaced bool
	last     chatbox.Delta
	err      error
	requests int
	log      string
}

func TestVendors_Conformance(t *testing.T) {
	results := playCases(t)
	for _, d := range vendorDialects() {
		for _, c := range d.cases {
			t.Run(d.kind+"/"+caseName(c.file), func(t *testing.T) { checkCase(t, c, results[c.file]) })
		}
	}
	if !t.Failed() {
		checkTable(t, results)
	}
}

// playCases plays all cases, many at once: most of their time is waiting before
// a request is repeated.
func playCases(t *testing.T) map[string]outcome {
	t.Helper()
	results := map[string]outcome{}
	var mu sync.Mutex // guards results
	var group errgroup.Group
	group.SetLimit(64)
	for _, d := range vendorDialects() {
		for _, c := range d.cases {
			play := prepareCase(t, d.kind, c)
			group.Go(func() error {
				got := play()
				mu.Lock()
				defer mu.Unlock()
				results[c.file] = got
				return nil
			})
		}
	}
	require.NoError(t, group.Wait())
	return results
}

// Every file is a case, and every case has a file of its own.
func TestVendors_EveryFileIsACase(t *testing.T) {
	named := map[string]bool{}
	for _, d := range vendorDialects() {
		for _, c := range d.cases {
			require.False(t, named[c.file], c.file)
			named[c.file] = true
		}
	}
	files, err := filepath.Glob("testdata/streams/*")
	require.NoError(t, err)
	for _, f := range files {
		require.True(t, named[filepath.Base(f)], "%s is nobody's", f)
	}
	require.Len(t, files, len(named))
}

func caseName(file string) string { return strings.TrimSuffix(file, filepath.Ext(file)) }

// prepareCase returns what plays the case, in any goroutine.
func prepareCase(t *testing.T, kind string, c vendorCase) func() outcome {
	t.Helper()
	first, then := readResponse(t, c.file), (*response)(nil)
	if c.then != "" {
		then = readResponse(t, c.then)
	}
	return func() outcome {
		var requests atomic.Int32
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/stop"):
			case requests.Add(1) > 1 && then != nil:
				then.write(w)
			default:
				first.write(w)
			}
		}))
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // a reset is a panic
		server.Start()
		defer server.Close()
		r, log := newTestRouter(t, kind, server.URL, withoutContinue)
		defer r.Close()
		got := read(r.Stream(t.Context(), prompt("Hi")))
		got.requests, got.log = int(requests.Load()), log.String()
		return got
	}
}

// read assembles an answer as a client does: a replacement takes the place of
// what came before it.
func read(seq iter.Seq2[chatbox.Delta, error]) (got outcome) {
	for d, err := range seq {
		if d.Replace {
			got.text, got.replaced = "", true
		}
		got.text += d.Text
		got.last, got.err = d, err
	}
	return got
}

func checkCase(t *testing.T, c vendorCase, got outcome) {
	t.Helper()
	assert.Equal(t, c.text, got.text)
	assert.Equal(t, c.replaced, got.replaced, "words withdrawn")
	assert.Equal(t, max(1, c.requests), got.requests, "requests")
	assert.NotContains(t, got.log, canary)
	if c.code != "" {
		e, ok := got.err.(*chatbox.Error) //nolint:errorlint // the very error that the router yields
		require.True(t, ok, "%v", got.err)
		assert.Equal(t, c.code, e.Code, "%v", got.err)
		assert.Contains(t, e.Message, c.says)
		assert.Equal(t, c.retry, e.RetryAfter)
		return
	}
	require.NoError(t, got.err)
	assert.Equal(t, c.finish, got.last.Finish)
	var usage *chatbox.Usage
	if c.prompt > 0 || c.completion > 0 {
		usage = &chatbox.Usage{Prompt: c.prompt, Completion: c.completion}
	}
	assert.Equal(t, usage, got.last.Usage, "usage that is not known is absent")
}

// response is a file of testdata/streams as it is sent.
type response struct {
	status int
	header http.Header
	end    string
	body   []byte
}

func readResponse(t *testing.T, file string) *response {
	t.Helper()
	raw := readFile(t, file)
	r := &response{status: http.StatusOK, header: http.Header{"Content-Type": {"text/event-stream"}}, body: raw}
	if filepath.Ext(file) != ".http" {
		return r
	}
	head, body, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
	require.True(t, ok, "no end of the header")
	lines := strings.Split(string(head), "\r\n")
	var err error
	r.status, err = strconv.Atoi(strings.Fields(lines[0])[1])
	require.NoError(t, err)
	r.header, r.body = http.Header{}, body
	for _, line := range lines[1:] {
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "Transfer-Encoding", "Connection": // the server's business
		case "Test-End":
			r.end = value
		default:
			r.header.Add(name, value)
		}
	}
	return r
}

func readFile(tb testing.TB, file string) []byte {
	tb.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "streams", file))
	require.NoError(tb, err)
	return raw
}

func (r *response) write(w http.ResponseWriter) {
	if r.end == "drop" {
		abort()
	}
	maps.Copy(w.Header(), r.header)
	w.WriteHeader(r.status)
	_, _ = w.Write(r.body) // a caller that left early has seen enough
	if r.end == "reset" {
		w.(http.Flusher).Flush()
		abort()
	}
}

const tableFile = "../../docs/operations/vendors.md"

// checkTable compares the documented table with what was seen, or writes it
// where UPDATE_DOCS is set.
func checkTable(t *testing.T, results map[string]outcome) {
	t.Helper()
	table := renderTable(results)
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(tableFile, []byte(table), 0o600))
		return
	}
	documented, err := os.ReadFile(tableFile)
	require.NoError(t, err)
	require.Equal(t, string(documented), table, "UPDATE_DOCS=1 go test ./providers/llm -run TestVendors_Conformance writes it")
}

const tableHead = `# Model servers: input and result

Written by ` + "`UPDATE_DOCS=1 go test ./providers/llm -run TestVendors_Conformance`" + `, which plays each file of
` + "`providers/llm/testdata/streams`" + ` to the program; do not edit. Usage is the prompt/completion tokens that the provider sent. "–" means
that it sent none, and the answer then carries an estimate, marked as such. Requests is the number of requests to the server.

A case that ends in "once" is a server that fails the first time and answers the second.

This page is about models that answer. The runbook has the calls, models and limits of servers [for transcripts](runbook.md#transcripts-of-recordings) and
[for speech](runbook.md#speech-of-answers).
`

func renderTable(results map[string]outcome) string {
	var b strings.Builder
	b.WriteString(tableHead)
	for _, d := range vendorDialects() {
		fmt.Fprintf(&b, "\n## %s (%d cases)\n\n| case | the server sends | result | usage | requests |\n|---|---|---|---|---|\n", d.title, len(d.cases))
		for _, c := range d.cases {
			got := results[c.file]
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %d |\n", caseName(c.file), escapeCell(c.kind), escapeCell(got.describe()), got.usage(), got.requests)
		}
	}
	return b.String()
}

func (o outcome) describe() string {
	what := "the answer"
	if o.replaced {
		what = "the answer, text withdrawn"
	}
	if o.err == nil {
		return what + ", `" + string(o.last.Finish) + "`"
	}
	e, _ := o.err.(*chatbox.Error) //nolint:errorlint // checked by checkCase
	what = "`" + string(e.Code) + "`: " + e.Message
	if o.text != "" {
		what += " (after text)"
	}
	if e.RetryAfter > 0 {
		what += fmt.Sprintf(" `retry_after` %d ms", e.RetryAfter.Milliseconds())
	}
	return what
}

func (o outcome) usage() string {
	if o.err != nil || o.last.Usage == nil {
		return "–"
	}
	show := func(n int) string {
		if n == 0 {
			return "–"
		}
		return strconv.Itoa(n)
	}
	return show(o.last.Usage.Prompt) + "/" + show(o.last.Usage.Completion)
}

func escapeCell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "[DONE]", "`[DONE]`").Replace(s)
}
