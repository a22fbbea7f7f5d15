package cluster

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
	"chatbox/providers/llm"
)

// answer is a response as a test reads it.
type response struct {
	Status int
	Header http.Header
	Body   string
}

// field is a member of the response's JSON object.
func (a response) field(t *testing.T, name string) any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.Body), &m); err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	return m[name]
}

// person is somebody of a tenant with a credential.
type person struct {
	c     *cluster
	token string
}

// as is the user of the tenant; "" is the one that the devices are of.
func (c *cluster) as(tenant, user string, roles ...string) person {
	c.t.Helper()
	claims := jwt.MapClaims{"user_id": user, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()}
	if tenant != "" {
		claims["tenant"] = tenant
	}
	if len(roles) > 0 {
		claims["roles"] = roles
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(c.stack.Secret())
	if err != nil {
		c.t.Fatal(err)
	}
	return person{c, token}
}

// call makes a request through the balancer and reads all of the response.
func (p person) call(method, path, body string, header ...string) response {
	p.c.t.Helper()
	req, err := http.NewRequestWithContext(p.c.ctx, method, p.c.stack.URL()+"/chatbox"+path, strings.NewReader(body))
	if err != nil {
		p.c.t.Fatal(err)
	}
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := p.c.http.Do(req)
	if err != nil {
		p.c.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.c.t.Fatal(err)
	}
	return response{resp.StatusCode, maps.Clone(resp.Header), string(b)}
}

// want makes the request and insists on the status.
func (p person) want(status int, method, path, body string, header ...string) response {
	p.c.t.Helper()
	a := p.call(method, path, body, header...)
	if a.Status != status {
		p.c.t.Fatalf("%s %s: %d %s, want %d", method, path, a.Status, a.Body, status)
	}
	return a
}

func TestPostMessage_LikeTheFrame(t *testing.T) {
	c := start(t, 3)
	ada := c.as("", "ada")
	const id, text = "m-1", "tell me [[words=5]]"
	first := ada.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-1","content":"tell me [[words=5]]"}`)
	if first.field(t, "id") != id || first.field(t, "seq") != 1.0 {
		t.Errorf("answered %s", first.Body)
	}
	d := c.device("ada", "s-1", c.podURL(1))
	var wg sync.WaitGroup
	for range 6 { // repeats, on any pod
		wg.Go(func() {
			again := ada.call(http.MethodPost, "/sessions/s-1/messages", `{"content":"tell me [[words=5]]"}`, "Idempotency-Key", id)
			if again.Status != http.StatusAccepted || again.Body != first.Body {
				t.Errorf("the repeat: %d %s", again.Status, again.Body)
			}
		})
	}
	wg.Wait()
	other := ada.want(http.StatusBadRequest, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-1","content":"something else"}`)
	if msg, _ := other.field(t, "message").(string); !strings.HasPrefix(msg, "id:") {
		t.Errorf("the refusal does not name the id: %s", other.Body)
	}
	// A socket of the session sees the next one as an event, and the answer.
	ada.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"m-2","content":"and this [[words=3]]"}`)
	if got := c.answered(d, "s-1", "m-2"); got != llm.ScriptedText("and this [[words=3]]") {
		t.Errorf("answered %q", got)
	}
	events := 0
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.Type == "user_message" && e.Frame.ID == "m-2" {
			events++
		}
	}
	if events != 1 {
		t.Errorf("the socket saw the message %d times", events)
	}
	c.judge("ada", "s-1", nil, d)
	if msgs := c.history("ada", "s-1"); len(msgs) != 4 || msgs[0].Content != text || msgs[0].ID != id {
		t.Errorf("history: %+v", msgs)
	}
	// The frame with that id is a repeat of the request.
	if _, err := d.Send(client.Frame{Type: client.TypeUserMessage, ID: "m-1", SessionID: "s-1", Content: text}); err != nil {
		t.Fatal(err)
	}
	if seq := c.acked(d, "s-1", "m-1"); seq != 1 {
		t.Errorf("acked at %d", seq)
	}
}

func TestPostMessage_OneOwnerOfARaceForAFreeID(t *testing.T) {
	c := start(t, 3)
	users := []string{"ada", "bob", "eve", "dan"}
	got := make([]int, len(users))
	var wg sync.WaitGroup
	for i, u := range users {
		p := c.as("", u)
		wg.Go(func() {
			got[i] = p.call(http.MethodPost, "/sessions/s-1/messages", `{"content":"mine [[words=1]]"}`).Status
		})
	}
	wg.Wait()
	won := 0
	for i, status := range got {
		switch status {
		case http.StatusAccepted:
			won++
			c.as("", users[i]).want(http.StatusOK, http.MethodGet, "/sessions/s-1", "")
		case http.StatusNotFound:
			c.as("", users[i]).want(http.StatusNotFound, http.MethodGet, "/sessions/s-1", "")
		default:
			t.Errorf("%s: %d", users[i], status)
		}
	}
	if won != 1 {
		t.Errorf("%d users own the session", won)
	}
}

func TestRename_ShowsEverywhereAndStays(t *testing.T) {
	c := start(t, 2)
	ada := c.as("", "ada")
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first words [[words=3]]"))
	const name = `Grüße <b>"x"</b> 👩‍👩‍👧`
	body, err := json.Marshal(map[string]string{"name": "  " + name + " "})
	if err != nil {
		t.Fatal(err)
	}
	renamed := ada.want(http.StatusOK, http.MethodPatch, "/sessions/s-1", string(body))
	var list response
	c.until("the list to have the answer", func() bool { // a session's record follows its log
		list = ada.want(http.StatusOK, http.MethodGet, "/sessions?status=active&limit=1", "")
		return strings.Contains(list.Body, `"message_count":2`)
	})
	page := ada.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "")
	rows, _ := list.field(t, "sessions").([]any)
	if len(rows) != 1 {
		t.Fatalf("listed %s", list.Body)
	}
	row, _ := rows[0].(map[string]any)
	if renamed.field(t, "name") != name || row["name"] != name || page.field(t, "name") != name {
		t.Errorf("renamed %s\nlisted %s\nshown %s", renamed.Body, list.Body, page.Body)
	}
	for _, key := range []string{
		"id", "session_id", "user_id", "name", "status", "is_active", "start_time", "last_activity", "duration", "message_count",
		"total_tokens", "max_response_time", "avg_response_time", "admin_assisted", "help_requested",
	} {
		if _, there := row[key]; !there {
			t.Errorf("a session has no %s", key)
		}
	}
	for _, key := range []string{"total_tokens", "max_response_time", "avg_response_time"} {
		if n, _ := row[key].(float64); n <= 0 {
			t.Errorf("%s is %v after an answer", key, row[key])
		}
	}
	if row["message_count"] != 2.0 || row["status"] != "active" || row["is_active"] != true {
		t.Errorf("listed %v", row)
	}
	c.acked(d, "s-1", c.say(d, "s-1", "more words [[words=3]]"))
	if got := ada.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "").field(t, "name"); got != name {
		t.Errorf("the name became %q", got)
	}
	c.as("", "eve").want(http.StatusNotFound, http.MethodPatch, "/sessions/s-1", `{"name":"hers"}`)
	c.as("", "eve").want(http.StatusNotFound, http.MethodPatch, "/sessions/never", `{"name":"hers"}`)
	ada.want(http.StatusBadRequest, http.MethodPatch, "/sessions/s-1", `{"name":"a\nb"}`)
}

// A filter that is badly escaped is refused, and lost nowhere on the way: without
// it everybody's sessions would be listed.
func TestQuery_ReachesThePodAsItWasSent(t *testing.T) {
	c := start(t, 1)
	admin := c.as("", "bob", "admin")
	for _, query := range []string{"user_id=ada;x", "user_id=%zz", "user_id=ada&user_id=ben"} {
		if a := admin.call(http.MethodGet, "/admin/sessions?"+query, ""); a.Status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", query, a.Status, a.Body)
		}
	}
}

// A path is answered as it was sent, nothing in front of the edge tidies it up:
// what looks like a folder's parent is a session's id as any other.
func TestPath_ReachesThePodAsItWasSent(t *testing.T) {
	c := start(t, 1)
	as := &http.Client{Transport: c.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, at := range []string{c.podURL(0), c.stack.URL()} {
		for _, path := range []string{"/sessions/..", "/sessions/.", "/admin/takeover/../x", "//sessions"} {
			req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, at+"/chatbox"+path, nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+c.token("ada"))
			res, err := as.Do(req)
			require.NoError(t, err)
			assert.Equal(t, http.StatusNotFound, res.StatusCode, path)
			assert.NotEmpty(t, res.Header.Get("X-Request-Id"), path)
			require.NoError(t, res.Body.Close())
		}
	}
}
