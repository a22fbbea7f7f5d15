package specs

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// staffRoute says of one of staff's routes what its documents cannot: who may,
// and how it is asked so that it succeeds, or for each parameter so that it
// does not.
type staffRoute struct {
	viewers bool // chat_viewer may as well
	body    string
	header  []string // names and values
	status  int      // of who may; 0: 200
	foreign int      // of an admin of another tenant; 0: 404 where the path names a session, else as of the tenant's own
	// before brings about what the request needs, as who is to make it, and
	// fills the path's parameters beside {id}, which is the session or the user.
	before func(c *callers) map[string]string
	// bad has for each parameter of the query and each member of the body what
	// is refused by its name: a query, with its ?, or a body.
	bad map[string][]string
	// missing is the refusal of a body without this member; empty: none needs
	// to be there.
	missing string
}

// staffRoutes has a row for every operation below /admin. A route that is new
// needs one here, and a parameter that is new an example of what is refused.
func staffRoutes() map[string]staffRoute {
	all := map[string]staffRoute{}
	for _, rows := range []map[string]staffRoute{
		readingRoutes(),
		actingRoutes(),
		noteRoutes(),
		replyRoutes(),
		labelRoutes(),
		supportRoutes(),
	} {
		maps.Copy(all, rows)
	}
	return all
}

// readingRoutes change nothing.
func readingRoutes() map[string]staffRoute {
	times := []string{"?%s=yesterday", "?%s=2024-13-01", "?%s=1"}
	return map[string]staffRoute{
		"GET /admin/cluster": {viewers: true},
		"GET /admin/sessions": {viewers: true, bad: map[string][]string{
			"user_id": {"?user_id=%00"}, "status": {"?status=open"}, "feedback": {"?feedback=none"}, "admin_assisted": {"?admin_assisted=maybe"}, "help_requested": {"?help_requested=2"},
			"start_time_from": each(times, "start_time_from"), "start_time": each(times, "start_time"), "end_time": each(times, "end_time"),
			"start_time_to": append(each(times, "start_time_to"), "?start_time_from=2024-02-02&start_time_to=2024-02-01"),
			"sort_by":       {"?sort_by=name", "?sort_by=waiting_since&waiting=false"}, "sort_order": {"?sort_order=up"}, "limit": {"?limit=0", "?limit=1001", "?limit=x"},
			"waiting": {"?waiting=2"}, "tag": {"?tag=", "?tag=a&tag=a%0Ab"}, "assigned_to": {"?assigned_to=%00"}, "held_by": {"?held_by=%00"},
			"offset": {"?offset=-1", "?offset=100001", "?offset=1&cursor=abc"}, "cursor": {"?cursor=nobodys"}, "name": {"?name=%3F"},
		}},
		"GET /admin/sessions/{id}": {viewers: true, bad: map[string][]string{
			"limit": {"?limit=0", "?limit=501"}, "before_seq": {"?before_seq=0"}, "after_seq": {"?after_seq=-1"},
		}},
		"GET /admin/users/{id}/sessions": {viewers: true, bad: map[string][]string{
			"limit": {"?limit=201"}, "status": {"?status=open"}, "cursor": {"?cursor=nobodys"},
		}},
		"GET /admin/users/{id}/block": {viewers: true},
		"GET /admin/blocks": {viewers: true, bad: map[string][]string{
			"limit": {"?limit=0", "?limit=201"}, "cursor": {"?cursor=nobodys", "?cursor=YjF8"},
		}},
		"GET /admin/previews": {viewers: true, bad: map[string][]string{
			"sessions": {"?sessions=a%20b", "?sessions=s-1,", "?sessions=" + strings.Repeat("x", 129), "?sessions=" + manySessions(51)},
		}},
		"GET /admin/metrics": {viewers: true, bad: map[string][]string{
			"start_time": {"?start_time=x", "?start_time=2020-01-01&end_time=2024-01-01", "?start_time=9000-01-01"},
			"end_time":   {"?end_time=x", "?start_time=2024-02-02T00:00:00Z&end_time=2024-02-01"},
		}},
		"GET /admin/audit": {bad: map[string][]string{
			"actor": {"?actor=%00"}, "user_id": {"?user_id=%00"}, "action": {"?action=look"}, "session_id": {"?session_id=a%20b"}, "from": each(times, "from"),
			"to":    append(each(times, "to"), "?from=2024-02-02T00:00:00Z&to=2024-02-01"),
			"limit": {"?limit=501"}, "cursor": {"?cursor=nobodys"},
		}},
		"GET /admin/audit/verify": {},
		"GET /admin/search": {viewers: true, bad: map[string][]string{
			"q": {"?q=%3F!", "?q=%22a", "?q=" + strings.Repeat("x", 65), "?q=%ff"}, "name": {"?name=%3F", "?q=a&name=%22b"}, "user_id": {"?user_id=%00"},
			"status": {"?status=open", "?q=a&status=open"}, "tag": {"?tag=%09", "?tag=a&tag=", "?q=a&tag=" + strings.Repeat("x", 41)}, "from": each(times, "from"),
			"to":    append(each(times, "to"), "?from=2024-02-02T00:00:00Z&to=2024-02-01"),
			"limit": {"?limit=0", "?limit=101", "?q=a&limit=x"}, "cursor": {"?cursor=nobodys", "?q=a&cursor=nobodys"},
		}},
	}
}

