package llm

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// dialect is a vendor's wire format. The promises of every provider are tested
// here for the dialects that this package implements itself.
type dialect struct {
	kind, path         string
	begin, hello, end  string
	failure, keepAlive string
}

func dialects() []dialect {
	return []dialect{
		{
			kind: TypeAnthropic, path: "/v1/messages",
			begin: event(`{"type":"message_start","message":{"id":"x","usage":{"input_tokens":10,"cache_read_input_tokens":2,"output_tokens":1}}}`) +
				event(`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`),
			hello: event(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}`),
			end: event(`{"type":"content_block_stop","index":0}`) +
				event(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":3}}`) + event(`{"type":"message_stop"}`),
			failure:   event(`{"type":"error","error":{"type":"overloaded_error","message":"` + canary + `"}}`),
			keepAlive: "event: ping\n" + event(`{"type":"ping"}`),
		},
		{
			kind: TypeDify, path: "/v1/chat-messages",
			begin:     event(`{"event":"workflow_started","task_id":"task-1"}`),
			hello:     event(`{"event":"message","task_id":"task-1","answer":"Hello"}`),
			end:       event(`{"event":"message_end","task_id":"task-1","metadata":{"usage":{"prompt_tokens":12,"completion_tokens":3}}}`),
			failure:   event(`{"event":"error","task_id":"task-1","status":400,"code":"completion_request_error","message":"` + canary + `"}`),
			keepAlive: "event: ping\n\n",
		},
	}
}

func event(data string) string { return "data: " + data + "\n\n" }

// withoutContinue is for vendors that know no prefix.
func withoutContinue(c *Config) { c.Providers[0].Continue = "" }

// isStop answers Dify's stop requests, which come after the stream.
func isStop(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path != "/v1/chat-messages/task-1/stop" {
		return false
	}
	_, _ = io.WriteString(w, `{"result":"success"}`)
	return true
}

func TestDialects_WholeAnswer(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.kind, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				assert.Equal(t, d.path, r.URL.Path)
				say(w, d.begin, d.keepAlive, d.hello, d.hello, d.end)
				<-r.Context().Done() // the end is the vendor's word, not the connection's
			})
			r, log := newTestRouter(t, d.kind, v.URL, withoutContinue)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			require.NoError(t, a.err)
			assert.Equal(t, []string{"Hello", "Hello"}, a.pieces)
			assert.Equal(t, chatbox.Delta{Finish: chatbox.FinishStop, Usage: &chatbox.Usage{Prompt: 12, Completion: 3}}, a.last)
			assert.Empty(t, log.String())
		})
	}
}

func TestDialects_StreamsThatBreakOff(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.kind, func(t *testing.T) {
			for name, lines := range map[string][]string{
				"no end":      {d.begin, d.hello},
				"half a line": {d.begin, d.hello, d.end[:20]},
				"garbage":     {d.begin, d.hello, event("{]"), d.end},
				"error event": {d.begin, d.hello, d.failure, d.end},
				"reset":       {d.begin, d.hello, ""},
			} {
				t.Run(name, func(t *testing.T) {
					v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
						if isStop(w, r) {
							return
						}
						say(w, lines...)
						if name == "reset" {
							abort()
						}
					})
					r, log := newTestRouter(t, d.kind, v.URL, withoutContinue)
					a := collect(t, r.Stream(t.Context(), prompt("Hi")))
					assert.Equal(t, "Hello", a.text)
					requireCode(t, chatbox.ModelFailed, a.err, log)
					r.Close()
				})
			}
		})
	}
}

func TestDialects_SilentVendors(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.kind, func(t *testing.T) {
			for want, lines := range map[Timeout][]string{TimeoutHeader: nil, TimeoutIdle: {d.begin, d.hello, d.keepAlive}} {
				v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
					if isStop(w, r) {
						return
					}
					if lines != nil {
						say(w, lines...)
					}
					<-r.Context().Done()
				})
				r, log := newTestRouter(t, d.kind, v.URL, func(c *Config) {
					withoutContinue(c)
					c.IdleTimeout, c.HeaderTimeout = 300*time.Millisecond, 100*time.Millisecond
					if lines != nil {
						c.HeaderTimeout = 10 * time.Second
					}
				})
				a := collect(t, r.Stream(t.Context(), prompt("Hi")))
				requireCode(t, chatbox.ModelTimeout, a.err, log)
				require.ErrorIs(t, a.err, want)
				v.waitGone(t)
				r.Close()
			}
		})
	}
}

func TestDialects_RefusalsAndRetries(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.kind, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, n int) {
				switch n {
				case 1:
					http.Error(w, canary, http.StatusServiceUnavailable)
				case 2:
					say(w, d.begin, d.hello, d.end)
				case 3:
					http.Error(w, `{"code":"`+canary+`","error":{"type":"`+canary+`"}}`, http.StatusUnauthorized)
				default:
					http.Redirect(w, r, "https://elsewhere.test/?key="+canary, http.StatusTemporaryRedirect)
				}
			})
			r, log := newTestRouter(t, d.kind, v.URL, withoutContinue)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			require.NoError(t, a.err)
			assert.Equal(t, "Hello", a.text)
			for range 2 {
				a = collect(t, r.Stream(t.Context(), prompt("Hi")))
				requireCode(t, chatbox.ModelRefused, a.err, log)
			}
			assert.EqualValues(t, 4, v.requests.Load())
		})
	}
}

func TestDialects_BreakEndsTheVendorsRequest(t *testing.T) {
	for _, d := range dialects() {
		t.Run(d.kind, func(t *testing.T) {
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
				if isStop(w, r) {
					return
				}
				say(w, d.begin, d.hello)
				<-r.Context().Done()
			})
			r, _ := newTestRouter(t, d.kind, v.URL, withoutContinue)
			for delta, err := range r.Stream(t.Context(), prompt("Hi")) {
				require.NoError(t, err)
				require.Equal(t, "Hello", delta.Text)
				break
			}
			v.waitGone(t)
		})
	}
}
