package specs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/llm"
)

// page is a client of the earlier service. It sends no id, knows no seq, ack or
// resume, appends each frame that it knows, and ignores all others. The text that
// it shows outlives its connection.
type page struct {
	t       *testing.T
	ws      *websocket.Conn
	session string
	user    string
	models  []string
	shown   []string // finished answers
	text    string   // of the running one
	heard   []string // what others said
	failed  []string // codes of errors
	noise   map[string]int
	types   map[string]int // of all frames
}

// oldFrame has the fields that such a client reads, as it declares them: flags
// are strings.
type oldFrame struct {
	Type      string `json:"type"`
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
	Content   string `json:"content"`
	Sender    string `json:"sender"`
	Models    []struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"models"`
	Metadata map[string]string `json:"metadata"`
	Error    struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// load opens the page: the token in the address, from a file on the disk.
func load(w *world, pod int, token, session string) *page {
	w.t.Helper()
	p := &page{t: w.t, noise: map[string]int{}, types: map[string]int{}}
	p.connect(w, pod, token, session)
	return p
}

// connect opens the page's connection, as it does again when that broke.
func (p *page) connect(w *world, pod int, token, session string) {
	w.t.Helper()
	q := url.Values{"token": {token}}
	if session != "" {
		q.Set("session_id", session)
	}
	ws, resp, err := websocket.DefaultDialer.DialContext(w.ctx,
		strings.Replace(w.podURL(pod), "http", "ws", 1)+prefix+"/ws?"+q.Encode(), http.Header{"Origin": {"null"}})
	require.NoError(w.t, err)
	_ = resp.Body.Close()
	w.t.Cleanup(func() { _ = ws.Close() })
	p.ws, p.models = ws, nil
	first := p.take()
	require.Equal(w.t, "connection_status", first.Type, "the very first frame")
	p.session, p.user = first.SessionID, first.UserID
	for _, m := range first.Models {
		p.models = append(p.models, m.ID)
	}
}

func (p *page) take() oldFrame {
	p.t.Helper()
	require.NoError(p.t, p.ws.SetReadDeadline(time.Now().Add(patience)))
	_, text, err := p.ws.ReadMessage()
	require.NoError(p.t, err)
	return p.receive(text)
}

func (p *page) receive(text []byte) oldFrame {
	p.t.Helper()
	var f oldFrame
	require.NoError(p.t, json.Unmarshal(text, &f), "%s", text)
	p.types[f.Type]++
	switch f.Type {
	case "ai_response":
		switch {
		case f.Metadata["streaming"] != "true": // a message of its own
			p.shown = append(p.shown, f.Content)
		case f.Metadata["done"] == "true":
			if p.text += f.Content; p.text != "" {
				p.shown = append(p.shown, p.text)
			}
			p.text = ""
		default:
			p.text += f.Content
		}
	case "user_message":
		p.heard = append(p.heard, f.Sender+": "+f.Content)
	case "error":
		p.failed = append(p.failed, f.Error.Code)
	case "connection_status", "loading":
	default:
		p.noise[f.Type]++
	}
	return f
}

func (p *page) say(content string) {
	p.t.Helper()
	frame := fmt.Sprintf(`{"type":"user_message","session_id":%q,"content":%q,"sender":"admin","timestamp":"yesterday","metadata":{"visits":3,"returning":true}}`,
		p.session, content)
	require.NoError(p.t, p.ws.WriteMessage(websocket.TextMessage, []byte(frame)))
}

// answered takes frames until so many answers were shown.
func (p *page) answered(n int) string {
	p.t.Helper()
	for len(p.shown) < n {
		p.take()
	}
	return p.shown[n-1]
}

// TestOldClient_WorksUnchanged: what clients of the earlier service do, and what they expect.
func TestOldClient_WorksUnchanged(t *testing.T) {
	w := start(t, Record(t))
	token := w.signed("", "ann", time.Hour)
	p := load(w, 0, token, "")
	assert.Equal(t, "ann", p.user)
	assert.Empty(t, p.session)
	assert.Equal(t, []string{"small", "large"}, p.models)

	p.session = "6f1c2a34-0b7e-4c1d-9a55-3d2e1f0a9b8c" // it invents one
	const first, second = "tell me <b>this</b> [[words=9]]", "and that [[words=4]]"
	p.say(first)
	assert.Equal(t, llm.ScriptedText(first), p.answered(1))
	p.say(second)
	assert.Equal(t, llm.ScriptedText(second), p.answered(2))
	assert.Empty(t, p.heard, "it is not shown its own messages")
	assert.Empty(t, p.failed)

	// A second client of the same user receives both sides.
	again := load(w, 1, token, p.session)
	assert.Equal(t, p.session, again.session)
	for again.noise["resumed"] == 0 {
		again.take()
	}
	p.say("once more [[words=3]]")
	assert.Equal(t, llm.ScriptedText("once more [[words=3]]"), again.answered(1))
	assert.Equal(t, []string{"user: once more [[words=3]]"}, again.heard)

	require.NoError(t, p.ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"help_request","session_id":"`+p.session+`"}`)))
	for f := (oldFrame{}); f.Type != "connection_status"; {
		f = p.take()
		if f.Type == "connection_status" {
			assert.True(t, strings.HasPrefix(f.Content, "Help request sent."), f.Content)
		}
	}
	require.NoError(t, p.ws.WriteMessage(websocket.TextMessage, []byte(`{"type":"user_message","session_id":"`+p.session+`"}`)))
	for len(p.failed) == 0 {
		p.take()
	}
	assert.Equal(t, []string{"MISSING_FIELD"}, p.failed)

	ann := w.person("", "ann")
	history := ann.want(http.StatusOK, http.MethodGet, "/sessions/"+p.session, "").body
	assert.Contains(t, history, first, "text comes back as it was typed")
	assert.Contains(t, history, `"visits":"3"`)
	assert.Contains(t, history, `"returning":"true"`)
	assert.NotContains(t, history, `"sender":"admin"`)
	assert.Contains(t, ann.want(http.StatusOK, http.MethodGet, "/sessions", "").body, `"is_active":true`)
}

