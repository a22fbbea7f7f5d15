package specs

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/stretchr/testify/assert"
)

// labels is what staff puts on sessions, and how things stand at a glance.
func (s *scene) labels() {
	a, boss := s.open(s.eve, 0, ""), s.open(s.bob, 1, "")
	a.send(`{"type":"help_request","id":"h-9","session_id":"s-8","content":"%s"}`, s.mark)
	a.sees("ack", isType("ack"), hasID("h-9"))
	s.ask(s.bob, http.StatusOK, http.MethodPut, "/admin/sessions/s-8/tags", fmt.Sprintf(`{"tags":[%q,"VIP"]}`, s.mark))
	s.ask(s.rob, http.StatusOK, http.MethodPut, "/admin/sessions/s-8/assignee", fmt.Sprintf(`{"admin_id":"bob","admin_name":%q}`, s.mark))
	boss.sees("who it is for", isType("notification"), of("s-8"), meta("event", "assigned"), meta("admin_id", "rob"))
	var list answer
	s.eventually("place in the queue", func() bool {
		list = s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/sessions?tag=vip&assigned_to=bob&waiting=true&sort_by=waiting_since", "")
		return strings.Contains(list.body, `"waiting_since"`)
	})
	for _, part := range []string{s.mark, `"assigned_admin_name"`, `"VIP"`, `"unread"`} {
		assert.Contains(s.t, list.body, part)
	}
	assert.Contains(s.t, s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/previews?sessions=s-1,unheard-of", "").body, `"session_id":"s-1"`)
	assert.Contains(s.t, s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/tags", "").body, s.mark)
	assert.Contains(s.t, s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/counters", "").body, `"assigned_waiting":1`)
	assert.Contains(s.t, s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/users/eve/sessions", "").body, `"VIP"`)
	own := s.ask(s.eve, http.StatusOK, http.MethodGet, "/sessions", "").body
	for _, hidden := range []string{"VIP", "tags", "assigned", "unread", "waiting_since"} {
		assert.NotContains(s.t, own, hidden, "nothing of it is for the owner")
		assert.NotContains(s.t, a.all(), hidden)
	}
	s.ask(s.bob, http.StatusOK, http.MethodDelete, "/admin/sessions/s-8/assignee", "")
	s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/sessions?held_by=bob", "")
}

// labelRoutes are about what staff puts on sessions.
func labelRoutes() map[string]staffRoute {
	long := func(n int) string { return strings.Repeat("x", n) }
	return map[string]staffRoute{
		"PUT /admin/sessions/{id}/tags": {
			body: `{"tags":["Zinnober"]}`, missing: "tags",
			bad: map[string][]string{"tags": {
				`{"tags":"a"}`, `{"tags":[7]}`, `{"tags":[""]}`, `{"tags":["a","A"]}`, `{"tags":["a\nb"]}`, `{"tags":["` + long(41) + `"]}`,
			}},
		},
		"PUT /admin/sessions/{id}/assignee": {
			body: `{"admin_id":"zoe","admin_name":"Zinnober"}`, missing: "admin_id",
			bad: map[string][]string{
				"admin_id":   {`{"admin_id":7}`, `{"admin_id":"` + long(257) + `"}`},
				"admin_name": {`{"admin_id":"zoe","admin_name":[]}`, `{"admin_id":"zoe","admin_name":"a\nb"}`, `{"admin_id":"zoe","admin_name":"` + long(201) + `"}`},
			},
		},
		"DELETE /admin/sessions/{id}/assignee": {},
		"GET /admin/tags":                      {viewers: true},
		"GET /admin/counters":                  {viewers: true},
	}
}
