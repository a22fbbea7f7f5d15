package specs

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bubblesOf is what a page of the earlier service shows of a history or a
// share: each entry as a bubble with its content and a link to its file.
func bubblesOf(t *testing.T, a answer) (bubbles []string, entries int) {
	t.Helper()
	var page struct {
		Messages []struct {
			Sender  string `json:"sender"`
			Content string `json:"content"`
			FileURL string `json:"file_url"`
		} `json:"messages"`
	}
	require.NoError(t, json.Unmarshal([]byte(a.body), &page))
	for _, m := range page.Messages {
		assert.NotEmpty(t, strings.TrimSpace(m.Content+m.FileURL), "an empty bubble of %s's", m.Sender)
		bubbles = append(bubbles, m.Sender+": "+m.Content)
	}
	return bubbles, len(page.Messages)
}

// TestOldClient_NoEmptyBubble: a talk with a model chosen, a person asked for, a
// takeover and a stop before the first word, and its end.
func TestOldClient_NoEmptyBubble(t *testing.T) {
	w := start(t, Record(t))
	token := w.signed("", "ann", time.Hour)
	p := load(w, 0, token, "s-1")
	p.session = "s-1"
	const slow = "never said [[words=3 delay=30s]]"
	p.say("hello [[words=3]]")
	p.answered(1)
	p.send(`{"type":"model_select","session_id":"s-1","model_id":"large"}`)
	p.send(`{"type":"help_request","session_id":"s-1"}`)
	p.say(slow)
	p.until("loading", 2)
	rob, ann := w.person("", "rob", "admin"), w.person("", "ann")
	rob.want(http.StatusOK, http.MethodPost, "/admin/takeover/s-1", "")
	p.until("admin_join", 1)
	rob.want(http.StatusOK, http.MethodDelete, "/admin/takeover/s-1", "")
	p.say(slow)
	p.until("loading", 3)
	ann.want(http.StatusOK, http.MethodPost, "/sessions/s-1/end", "")
	p.until("session_ended", 1)
	assert.Len(t, p.shown, 1, "an answer without a word is no bubble")

	asked := ann.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "", "Referer", "http://page.example/chat.html")
	bubbles, entries := bubblesOf(t, asked)
	assert.Contains(t, bubbles, "ai: The answer was stopped before its first word.")
	var exact struct {
		HeadSeq  int `json:"head_seq"`
		Messages []struct {
			Type     string            `json:"type"`
			Content  string            `json:"content"`
			Metadata map[string]string `json:"metadata"`
		} `json:"messages"`
	}
	plain := ann.want(http.StatusOK, http.MethodGet, "/sessions/s-1?limit=500", "", "Referer", "http://page.example/chat.html")
	require.NoError(t, json.Unmarshal([]byte(plain.body), &exact))
	assert.Equal(t, exact.HeadSeq, entries, "one entry for each event")
	for _, m := range exact.Messages {
		if m.Type == "ai_response" && m.Metadata["length"] == "0" {
			assert.Empty(t, m.Content, "who reads a history in parts is told exactly what was said")
		}
	}
	shared := ann.want(http.StatusOK, http.MethodPost, "/sessions/s-1/share", "")
	bubbles, _ = bubblesOf(t, person{w: w}.want(http.StatusOK, http.MethodGet, "/shared/"+shared.member(t, "share_token"), ""))
	assert.Contains(t, bubbles, "user: Asked for a person.")
}

func (p *page) send(frame string) {
	p.t.Helper()
	require.NoError(p.t, p.ws.WriteMessage(1, []byte(frame)))
}

// until takes frames until so many of the type have come, since the page was
// loaded.
func (p *page) until(kind string, times int) {
	p.t.Helper()
	for p.types[kind] < times {
		p.take()
	}
}
