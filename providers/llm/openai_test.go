package llm

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func chunk(text string) string {
	quoted, _ := json.Marshal(text)
	return `data: {"choices":[{"index":0,"delta":{"content":` + string(quoted) + `},"finish_reason":null}]}` + "\n\n"
}

func finishChunk(reason string) string {
	return `data: {"choices":[{"index":0,"delta":{},"finish_reason":"` + reason + `"}]}` + "\n\n"
}

const (
	usageChunk = `data: {"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15}}` + "\n\n"
	doneLine   = "data: [DONE]\n\n"
)

func sayWhole(w http.ResponseWriter) {
	say(w, chunk("Hello"), chunk(", world"), finishChunk("stop"), usageChunk, doneLine)
}

func TestOpenAI_WholeAnswer(t *testing.T) {
	for _, suffix := range []string{"", "/", "/v1", "/v1/"} {
		t.Run("endpoint"+suffix, func(t *testing.T) {
			var body map[string]any
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				assert.Equal(t, "/v1/chat/completions", r.URL.Path)
				assert.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
				if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
					t.Error(err)
				}
				sayWhole(w)
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL+suffix, nil)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			require.NoError(t, a.err)
			assert.Equal(t, []string{"Hello", ", world"}, a.pieces)
			assert.Equal(t, chatbox.Delta{Finish: chatbox.FinishStop, Usage: &chatbox.Usage{Prompt: 12, Completion: 3}}, a.last)
			assert.Equal(t, "vendor-model", body["model"])
			assert.Equal(t, true, body["stream"])
			assert.Equal(t, map[string]any{"include_usage": true}, body["stream_options"])
			assert.Equal(t, []any{
				map[string]any{"role": "system", "content": "Be brief."},
				map[string]any{"role": "user", "content": "Hi"},
			}, body["messages"])
			assert.Empty(t, log.String())
		})
	}
}

func TestOpenAI_PrefixIsTheLastMessage(t *testing.T) {
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		body, _ := io.ReadAll(r.Body)
		assert.Contains(t, string(body), `{"role":"assistant","content":"Once upon"}]`)
		say(w, chunk(" a time"), finishChunk("stop"), doneLine)
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
	p := prompt("Tell me a story")
	p.Prefix = "Once upon"
	a := collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	assert.Equal(t, " a time", a.text)
}

func TestOpenAI_Finishes(t *testing.T) {
	for reason, want := range map[string]chatbox.Finish{
		"stop": chatbox.FinishStop, "length": chatbox.FinishLength, "content_filter": chatbox.FinishFilter,
		"error": "", "tool_calls": "", "abort": "",
	} {
		t.Run(reason, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				say(w, chunk("Hello"), finishChunk(reason), doneLine)
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			assert.Equal(t, "Hello", a.text)
			assert.Equal(t, want, a.last.Finish)
			if want == "" {
				requireCode(t, chatbox.ModelFailed, a.err, log)
			}
		})
	}
}

