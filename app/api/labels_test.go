package api

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

// fakeLabels has the same session as fakeDesk and records its calls.
type fakeLabels struct {
	deskFake

	tags []string
	to   chatbox.Assignee
}

func (f *fakeLabels) SetTags(_ context.Context, a chatbox.Actor, id string, tags []string) ([]string, error) {
	if a.Tenant != theirTenant || id != "known" {
		return nil, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	f.tags = tags
	return helpdesk.CheckTags(tags)
}

func (f *fakeLabels) Assign(_ context.Context, a chatbox.Actor, id string, to chatbox.Assignee) (chatbox.Assignee, error) {
	if a.Tenant != theirTenant || id != "known" {
		return to, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	f.to = to
	if !to.Has() {
		return to, nil
	}
	return helpdesk.CheckAssignee(to)
}

func (f *fakeLabels) TagsInUse(_ context.Context, a chatbox.Actor) ([]helpdesk.TagCount, error) {
	if a.Tenant != theirTenant {
		return nil, nil
	}
	return []helpdesk.TagCount{{Tag: "VIP", Sessions: 3}}, nil
}

func (f *fakeLabels) Counters(_ context.Context, a chatbox.Actor) (helpdesk.Counters, error) {
	if a.Tenant != theirTenant {
		return helpdesk.Counters{}, nil
	}
	return helpdesk.Counters{
		Workload: helpdesk.Workload{Held: 2, HeldUnread: 1, Assigned: 5, AssignedWaiting: 4},
		Waiting:  7, Oldest: "known", Since: time.Now().Add(-time.Hour),
	}, nil
}

// labelsPod is a pod with the fake, and its call as an admin.
func labelsPod(t *testing.T) (*fakeLabels, *pod, func(method, path, body string) (int, string)) {
	t.Helper()
	f := &fakeLabels{}
	p := newPod(t, func(s *setup) { s.aids = f })
	h := roleToken(t, theirTenant, chatbox.RoleChatAdmin)
	return f, p, func(method, path, body string) (int, string) {
		t.Helper()
		status, _, b := p.call(method, "/admin"+path, h, strings.NewReader(body))
		return status, string(b)
	}
}

func TestLabels_AreSetAndCounted(t *testing.T) {
	f, _, call := labelsPod(t)
	for _, c := range []struct {
		method, path, body string
		want               string
	}{
		{"PUT", "/sessions/known/tags", `{"tags":[" VIP ","<b>größer</b>"]}`, `{"session_id":"known","tags":["VIP","<b>größer</b>"]}`},
		{"PUT", "/sessions/known/tags", `{"tags":[],"more":1}`, `{"session_id":"known","tags":[]}`},
		{
			"PUT", "/sessions/known/assignee", `{"admin_id":"eve|1","admin_name":" Eve "}`,
			`{"session_id":"known","assigned_admin_id":"eve|1","assigned_admin_name":"Eve"}`,
		},
		{
			"PUT", "/sessions/known/assignee", `{"admin_id":"eve","admin_name":null}`,
			`{"session_id":"known","assigned_admin_id":"eve","assigned_admin_name":""}`,
		},
		{"DELETE", "/sessions/known/assignee", "", `{"session_id":"known","assigned_admin_id":"","assigned_admin_name":""}`},
		{"GET", "/tags", "", `{"tags":[{"tag":"VIP","sessions":3}]}`},
		{
			"GET", "/counters", "", `{"waiting":7,"longest_wait_seconds":3600,"oldest_waiting_session":"known","mine":2,"mine_unread":1,
			"assigned":5,"assigned_waiting":4}`,
		},
	} {
		status, body := call(c.method, c.path, c.body)
		assert.Equal(t, 200, status, "%s: %s", c.path, body)
		assert.JSONEq(t, c.want, body)
	}
	assert.Empty(t, f.tags)
	assert.Equal(t, chatbox.Assignee{}, f.to, "the last word")
}

func TestLabels_Refusals(t *testing.T) {
	_, p, call := labelsPod(t)
	long := strings.Repeat("x", 41)
	for _, c := range []struct{ path, body, code, field string }{
		{"tags", ``, "MISSING_FIELD", "tags"},
		{"tags", `{"tags":null}`, "MISSING_FIELD", "tags"},
		{"tags", `{"tags":"VIP"}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":{"a":1}}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a",7]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a",null]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a"],"tags":["b"]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a"," "]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["Straße","STRAßE"]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a\nb"]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["\ud800"]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["` + long + `"]}`, "INVALID_FORMAT", "tags"},
		{"tags", `{"tags":["a` + strings.Repeat(`","`+long[:2]+`y`, 20) + `"]}`, "INVALID_FORMAT", "tags"},
		{"assignee", `{}`, "MISSING_FIELD", "admin_id"},
		{"assignee", `{"admin_id":""}`, "MISSING_FIELD", "admin_id"},
		{"assignee", `{"admin_id":7}`, "INVALID_FORMAT", "admin_id"},
		{"assignee", `{"admin_id":"a\u0000"}`, "INVALID_FORMAT", "admin_id"},
		{"assignee", `{"admin_id":"` + strings.Repeat("x", 257) + `"}`, "INVALID_FORMAT", "admin_id"},
		{"assignee", `{"admin_id":"a","admin_name":[]}`, "INVALID_FORMAT", "admin_name"},
		{"assignee", `{"admin_id":"a","admin_name":"a\tb"}`, "INVALID_FORMAT", "admin_name"},
		{"assignee", `{"admin_id":"a","admin_name":"` + strings.Repeat("é", 201) + `"}`, "INVALID_FORMAT", "admin_name"},
	} {
		status, body := call(http.MethodPut, "/sessions/known/"+c.path, c.body)
		var f failure
		require.NoError(t, json.Unmarshal([]byte(body), &f))
		assert.Equal(t, 400, status, c.body)
		assert.Equal(t, c.code, f.Code, c.body)
		assert.True(t, strings.HasPrefix(f.Message, c.field), "%s: %s", c.body, f.Message)
		assert.NotContains(t, f.Message, long)
	}
	h := roleToken(t, theirTenant, chatbox.RoleAdmin)
	for query, field := range map[string]string{
		"tag=": "tag", "tag=a&tag=a%0Ab": "tag", "tag=" + long: "tag", strings.Repeat("tag=a&", 21): "tag",
		"assigned_to=%00": "assigned_to", "held_by=%00": "held_by", "held_by=" + strings.Repeat("x", 257): "held_by", "waiting=2": "waiting",
	} {
		status, f := p.fails(http.MethodGet, "/admin/sessions?"+query, h, nil)
		assert.Equal(t, 400, status, query)
		assert.True(t, strings.HasPrefix(f.Message, field+":"), "%s: %s", query, f.Message)
	}
}

func TestLabels_AreFilters(t *testing.T) {
	_, p, call := labelsPod(t)
	status, _ := call(http.MethodGet, "/sessions?tag=VIP&tag=%20b%20c&assigned_to=eve&held_by=bob&waiting=true&sort_by=waiting_since&sort_order=asc", "")
	require.Equal(t, 200, status)
	yes := true
	assert.Equal(t, helpdesk.StaffQuery{
		Tags: []string{"VIP", "b c"}, Assigned: "eve", HeldBy: "bob", Waiting: &yes, Sort: helpdesk.SortWaiting, Limit: 50,
	}, p.conv.list)
}

// Staff's labels are in staff's view of a session and in no other.
func TestLabels_AreForStaffAlone(t *testing.T) {
	s := knownSession()
	s.Tags, s.Assignee = []string{"VIP"}, chatbox.Assignee{ID: "eve", Name: "Eve"}
	s.State.HelpPending, s.State.WaitingSince, s.State.Unread = true, time.UnixMilli(1_750_000_000_500).UTC(), 3
	shown := func(v any) map[string]any {
		t.Helper()
		text, err := json.Marshal(v)
		require.NoError(t, err)
		var out map[string]any
		require.NoError(t, json.Unmarshal(text, &out))
		return out
	}
	owners, staffs := shown(viewSession(s)), shown(viewForStaff(s))
	only := map[string]any{}
	for name, value := range staffs {
		if _, both := owners[name]; !both {
			only[name] = value
		}
	}
	assert.Equal(t, map[string]any{
		"tags": []any{"VIP"}, "assigned_admin_id": "eve", "assigned_admin_name": "Eve", "waiting_since": "2025-06-15T15:06:40.500Z", "unread": 3.0,
	}, only)
	bare := shown(viewForStaff(knownSession()))
	assert.Equal(t, []any{}, bare["tags"])
	assert.Zero(t, bare["unread"])
	for _, name := range []string{"assigned_admin_id", "assigned_admin_name", "waiting_since"} {
		assert.NotContains(t, bare, name)
	}
	assert.Zero(t, viewCounters(helpdesk.Counters{}, time.Now()).LongestWait, "nobody waits")
	ahead := helpdesk.Counters{Oldest: "s", Since: time.Now().Add(time.Minute)}
	assert.Zero(t, viewCounters(ahead, time.Now()).LongestWait, "another pod's clock is ahead")
}