// TestOldClient_SeesEachWordOnceWhenItsConnectionBreaks: however the connection
// ends during an answer, the page shows each word once, and all of them.
func TestOldClient_SeesEachWordOnceWhenItsConnectionBreaks(t *testing.T) {
	const asked = "a long one [[words=60 delay=15ms]]"
	for name, breaks := range map[string]func(w *world, p *page){
		"it is cut":  func(_ *world, p *page) { _ = p.ws.NetConn().Close() },
		"it says so": func(_ *world, p *page) { _ = p.ws.WriteMessage(websocket.CloseMessage, nil); _ = p.ws.Close() },
		"its pod dies": func(w *world, p *page) {
			require.NoError(w.t, w.stack.KillPod(w.stack.Pods()[1].ID))
			p.untilClosed()
		},
		"its pod drains": func(w *world, p *page) {
			drained := make(chan error, 1)
			go func() { drained <- w.stack.DrainPod(w.ctx, w.stack.Pods()[1].ID) }()
			p.untilClosed() // a browser reads and answers pings all the time
			require.NoError(w.t, <-drained)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, Record(t))
			token := w.signed("", "ann", time.Hour)
			p := load(w, 1, token, "s-1")
			p.session = "s-1"
			p.say(asked)
			for strings.Count(p.text, " ") < 12 {
				p.take()
			}
			breaks(w, p)
			p.connect(w, 0, token, "s-1")
			assert.Equal(t, llm.ScriptedText(asked), p.answered(1))
			assert.Len(t, p.shown, 1)
			assert.Empty(t, p.text)

			// A page that is reloaded during an answer shows all of it.
			p.say(asked)
			for p.text == "" {
				p.take()
			}
			_ = p.ws.NetConn().Close()
			w.connectionEnded()
			require.Equal(t, http.StatusOK, w.person("", "ann").at(0, http.MethodGet, "/sessions/s-1", "").status)
			anew := load(w, 0, token, "s-1")
			assert.Equal(t, llm.ScriptedText(asked), anew.answered(1))
		})
	}
}

// TestOldClient_IsGivenAnAnswerThatEndedMeanwhile: it was away when the answer
// was finished.
func TestOldClient_IsGivenAnAnswerThatEndedMeanwhile(t *testing.T) {
	const asked = "not so long [[words=30 delay=5ms]]"
	w := start(t, Record(t))
	token := w.signed("", "ann", time.Hour)
	p := load(w, 1, token, "s-1")
	p.session = "s-1"
	p.say(asked)
	for strings.Count(p.text, " ") < 5 {
		p.take()
	}
	_ = p.ws.NetConn().Close()
	rob := w.person("", "rob", "admin")
	w.eventually("whole answer", func() bool {
		return strings.Contains(rob.want(http.StatusOK, http.MethodGet, "/admin/sessions/s-1", "").body, `"finish":"stop"`)
	})
	p.connect(w, 0, token, "s-1")
	assert.Equal(t, llm.ScriptedText(asked), p.answered(1))
}

// connectionEnded waits until a pod has noted that a page's connection has
// ended.
func (w *world) connectionEnded() {
	w.t.Helper()
	opts, err := redis.ParseURL(w.stack.RedisURL())
	require.NoError(w.t, err)
	c := redis.NewClient(opts)
	defer func() { _ = c.Close() }()
	w.eventually("end of the connection", func() bool {
		keys := c.Keys(w.ctx, "cb:*:g:*").Val() // of one session
		return len(keys) == 1 && slices.ContainsFunc(c.HKeys(w.ctx, keys[0]).Val(), func(f string) bool { return strings.HasSuffix(f, ":c") })
	})
}

// untilClosed reads until the pod has ended the connection.
func (p *page) untilClosed() {
	p.t.Helper()
	for {
		_ = p.ws.SetReadDeadline(time.Now().Add(patience))
		_, text, err := p.ws.ReadMessage()
		if err != nil {
			return
		}
		p.receive(text)
	}
}

// TestOldClient_Probes: what probes and scrapers of the earlier service look for.
func TestOldClient_Probes(t *testing.T) {
	w := start(t, Record(t))
	anyone := person{w: w}
	var status struct{ Status string }
	require.NoError(t, json.Unmarshal([]byte(anyone.want(http.StatusOK, http.MethodGet, "/healthz", "").body), &status))
	assert.Equal(t, "healthy", status.Status)
	var ready answer
	w.eventually("ready pod", func() bool {
		ready = anyone.at(0, http.MethodGet, "/readyz", "")
		return ready.status == http.StatusOK
	})
	require.NoError(t, json.Unmarshal([]byte(ready.body), &status))
	assert.Equal(t, "ready", status.Status)
	metrics := anyone.want(http.StatusOK, http.MethodGet, "/metrics/prometheus", "")
	assert.True(t, strings.HasPrefix(metrics.header.Get("Content-Type"), "text/plain"))
	anyone.want(http.StatusForbidden, http.MethodGet, "/metrics/prometheus", "", "X-Forwarded-For", "198.51.100.7")
}