// If a vendor breaks the protocol after the response began, the earlier text
// stays, and the error names the cause.
func TestOpenAI_StreamsThatBreakOff(t *testing.T) {
	tests := map[string]struct {
		lines []string
		abort bool
		whole bool
	}{
		"end without finish":             {lines: []string{chunk("Hello")}},
		"done without finish":            {lines: []string{chunk("Hello"), doneLine}, whole: true},
		"reset without finish":           {lines: []string{chunk("Hello")}, abort: true},
		"half a line":                    {lines: []string{chunk("Hello"), `data: {"choices":[{"ind`}},
		"garbage":                        {lines: []string{chunk("Hello"), "data: {]\n\n", finishChunk("stop"), doneLine}},
		"error event":                    {lines: []string{chunk("Hello"), `data: {"error":{"message":"` + canary + `","type":"server_error"}}` + "\n\n", finishChunk("stop"), doneLine}},
		"error event after a comment":    {lines: []string{chunk("Hello"), ": ping\n\n", `data: {"error":{"message":"no"}}` + "\n\n"}},
		"error beside other fields":      {lines: []string{chunk("Hello"), `data: {"id":"1","choices":[],"error":{"code":502,"message":"` + canary + `"}}` + "\n\n", doneLine}},
		"error event after the finish":   {lines: []string{chunk("Hello"), finishChunk("stop"), `data: {"error":{"message":"no"}}` + "\n\n"}},
		"not a stream at all":            {lines: []string{chunk("Hello"), "<html>busy</html>\n"}},
		"end after finish, without done": {lines: []string{chunk("Hello"), finishChunk("stop")}, whole: true},
		"reset after finish":             {lines: []string{chunk("Hello"), finishChunk("stop")}, abort: true, whole: true},
		"comments, CRLF, null error":     {lines: []string{": hi\r\n\r\n", "data:" + strings.TrimPrefix(chunk("Hello"), "data: "), `data: {"choices":null,"error":null}` + "\r\n\r\n", finishChunk("stop"), doneLine}, whole: true},
		"other choices are not the text": {lines: []string{`data: {"choices":[{"index":1,"delta":{"content":"x"}}]}` + "\n\n", chunk("Hello"), finishChunk("stop"), doneLine}, whole: true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				say(w, tt.lines...)
				if tt.abort {
					abort()
				}
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			assert.Equal(t, "Hello", a.text)
			assert.EqualValues(t, 1, v.requests.Load(), "nothing is repeated once a word was seen")
			if tt.whole {
				require.NoError(t, a.err)
				assert.Equal(t, chatbox.FinishStop, a.last.Finish)
				return
			}
			requireCode(t, chatbox.ModelFailed, a.err, log)
		})
	}
}

func TestOpenAI_SplitCharactersSurvive(t *testing.T) {
	text := "naïve 你好 🙂"
	for cut := 1; cut < len(text); cut++ {
		v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
			for _, half := range []string{text[:cut], text[cut:]} {
				say(w, `data: {"choices":[{"index":0,"delta":{"content":"`+half+`"}}]}`+"\n\n")
			}
			say(w, finishChunk("stop"), doneLine)
		})
		r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
		a := collect(t, r.Stream(t.Context(), prompt("Hi")))
		require.NoError(t, a.err)
		require.Equal(t, text, a.text, "cut at %d", cut)
		r.Close()
		v.Close()
	}
}

func TestOpenAI_HugeDeltas(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	for name, tt := range map[string]struct {
		text string
		ok   bool
	}{"a megabyte passes": {big, true}, "what no answer can be fails": {strings.Repeat(big, 5), false}} {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				say(w, chunk(tt.text), finishChunk("stop"), doneLine)
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			if tt.ok {
				require.NoError(t, a.err)
				require.Len(t, a.text, len(tt.text))
				return
			}
			requireCode(t, chatbox.ModelFailed, a.err, log)
		})
	}
}

func TestOpenAI_RefusedRequests(t *testing.T) {
	tests := map[string]struct {
		status     int
		retryAfter string
		body       string
		code       chatbox.Code
		wait       time.Duration
	}{
		"key refused, key echoed": {401, "", `{"error":{"message":"bad key ` + canary + `","code":"` + canary + `"}}`, chatbox.ModelRefused, 0},
		"filtered":                {400, "", `{"error":{"code":"content_filter","message":"no"}}`, chatbox.ModelFiltered, 0},
		"busy for long":           {429, "30", `{"error":{"code":"rate_limit_exceeded"}}`, chatbox.ModelFailed, 30 * time.Second},
		"down for long":           {503, "60", `<html>` + canary, chatbox.ModelFailed, time.Minute},
		"no such page":            {404, "5", canary, chatbox.ModelRefused, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) {
				w.Header().Set("Retry-After", tt.retryAfter)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			requireCode(t, tt.code, a.err, log)
			e, _ := errors.AsType[*chatbox.Error](a.err)
			assert.Equal(t, tt.wait, e.RetryAfter)
			assert.NotContains(t, e.Message, "status")
			assert.EqualValues(t, 1, v.requests.Load())
		})
	}
}