func manySessions(n int) string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint("s-", i)
	}
	return strings.Join(ids, ",")
}

// actingRoutes change something.
func actingRoutes() map[string]staffRoute {
	held := func(c *callers) map[string]string {
		c.me.want(http.StatusOK, http.MethodPost, "/admin/takeover/s-1", "")
		return nil
	}
	return map[string]staffRoute{
		"POST /admin/users/{id}/disconnect": {},
		"PUT /admin/users/{id}/block": {body: `{"reason":"loud","until":"2099-01-01T00:00:00Z"}`, bad: map[string][]string{
			"reason": {`{"reason":7}`, `{"reason":"` + strings.Repeat("x", 501) + `"}`},
			"until":  {`{"until":"2020-01-01T00:00:00Z"}`, `{"until":"tomorrow"}`, `{"until":7}`, `{"until":"2099-01-01"}`},
		}},
		"DELETE /admin/users/{id}/block": {},
		"DELETE /admin/users/{id}":       {},
		"POST /admin/takeover/{id}":      {},
		"DELETE /admin/takeover/{id}":    {before: held},
		"POST /admin/takeover/{id}/transfer": {
			body: `{"admin_id":"zoe","admin_name":"Zoe"}`, missing: "admin_id",
			before: func(c *callers) map[string]string {
				c.w.person(c.tenant, "zoe", "admin").socket(0, "")
				return held(c)
			},
			bad: map[string][]string{"admin_id": {`{"admin_id":7}`}, "admin_name": {`{"admin_id":"zoe","admin_name":[]}`}},
		},
		"POST /admin/sessions/{id}/messages": {
			body: `{"content":"x"}`, status: http.StatusAccepted, missing: "content", before: held,
			bad: map[string][]string{
				"id": {`{"content":"x","id":"a b"}`, `{"content":"x","id":"ans_x"}`}, "content": {`{"content":{}}`},
				"metadata": {`{"content":"x","metadata":{"a":[]}}`, `{"content":"x","metadata":7}`},
				"file_ids": {`{"content":"x","file_ids":"f"}`, `{"content":"x","file_ids":[7]}`, `{"content":"x","file_ids":["f","f"]}`},
			},
		},
		"POST /admin/sessions/{id}/end": {},
	}
}

// supportRoutes are when the team is there, and who of it.
func supportRoutes() map[string]staffRoute {
	return map[string]staffRoute{
		"GET /admin/support": {viewers: true},
		"PUT /admin/support": {
			body: `{"hours":"Mon-Fri 09:00-17:00","time_zone":"Europe/Berlin","closed_days":["2026-12-25"],"away_message":"Back soon."}`,
			bad: map[string][]string{
				"hours": {`{"hours":"Mon 9-17"}`, `{"hours":[]}`}, "time_zone": {`{"time_zone":"Local"}`, `{"time_zone":1}`},
				"closed_days":  {`{"closed_days":"2026-12-25"}`, `{"closed_days":["2026-02-29"]}`},
				"away_message": {`{"away_message":"\u0007"}`, `{"away_message":` + strconv.Quote(strings.Repeat("x", 1001)) + `}`},
			},
			foreign: http.StatusOK,
		},
		"DELETE /admin/support": {foreign: http.StatusOK},
		"GET /admin/staff":      {viewers: true},
		"PUT /admin/availability": {
			body: `{"status":"away"}`, missing: "status", bad: map[string][]string{"status": {`{"status":"busy"}`, `{"status":1}`}},
		},
	}
}

func each(patterns []string, name string) []string {
	var out []string
	for _, p := range patterns {
		out = append(out, fmt.Sprintf(p, name))
	}
	return out
}

// callers are a tenant's people around one session, "s-1" of ann's.
type callers struct {
	w           *world
	tenant      string
	me, ann     person
	messages    string // of the session, as ann reads them
	path, other string // the route's, and that of a session nobody has
}

