package cluster

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// told is a session as an export or a share has it.
type told struct {
	SessionID string           `json:"session_id"`
	Name      string           `json:"name"`
	HeadSeq   int64            `json:"head_seq"`
	Messages  []client.Message `json:"messages"`
}

func (a response) told(t *testing.T) told {
	t.Helper()
	var s told
	if err := json.Unmarshal([]byte(a.Body), &s); err != nil {
		t.Fatalf("%v: %.200s", err, a.Body)
	}
	return s
}

func TestExport_AllOfALongSession(t *testing.T) {
	var b behind
	c := start(t, 2, b.watch)
	ada, k := c.as("", "ada"), chatbox.SessionKey{ID: "s-1"}
	d := c.device("ada", "s-1", c.podURL(0))
	c.acked(d, "s-1", c.say(d, "s-1", "```\n# first [[words=1]]"))
	c.answered(d, "s-1", c.say(d, "s-1", "second [[words=1]]"))
	at := time.Now().UTC().Truncate(time.Millisecond)
	for seq := int64(5); seq <= 237; seq++ { // more than a few pages, the last not full
		err := b.Messages.Append(c.ctx, chatbox.Event{
			Session: k, Seq: seq, Key: chatbox.ServerKey(fmt.Sprint(seq)), ID: fmt.Sprint("m", seq), Type: chatbox.TypeUserMessage,
			Sender: chatbox.SenderUser, UserID: "ada", Owner: "ada", Content: fmt.Sprint("message ", seq), Time: at, Status: chatbox.StatusComplete,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	whole := ada.want(http.StatusOK, http.MethodGet, "/sessions/s-1/export", "")
	got := whole.told(t)
	if got.HeadSeq != 237 || len(got.Messages) != 237 || got.Messages[0].Content != "```\n# first [[words=1]]" {
		t.Errorf("exported %d messages up to %d", len(got.Messages), got.HeadSeq)
	}
	if want := c.history("ada", "s-1"); !slices.EqualFunc(want, got.Messages, func(a, b client.Message) bool {
		return a.ID == b.ID && a.Seq == b.Seq && a.Content == b.Content && a.Timestamp == b.Timestamp
	}) {
		t.Error("the export is not what the history is")
	}
	text := ada.want(http.StatusOK, http.MethodGet, "/sessions/s-1/export?format=markdown", "")
	if n := strings.Count(text.Body, "\n## "); n != 237 || !strings.HasSuffix(text.Body, "message 237\n```\n") {
		t.Errorf("%d headings, ending %q", n, text.Body[max(0, len(text.Body)-60):])
	}
	c.as("", "eve").want(http.StatusNotFound, http.MethodGet, "/sessions/s-1/export", "")
	c.as("other", "ada").want(http.StatusNotFound, http.MethodGet, "/sessions/s-1/export", "")
}

func TestShare_AsOfItsMakingForAnyone(t *testing.T) {
	c := start(t, 2)
	ada, anyone := c.as("", "ada"), person{c: c}
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first words [[words=3]]"))
	share := func(body string) (path string) {
		made := ada.want(http.StatusOK, http.MethodPost, "/sessions/s-1/share", body)
		token, _ := made.field(t, "share_token").(string)
		if len(token) < 22 { // 128 bits in base64
			t.Errorf("the token is %d characters", len(token))
		}
		if at, err := time.Parse(time.RFC3339, fmt.Sprint(made.field(t, "expires_at"))); err != nil || !at.After(time.Now().Add(-time.Second)) {
			t.Errorf("expires %v, %v", made.field(t, "expires_at"), err)
		}
		return "/shared/" + token
	}
	early := share("")
	ada.want(http.StatusOK, http.MethodPatch, "/sessions/s-1", `{"name":"renamed"}`)
	c.answered(d, "s-1", c.say(d, "s-1", "and more [[words=3]]"))
	late := share(`{"expires_in":3600}`)
	for path, want := range map[string]struct {
		name string
		n    int
	}{early: {"first words [[words=3]]", 2}, late: {"renamed", 4}} {
		got := anyone.want(http.StatusOK, http.MethodGet, path, "").told(t)
		if got.SessionID != "s-1" || got.Name != want.name || len(got.Messages) != want.n || got.Messages[0].Content != "first words [[words=3]]" {
			t.Errorf("shared %+v, want %+v", got, want)
		}
	}
	for _, read := range []response{
		ada.want(http.StatusOK, http.MethodGet, "/sessions", ""), ada.want(http.StatusOK, http.MethodGet, "/sessions/s-1", ""),
	} {
		if strings.Contains(read.Body, strings.TrimPrefix(early, "/shared/")) || strings.Contains(read.Body, "share") {
			t.Errorf("the share shows in %s", read.Body)
		}
	}
	for _, p := range []person{c.as("", "eve"), c.as("other", "ada")} {
		p.want(http.StatusNotFound, http.MethodPost, "/sessions/s-1/share", "")
		p.want(http.StatusNotFound, http.MethodDelete, "/sessions/s-1/share", "")
	}
	anyone.want(http.StatusOK, http.MethodGet, early, "")
	short := share(`{"expires_in":1}`)
	c.until("the share to expire", func() bool { return anyone.call(http.MethodGet, short, "").Status == http.StatusNotFound })
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1/share", "")
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1/share", "")
	again := share("")
	ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	var bodies []string
	for _, path := range []string{early, late, short, again, "/shared/" + strings.Repeat("A", 43), "/shared/x"} {
		gone := anyone.want(http.StatusNotFound, http.MethodGet, path, "")
		bodies = append(bodies, strings.ReplaceAll(gone.Body, fmt.Sprint(gone.field(t, "request_id")), ""))
	}
	if slices.Sort(bodies); bodies[0] != bodies[len(bodies)-1] {
		t.Errorf("refusals differ: %q", bodies)
	}
}

// The same ids in two tenants are two worlds, by every route.
func TestTenants_EveryRouteOfUsers(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) { cfg.Privacy.SweepEvery = 50 * time.Millisecond })
	north, south := c.as("north", "ada"), c.as("south", "ada")
	for p, text := range map[person]string{north: "of the north", south: "of the south"} {
		p.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-1","content":"`+text+` [[words=1]]"}`)
	}
	own := func(p person, name, text string) {
		t.Helper()
		list := p.want(http.StatusOK, http.MethodGet, "/sessions", "")
		page := p.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "")
		whole := p.want(http.StatusOK, http.MethodGet, "/sessions/s-1/export", "").told(t)
		if list.field(t, "count") != 1.0 || page.field(t, "name") != name || whole.Name != name ||
			len(whole.Messages) == 0 || !strings.HasPrefix(whole.Messages[0].Content, text) {
			t.Errorf("%s\n%s\n%+v", list.Body, page.Body, whole)
		}
	}
	own(north, "of the north [[words=1]]", "of the north")
	north.want(http.StatusOK, http.MethodPatch, "/sessions/s-1", `{"name":"northern"}`)
	own(north, "northern", "of the north")
	own(south, "of the south [[words=1]]", "of the south")
	link := "/shared/" + fmt.Sprint(south.want(http.StatusOK, http.MethodPost, "/sessions/s-1/share", "").field(t, "share_token"))
	north.want(http.StatusOK, http.MethodDelete, "/sessions/s-1/share", "")
	north.want(http.StatusOK, http.MethodPost, "/sessions/s-1/end", "")
	north.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	if got := (person{c: c}).want(http.StatusOK, http.MethodGet, link, "").told(t); !strings.HasPrefix(got.Messages[0].Content, "of the south") {
		t.Errorf("shared %+v", got)
	}
	own(south, "of the south [[words=1]]", "of the south")
	south.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-2","content":"still here [[words=1]]"}`)
	north.want(http.StatusNotFound, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-2","content":"x"}`)
}