func TestOpenAI_TriesAgainBeforeTheFirstWord(t *testing.T) {
	v := newVendor(t, func(w http.ResponseWriter, _ *http.Request, n int) {
		if n < 3 {
			http.Error(w, canary, []int{500, 429}[n-1])
			return
		}
		sayWhole(w)
	})
	r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	require.NoError(t, a.err)
	assert.Equal(t, "Hello, world", a.text)
	assert.EqualValues(t, 3, v.requests.Load())
	assert.NotContains(t, log.String(), canary)
}

func TestOpenAI_NobodyListens(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	r, log := newTestRouter(t, TypeOpenAI, "http://"+l.Addr().String(), nil)
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	requireCode(t, chatbox.ModelFailed, a.err, log)
	assert.Equal(t, 2, strings.Count(log.String(), "trying again"))
}

func TestOpenAI_FollowsNoRedirect(t *testing.T) {
	other := newVendor(t, func(w http.ResponseWriter, _ *http.Request, _ int) { sayWhole(w) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, other.URL+"/v1/chat/completions?key="+canary, status)
		})
		r, log := newTestRouter(t, TypeOpenAI, v.URL, nil)
		a := collect(t, r.Stream(t.Context(), prompt("Hi")))
		requireCode(t, chatbox.ModelRefused, a.err, log)
	}
	assert.Zero(t, other.requests.Load(), "prompt and key went to another host")
}

func TestOpenAI_SilentVendors(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }
	tests := map[string]struct {
		serve  func(http.ResponseWriter, *http.Request, int)
		change func(*Config)
		want   Timeout
		text   string
	}{
		"no header": {silent, func(c *Config) { c.HeaderTimeout = 50 * time.Millisecond }, TimeoutHeader, ""},
		"thoughts, then nothing": {func(w http.ResponseWriter, r *http.Request, n int) {
			say(w, `data: {"choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}`+"\n\n")
			silent(w, r, n)
		}, func(c *Config) { c.IdleTimeout = 300 * time.Millisecond }, TimeoutIdle, ""},
		"silence after a word": {func(w http.ResponseWriter, r *http.Request, n int) {
			say(w, chunk("Hello"))
			silent(w, r, n)
		}, func(c *Config) { c.IdleTimeout = 300 * time.Millisecond }, TimeoutIdle, "Hello"},
		"no end": {func(w http.ResponseWriter, r *http.Request, n int) {
			say(w, chunk("Hello"))
			silent(w, r, n)
		}, func(c *Config) { c.StreamTimeout = 500 * time.Millisecond }, TimeoutTotal, "Hello"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := newVendor(t, tt.serve)
			r, log := newTestRouter(t, TypeOpenAI, v.URL, tt.change)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			requireCode(t, chatbox.ModelTimeout, a.err, log)
			require.ErrorIs(t, a.err, tt.want)
			assert.Equal(t, tt.text, a.text)
			v.waitGone(t)
		})
	}
}

func TestOpenAI_BreakEndsTheVendorsRequest(t *testing.T) {
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		say(w, chunk("Hello"))
		<-r.Context().Done()
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
	for d, err := range r.Stream(t.Context(), prompt("Hi")) {
		require.NoError(t, err)
		require.Equal(t, "Hello", d.Text)
		break
	}
	v.waitGone(t)
}

func TestOpenAI_CancellationKeepsItsCause(t *testing.T) {
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		say(w, chunk("Hello"))
		<-r.Context().Done()
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, nil)
	ctx, cancel := contextWithCause(t)
	var got error
	for d, err := range r.Stream(ctx, prompt("Hi")) {
		if d.Text != "" {
			cancel(chatbox.NotOwner)
		}
		got = err
	}
	require.ErrorIs(t, got, chatbox.NotOwner)
	require.NotErrorIs(t, got, chatbox.ModelFailed)
	require.NotErrorIs(t, got, chatbox.ModelTimeout)
	v.waitGone(t)
}