// callers makes a tenant of its own, whose member with the role is to ask.
func (w *world) callers(tenant, role string) *callers {
	c := &callers{w: w, tenant: tenant, ann: w.person(tenant, "ann"), me: w.person(tenant, "mel", role)}
	c.ann.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"content":"Zinnober [[words=1]]"}`)
	w.eventually("answer", func() bool {
		c.messages = c.ann.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "").body
		return strings.Contains(c.messages, `"ai_response"`)
	})
	return c
}

// address fills in the path. A session's route also gets a path with a session
// without an owner.
func (c *callers) address(path string, more map[string]string) {
	for name, value := range more {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	c.path, c.other = strings.ReplaceAll(path, "{id}", "ann"), ""
	if strings.HasPrefix(path, "/admin/sessions/{id}") || strings.HasPrefix(path, "/admin/takeover/{id}") {
		c.path, c.other = strings.ReplaceAll(path, "{id}", "s-1"), strings.ReplaceAll(path, "{id}", "unheard-of")
	}
	require.NotContains(c.w.t, c.path, "{", "before must fill the path")
}

// TestStaffRoutes_EveryOneIsGuarded: each of staff's routes, taken from the
// document that the router is held to, does what it does for who may, and for
// nobody else and with nothing wrong.
func TestStaffRoutes_EveryOneIsGuarded(t *testing.T) {
	rec := Record(t)
	w := start(t, rec)
	rows := staffRoutes()
	for _, op := range rec.docs.Operations {
		if !strings.HasPrefix(op.Path, "/admin/") {
			continue
		}
		name := op.Method + " " + op.Path
		row, known := rows[name]
		if !assert.True(t, known, "%s has no row in staffRoutes", name) {
			continue
		}
		delete(rows, name)
		t.Run(name, func(t *testing.T) {
			tenant := strings.NewReplacer("/", "-", " ", "-", "{", "", "}", "").Replace(strings.ToLower(name))
			here := *w
			here.t = t
			here.guarded(op, row, tenant)
			here.served(op, row, tenant)
		})
	}
	assert.Empty(t, slices.Collect(maps.Keys(rows)), "rows without a route")
}

// guarded asks in every way that is refused, and looks whether anything changed.
func (w *world) guarded(op *operation, row staffRoute, tenant string) {
	c := w.callers(tenant+"-refused", "admin")
	c.prepare(op, row)
	before := c.ann.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "").body
	refuse := func(p person, status int, code, path, body string) string {
		w.t.Helper()
		a := p.want(status, op.Method, path, body, row.header...)
		assert.Equal(w.t, code, a.member(w.t, "code"), a.body)
		assert.NotContains(w.t, a.body, "Zinnober")
		return a.member(w.t, "message")
	}
	refuse(person{w: w, id: "nobody"}, http.StatusUnauthorized, "INVALID_TOKEN", c.path, row.body)
	strangers := []person{c.ann, w.person(c.tenant, "cid", "user"), w.person(c.tenant, "cid", "Admin"), w.person(c.tenant, "cid", "administrator")}
	if !row.viewers {
		strangers = append(strangers, w.person(c.tenant, "vic", "chat_viewer"))
	}
	for _, p := range strangers {
		refuse(p, http.StatusForbidden, "INSUFFICIENT_PERMISSIONS", c.path, row.body)
	}
	for name, wrongs := range row.bad {
		require.Contains(w.t, slices.Concat(op.Query, op.Body), name, "no such parameter is documented")
		for _, wrong := range wrongs {
			path, body := c.path, wrong
			if strings.HasPrefix(wrong, "?") {
				path, body = c.path+wrong, row.body
			}
			message := refuse(c.me, http.StatusBadRequest, "INVALID_FORMAT", path, body)
			assert.True(w.t, strings.HasPrefix(message, name+":"), "%s: %s", wrong, message)
		}
	}
	for _, name := range slices.Concat(op.Query, op.Body) {
		assert.NotEmpty(w.t, row.bad[name], "nothing shows how %s is refused", name)
	}
	if len(op.Body) > 0 {
		refuse(c.me, http.StatusBadRequest, "INVALID_FORMAT", c.path, `[]`)
	}
	if row.missing != "" {
		message := refuse(c.me, http.StatusBadRequest, "MISSING_FIELD", c.path, `{}`)
		assert.Contains(w.t, message, row.missing)
	}
	if c.other != "" {
		refuse(c.me, http.StatusNotFound, "NOT_FOUND", c.other, row.body)
		refuse(c.me, http.StatusNotFound, "NOT_FOUND", strings.Replace(c.other, "unheard-of", "a%20b", 1), row.body)
	}
	w.fromElsewhere(c, op, row)
	assert.Equal(w.t, before, c.ann.want(http.StatusOK, http.MethodGet, "/sessions/s-1", "").body, "nothing has changed")
}

// fromElsewhere asks as an admin of another tenant, to whom nobody here exists.
func (w *world) fromElsewhere(c *callers, op *operation, row staffRoute) {
	status := row.foreign
	if status == 0 {
		status = row.succeeds()
		if c.other != "" {
			status = http.StatusNotFound
		}
	}
	a := w.person(c.tenant+"-elsewhere", "mel", "admin").want(status, op.Method, c.path, row.body, row.header...)
	for _, ours := range []string{"Zinnober", `"s-1"`, "Name of ann"} {
		assert.NotContains(w.t, a.body, ours)
	}
}

// served asks as everybody who may.
func (w *world) served(op *operation, row staffRoute, tenant string) {
	roles := []string{"admin", "chat_admin"}
	if row.viewers {
		roles = append(roles, "chat_viewer")
	}
	for _, role := range roles {
		c := w.callers(tenant+"-"+role, role)
		c.prepare(op, row)
		c.me.want(row.succeeds(), op.Method, c.path, row.body, row.header...)
	}
}

func (c *callers) prepare(op *operation, row staffRoute) {
	var more map[string]string
	if row.before != nil {
		more = row.before(c)
	}
	c.address(op.Path, more)
}

func (r staffRoute) succeeds() int {
	if r.status != 0 {
		return r.status
	}
	return http.StatusOK
}
