package specs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/persistence"
)

// scene is one tenant's course through everything that users and staff do. Ids
// are the same in every tenant; mark is in all that is said.
type scene struct {
	*world

	tenant, mark       string
	ann, eve, bob, rob person

	mu      sync.Mutex // guards following
	sockets []*socket
	bodies  []string
}

func newScene(w *world, tenant, mark string) *scene {
	return &scene{
		world: w, tenant: tenant, mark: mark,
		ann: w.person(tenant, "ann"), eve: w.person(tenant, "eve"),
		bob: w.person(tenant, "bob", "chat_admin"), rob: w.person(tenant, "rob", "admin"),
	}
}

// open connects and remembers the socket.
func (s *scene) open(p person, pod int, query string) *socket {
	s.t.Helper()
	c := p.socket(pod, query)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sockets = append(s.sockets, c)
	return c
}

// ask makes a request and remembers what it brought.
func (s *scene) ask(p person, status int, method, path, body string, header ...string) answer {
	s.t.Helper()
	a := p.want(status, method, path, body, header...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bodies = append(s.bodies, a.body)
	return a
}

// play is the whole course.
func (s *scene) play() {
	s.talk()
	s.interrupt()
	s.refuse()
	s.show()
	s.labels()
	s.staff()
	s.aids()
	s.keep()
	s.leave()
}

// talk is a user on two devices, on two pods.
func (s *scene) talk() {
	a, b := s.open(s.ann, 0, "?session_id=s-1"), s.open(s.ann, 1, "?session_id=s-1&last_seq=0")
	boss := s.open(s.bob, 1, "")
	b.sees("end of the resume", isType("resumed"), of("s-1"))
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-1","content":"%s [[words=6]]","metadata":{"n":1.50,"yes":true,"none":null}}`, s.mark)
	a.sees("ack", isType("ack"), hasID("m-1"))
	a.sees("loading", isType("loading"), meta("reply_to", "m-1"))
	a.sees("final", finalOf("m-1"))
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-1","content":"%s [[words=6]]"}`, s.mark)
	a.sees("second ack", isType("ack"), hasID("m-1"), meta("duplicate", "true"))
	b.send(`{"type":"resume","session_id":"s-1","seq":0}`)
	b.sees("the message", isType("user_message"), hasID("m-1"), meta("n", "1.50"), meta("yes", "true"))
	b.sees("the answer, whole", finalOf("m-1"), meta("streaming", "false"))
	a.send(`{"type":"model_select","session_id":"s-1","id":"x-1","model_id":"large"}`)
	a.sees("ack", isType("ack"), hasID("x-1"))
	b.sees("the choice", isType("model_select"), hasID("x-1"))
	a.send(`{"type":"ping","id":"p-1"}`)
	a.sees("pong", isType("pong"), hasID("p-1"))
	a.send(`{"type":"typing_indicator","session_id":"s-1","metadata":{"state":"start"}}`)
	b.sees("typing", isType("typing_indicator"), meta("state", "start"))
	a.send(`{"type":"read","session_id":"s-1","seq":2}`)
	b.sees("read", isType("read"))
	a.send(`{"type":"auth","id":"t-1","token":"%s"}`, s.signed(s.tenant, "ann", 2*time.Hour))
	a.sees("confirmation", isType("connection_status"), hasID("t-1"), meta("event", "credential_renewed"))
	for i := range 6 {
		a.send(`{"type":"help_request","id":"h-%d","session_id":"s-1","content":"%s"}`, i, s.mark)
	}
	a.sees("confirmation", isType("connection_status"), hasID("h-0"), meta("event", "help_requested"))
	a.sees("the limit", code("TOO_MANY_REQUESTS"), hasID("h-5"))
	b.sees("the request", isType("help_request"), hasID("h-0"))
	boss.sees("the notice", isType("notification"), of("s-1"), meta("user_id", "ann"))
	b.sees("the place", isType("notification"), of("s-1"), meta("event", "queue_position"), meta("position", "1"))
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-1/help", "")
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/support", "")
	s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/staff", "")
	s.ask(s.bob, http.StatusOK, http.MethodPut, "/admin/availability", `{"status":"away"}`)
	s.ask(s.bob, http.StatusOK, http.MethodPut, "/admin/support", fmt.Sprintf(`{"hours":"Mon-Sun 00:00-24:00","away_message":%q}`, s.mark))
	now := s.ask(s.eve, http.StatusOK, http.MethodGet, "/support", "")
	assert.Equal(s.t, "nobody", now.member(s.t, "reason"))
	assert.Equal(s.t, s.mark, now.member(s.t, "message"), "the tenant's own")
	s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/support", "")
	s.ask(s.bob, http.StatusOK, http.MethodDelete, "/admin/support", "")
}

// interrupt stops an answer, asks for it again, attaches to a running answer, and
// makes one fail.
func (s *scene) interrupt() {
	a := s.open(s.ann, 0, "?session_id=s-2")
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-2","content":"%s [[words=4000 delay=20ms]]"}`, s.mark)
	a.sees("piece", isType("ai_response"), meta("reply_to", "m-1"))
	late := s.open(s.ann, 1, "?session_id=s-2&last_seq=0")
	late.sees("snapshot", isType("ai_response"), meta("snapshot", "true"))
	a.send(`{"type":"cancel","session_id":"s-2"}`)
	a.sees("final", finalOf("m-1"), meta("finish", "cancelled"))
	late.sees("final", finalOf("m-1"), meta("finish", "cancelled"))
	a.send(`{"type":"retry","session_id":"s-2"}`)
	a.seesNth(2, "loading", isType("loading"), meta("reply_to", "m-1"))
	a.send(`{"type":"cancel","session_id":"s-2"}`)
	a.seesNth(2, "final", finalOf("m-1"))
	a.send(`{"type":"user_message","id":"m-2","session_id":"s-2","content":"%s [[fail=400]]"}`, s.mark)
	a.sees("failure", isType("error"), meta("reply_to", "m-2"), code("LLM_UNAVAILABLE"))
}

// refuse is what clients do wrong, each with its one error.
func (s *scene) refuse() {
	a, e := s.open(s.ann, 0, ""), s.open(s.eve, 1, "")
	for _, wrong := range []struct {
		from            *socket
		id, want, frame string
	}{
		{a, "", "INVALID_FORMAT", `{"type":"user_mess`},
		{a, "w-1", "MISSING_FIELD", `{"type":"user_message","id":"w-1","session_id":"s-1"}`},
		{a, "w-2", "INVALID_FORMAT", `{"type":"model_select","id":"w-2","session_id":"s-1","model_id":"unheard-of"}`},
		{a, "w-3", "INVALID_TOKEN", `{"type":"auth","id":"w-3","token":"x.y.z"}`},
		{a, "w-4", "EXPIRED_TOKEN", `{"type":"auth","id":"w-4","token":"` + s.signed(s.tenant, "ann", -time.Hour/2) + `"}`},
		{a, "w-5", "NOT_FOUND", `{"type":"retry","id":"w-5","session_id":"nobodys"}`},
		{e, "w-6", "UNAUTHORIZED", `{"type":"user_message","id":"w-6","session_id":"s-1","content":"mine"}`},
		{e, "w-7", "INSUFFICIENT_PERMISSIONS", `{"type":"admin_join","id":"w-7","session_id":"s-1"}`},
	} {
		wrong.from.send("%s", wrong.frame)
		if wrong.id == "" {
			wrong.from.sees(wrong.want, code(wrong.want))
			continue
		}
		wrong.from.sees(wrong.want, code(wrong.want), hasID(wrong.id))
	}
	for i := range 21 {
		e.send(`{"type":"resume","session_id":"free-%d","seq":0}`, i)
	}
	e.sees("the limit", code("CONNECTION_LIMIT_EXCEEDED"))
	s.ask(s.eve, http.StatusNotFound, http.MethodGet, "/sessions/s-1", "")
	s.ask(s.ann, http.StatusBadRequest, http.MethodGet, "/sessions?limit=0", "")
}

// staff is an admin who watches, takes over, writes and hands back, by socket
// and by request.
func (s *scene) staff() {
	a, boss, other := s.open(s.ann, 0, "?session_id=s-3"), s.open(s.bob, 1, ""), s.open(s.rob, 0, "")
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-3","content":"%s [[words=3]]"}`, s.mark)
	a.sees("final", finalOf("m-1"))
	boss.send(`{"type":"watch","session_id":"s-3","seq":0}`)
	boss.sees("end of the resume", isType("resumed"), of("s-3"))
	boss.send(`{"type":"unwatch","session_id":"s-3"}`)
	boss.send(`{"type":"admin_join","id":"j-1","session_id":"s-3"}`)
	boss.sees("ack", isType("ack"), hasID("j-1"))
	a.sees("the admin", isType("admin_join"), of("s-3"))
	other.send(`{"type":"admin_join","id":"j-2","session_id":"s-3"}`)
	other.sees("refusal", code("TAKEN_OVER"), hasID("j-2"), meta("admin_id", "bob"))
	boss.send(`{"type":"user_message","id":"b-1","session_id":"s-3","content":"%s"}`, s.mark)
	a.sees("the admin's words", isType("user_message"), hasID("b-1"), meta("admin_id", "bob"))
	s.ask(s.bob, http.StatusAccepted, http.MethodPost, "/admin/sessions/s-3/messages", fmt.Sprintf(`{"content":%q}`, s.mark))
	s.ask(s.rob, http.StatusForbidden, http.MethodPost, "/admin/sessions/s-3/messages", `{"content":"x"}`)
	s.ask(s.rob, http.StatusConflict, http.MethodPost, "/admin/takeover/s-3", "")
	s.ask(s.bob, http.StatusOK, http.MethodPost, "/admin/takeover/s-3/transfer", `{"admin_id":"rob","admin_name":"Rob"}`)
	other.sees("that it is his", isType("notification"), of("s-3"), meta("event", "transferred"), meta("admin_id", "bob"))
	s.ask(s.bob, http.StatusForbidden, http.MethodPost, "/admin/takeover/s-3/transfer", `{"admin_id":"rob"}`)
	s.ask(s.bob, http.StatusForbidden, http.MethodDelete, "/admin/takeover/s-3", "")
	s.ask(s.rob, http.StatusOK, http.MethodDelete, "/admin/takeover/s-3", "")
	a.sees("the end of it", isType("admin_leave"), of("s-3"))
	s.ask(s.bob, http.StatusOK, http.MethodPost, "/admin/takeover/s-3", "")
	boss.send(`{"type":"admin_leave","id":"l-1","session_id":"s-3"}`)
	boss.sees("ack", isType("ack"), hasID("l-1"))
	a.sees("the question", isType("notification"), of("s-3"), meta("event", "rating_requested"), meta("admin_id", "bob"))
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-3/rating", "")
	s.ask(s.ann, http.StatusOK, http.MethodPost, "/sessions/s-3/rating", fmt.Sprintf(`{"score":4,"comment":%q}`, s.mark))
	boss.sees("the score", isType("notification"), of("s-3"), meta("event", "rated"), meta("score", "4"))
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-3/rating", "")
	s.ask(s.bob, http.StatusOK, http.MethodPost, "/admin/sessions/s-3/end", "")
	a.sees("the end", isType("session_ended"), of("s-3"))
	a.send(`{"type":"user_message","id":"m-9","session_id":"s-3","content":"too late"}`)
	a.sees("refusal", code("SESSION_ENDED"), hasID("m-9"))
	s.ask(s.ann, http.StatusConflict, http.MethodPost, "/sessions/s-3/messages", `{"content":"too late"}`)
	s.ask(s.bob, http.StatusConflict, http.MethodPost, "/admin/sessions/s-3/messages", `{"content":"too late"}`)
	s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/cluster", "")
	for _, path := range []string{
		"/admin/sessions?sort_by=duration&sort_order=asc&limit=1", "/admin/sessions?help_requested=true", "/admin/sessions/s-3?limit=2",
		"/admin/users/ann/sessions?limit=1", "/admin/metrics", "/admin/audit", "/admin/audit/verify",
	} {
		s.ask(s.bob, http.StatusOK, http.MethodGet, path, "")
	}
	s.find()
}

// find is a search for what was said.
func (s *scene) find() {
	said := s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/search?user_id=ann&limit=2&q="+strings.ToUpper(s.mark), "").body
	assert.Contains(s.t, said, `"excerpt":"`+s.mark)
	assert.NotContains(s.t, said, `"next_cursor":""`, "it was said more than twice")
	ended := s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/search?status=ended", "").body
	assert.Contains(s.t, ended, `"s-3"`)
	assert.NotContains(s.t, ended, "excerpt")
	assert.Contains(s.t, s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/search?q=neverheard", "").body, `"results":[]`)
}

// watched is a user who is told that staff watches, where that is told.
func (s *scene) watched() {
	a, boss := s.open(s.ann, 0, "?session_id=s-w"), s.open(s.bob, 1, "")
	a.send(`{"type":"user_message","id":"m-1","session_id":"s-w","content":"%s [[words=2]]"}`, s.mark)
	a.sees("final", finalOf("m-1"))
	boss.send(`{"type":"watch","session_id":"s-w"}`)
	a.sees("the notice", isType("notification"), of("s-w"), meta("event", "watched"))
	s.open(s.ann, 1, "?session_id=s-w").sees("the notice", isType("notification"), of("s-w"), meta("event", "watched"))
	boss.send(`{"type":"unwatch","session_id":"s-w"}`)
	a.sees("the end of it", isType("notification"), of("s-w"), meta("event", "unwatched"))
}

// keep is what users do with their sessions over REST.
func (s *scene) keep() {
	s.ask(s.ann, http.StatusAccepted, http.MethodPost, "/sessions/s-4/messages", fmt.Sprintf(`{"content":"%s [[words=2]]"}`, s.mark), "Idempotency-Key", "m-1")
	s.ask(s.ann, http.StatusOK, http.MethodPatch, "/sessions/s-4", fmt.Sprintf(`{"name":%q}`, s.mark))
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions?limit=2", "")
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-4?limit=1", "")
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-4/export", "")
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-4/export?format=markdown", "")
	token := s.ask(s.ann, http.StatusOK, http.MethodPost, "/sessions/s-4/share", `{"expires_in":60}`).member(s.t, "share_token")
	anyone := person{w: s.world, id: "anyone"}
	shared := s.ask(anyone, http.StatusOK, http.MethodGet, "/shared/"+token, "")
	assert.Contains(s.t, shared.body, s.mark)
	for range persistence.MaxShares - 1 {
		s.ask(s.ann, http.StatusOK, http.MethodPost, "/sessions/s-4/share", "")
	}
	full := s.ask(s.ann, http.StatusConflict, http.MethodPost, "/sessions/s-4/share", "")
	assert.Equal(s.t, "LIMIT_EXCEEDED", full.member(s.t, "code"), "waiting does not help")
	s.ask(s.ann, http.StatusOK, http.MethodDelete, "/sessions/s-4/share", "")
	s.ask(anyone, http.StatusNotFound, http.MethodGet, "/shared/"+token, "")
	s.ask(s.ann, http.StatusOK, http.MethodPost, "/sessions/s-4/end", "")
	s.ask(s.ann, http.StatusOK, http.MethodDelete, "/sessions/s-4", "")
	s.ask(s.ann, http.StatusNotFound, http.MethodGet, "/sessions/s-4", "")
}

// leave is the other credentials, and what an admin does about them.
func (s *scene) leave() {
	ticket := s.ask(s.eve, http.StatusOK, http.MethodPost, "/ticket", "").member(s.t, "ticket")
	by, refused := s.eve.dial(1, "?ticket="+ticket, http.Header{})
	require.NotNil(s.t, by, "%+v", refused)
	s.ask(s.bob, http.StatusOK, http.MethodPost, "/admin/users/eve/disconnect", "")
	by.closed(4503)
	s.ask(s.eve, http.StatusUnauthorized, http.MethodGet, "/sessions", "")
	s.ask(s.bob, http.StatusOK, http.MethodPut, "/admin/users/eve/block", fmt.Sprintf(`{"reason":%q,"until":"2099-01-01T00:00:00Z"}`, s.mark))
	assert.Contains(s.t, s.ask(s.rob, http.StatusOK, http.MethodGet, "/admin/users/eve/block", "").body, s.mark)
	s.ask(s.rob, http.StatusOK, http.MethodGet, "/admin/blocks?limit=1", "")
	s.ask(s.rob, http.StatusOK, http.MethodDelete, "/admin/users/eve/block", "")
	s.eventually("person erased", func() bool { return s.bob.at(0, http.MethodDelete, "/admin/users/eve", "").status == http.StatusOK })
}

// brought is everything that the tenant was sent.
func (s *scene) brought() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := append([]string{}, s.bodies...)
	for _, c := range s.sockets {
		all = append(all, c.all())
	}
	return all
}
