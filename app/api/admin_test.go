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

// fakeDesk has one session in one tenant and records its calls.
type fakeDesk struct {
	list    helpdesk.StaffQuery
	log     chatbox.AuditQuery
	from    time.Time
	to      time.Time
	unended bool // erasures continue in the background
}

const theirTenant = "acme"

func (f *fakeDesk) AllSessions(_ context.Context, a chatbox.Actor, q helpdesk.StaffQuery) (helpdesk.StaffPage, error) {
	f.list = q
	if a.Tenant != theirTenant {
		return helpdesk.StaffPage{}, nil
	}
	return helpdesk.StaffPage{Sessions: []chatbox.Session{knownSession()}, Total: 1, Next: "more"}, nil
}

func knownSession() chatbox.Session {
	at := time.UnixMilli(1_750_000_000_000).UTC()
	return chatbox.Session{
		Key: chatbox.SessionKey{Tenant: theirTenant, ID: "known"}, Owner: "ann", Name: "n", CreatedAt: at,
		State: chatbox.State{
			Head: 4, StartedAt: at, LastActivity: at.Add(90 * time.Second), Ended: true, EndedAt: at.Add(90 * time.Second), Tokens: 12,
			Answers: 2, ResponseTotal: 300, ResponseMax: 200, AdminAssisted: true, AssistantID: "ada", HelpRequested: true, ModelID: "m",
		},
	}
}

func (f *fakeDesk) UserSessions(_ context.Context, a chatbox.Actor, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	if a.Tenant != theirTenant || q.User.ID != "ann" {
		return chatbox.SessionPage{}, nil
	}
	return chatbox.SessionPage{Sessions: []chatbox.Session{knownSession()}}, nil
}

func (f *fakeDesk) Previews(_ context.Context, _ chatbox.Actor, ids []string) (list []helpdesk.Preview, err error) {
	for _, id := range ids {
		if id == "known" {
			list = append(list, helpdesk.Preview{
				SessionID: id, Seq: 3, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Time: knownSession().State.LastActivity, Excerpt: "a < b",
			})
		}
	}
	return list, nil
}

func (f *fakeDesk) AnyHistory(_ context.Context, a chatbox.Actor, id string, _ chatbox.HistoryQuery) (chatbox.History, error) {
	if a.Tenant != theirTenant || id != "known" {
		return chatbox.History{}, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return chatbox.History{Session: knownSession()}, nil
}

func (f *fakeDesk) Metrics(_ context.Context, _ chatbox.Actor, from, to time.Time) (helpdesk.Metrics, error) {
	f.from, f.to = from, to
	return helpdesk.Metrics{
		From: from, To: to, AvgConcurrent: 1.5, MaxConcurrent: 3,
		Sessions: helpdesk.SessionSummary{Total: 9, Active: 4, Tokens: 8, Answers: 2, ResponseTotal: 7, ResponseMax: 6, Assisted: 5, Asked: 1, Ratings: 3, Scores: 11},
	}, nil
}

func (f *fakeDesk) AuditEntries(_ context.Context, _ chatbox.Actor, q chatbox.AuditQuery) (chatbox.AuditPage, error) {
	f.log = q
	return chatbox.AuditPage{Entries: []chatbox.AuditEntry{{N: 1, Action: chatbox.AuditSessionRead, Actor: "p_x", ActorID: "ada", Hash: "00"}}}, nil
}

func (f *fakeDesk) VerifyAudit(context.Context, chatbox.Actor) (chatbox.AuditVerdict, error) {
	return chatbox.AuditVerdict{Entries: 3, HeadHash: "ff"}, nil
}

func (f *fakeDesk) ErasePerson(context.Context, chatbox.Actor, string, time.Time) (bool, error) {
	return !f.unended, nil
}

func roleToken(t *testing.T, tenant string, roles ...string) http.Header {
	t.Helper()
	return bearerHeader(token(t, map[string]any{"user_id": "ada", "tenant": tenant, "roles": roles}))
}

// walkedAids are the use cases whose routes TestAdmin_Routes calls.
type walkedAids struct {
	*fakeLabels
	fakeSupport
}

// Every admin route: who may call it, who may not, and its parameters.
func TestAdmin_Routes(t *testing.T) {
	p := newPod(t, func(s *setup) { s.aids = &walkedAids{fakeLabels: &fakeLabels{}} })
	all := []string{"/sessions", "/sessions/known", "/users/ann/sessions", "/metrics", "/cluster", "/audit", "/audit/verify"}
	for _, route := range []struct {
		method, path string
		viewer       int // status for chat_viewer
		foreign      int // for an admin of another tenant
	}{
		{"GET", all[0], 200, 200},
		{"GET", all[1], 200, 404},
		{"GET", all[2], 200, 200},
		{"GET", all[3], 200, 200},
		{"GET", all[4], 200, 200},
		{"GET", all[5], 403, 200},
		{"GET", all[6], 403, 200},
		{"GET", "/tags", 200, 200},
		{"GET", "/counters", 200, 200},
		{"DELETE", "/sessions/known/assignee", 403, 404},
		{"DELETE", "/users/ann", 403, 200},
		{"POST", "/users/ann/disconnect", 403, 200},
		{"PUT", "/sessions/known/tags", 403, 0},
		{"PUT", "/sessions/known/assignee", 403, 0},
		{"GET", "/support", 200, 200},
		{"PUT", "/support", 403, 200},
		{"DELETE", "/support", 403, 200},
		{"GET", "/staff", 200, 200},
		{"POST", "/takeover/known", 403, 0},
		{"DELETE", "/takeover/known", 403, 0},
		{"POST", "/takeover/known/transfer", 403, 0},
		{"POST", "/sessions/known/messages", 403, 0},
		{"POST", "/sessions/known/end", 403, 0},
	} {
		call := func(h http.Header) (int, string) {
			t.Helper()
			status, _, body := p.call(route.method, "/admin"+route.path, h, strings.NewReader("{}"))
			var f failure
			_ = json.Unmarshal(body, &f)
			return status, f.Code
		}
		name := route.method + " " + route.path
		status, code := call(nil)
		assert.Equal(t, 401, status, name)
		assert.Equal(t, "INVALID_TOKEN", code, name)
		for _, roles := range [][]string{nil, {"user"}, {"Admin"}, {"administrator"}} {
			status, code = call(roleToken(t, theirTenant, roles...))
			assert.Equal(t, 403, status, name)
			assert.Equal(t, "INSUFFICIENT_PERMISSIONS", code, name)
		}
		status, _ = call(roleToken(t, theirTenant, chatbox.RoleChatViewer))
		assert.Equal(t, route.viewer, status, name)
		if route.foreign == 0 {
			continue // the use cases are tested on whole pods
		}
		for _, role := range []string{chatbox.RoleAdmin, chatbox.RoleChatAdmin} {
			status, _ = call(roleToken(t, theirTenant, role))
			assert.Equal(t, 200, status, name)
		}
		status, _ = call(roleToken(t, "other", chatbox.RoleAdmin))
		assert.Equal(t, route.foreign, status, name)
	}
	for _, path := range []string{"/sessions/unknown", "/sessions/a%20b"} {
		status, _ := p.fails("GET", "/admin"+path, roleToken(t, theirTenant, chatbox.RoleAdmin), nil)
		assert.Equal(t, 404, status, path)
	}
}

// Each invalid parameter is refused by name.
func TestAdmin_BadParameters(t *testing.T) {
	p := newPod(t, nil)
	h := roleToken(t, theirTenant, chatbox.RoleAdmin)
	for query, field := range map[string]string{
		"/sessions?status=open":                                           "status",
		"/sessions?admin_assisted=maybe":                                  "admin_assisted",
		"/sessions?help_requested=2":                                      "help_requested",
		"/sessions?start_time_from=yesterday":                             "start_time_from",
		"/sessions?start_time_to=2024-13-01":                              "start_time_to",
		"/sessions?start_time=1":                                          "start_time",
		"/sessions?end_time=x":                                            "end_time",
		"/sessions?start_time_from=2024-02-02&start_time_to=2024-02-01":   "start_time_to",
		"/sessions?sort_by=name":                                          "sort_by",
		"/sessions?sort_order=up":                                         "sort_order",
		"/sessions?limit=0":                                               "limit",
		"/sessions?limit=1001":                                            "limit",
		"/sessions?limit=x":                                               "limit",
		"/sessions?offset=-1":                                             "offset",
		"/sessions?offset=1&cursor=abc":                                   "offset",
		"/sessions?limit=%2B5":                                            "limit",
		"/sessions?status=active&status=ended":                            "status",
		"/sessions?user_id=ann;x":                                         "query",
		"/sessions?user_id=%zz":                                           "query",
		"/sessions/known?limit=1&limit=2":                                 "limit",
		"/users/ann/sessions?status=active&status=active":                 "status",
		"/metrics?start_time=2024-01-01;end_time=2024-01-02":              "query",
		"/audit?actor=ann&actor=bob":                                      "actor",
		"/search?user_id=ann&user_id=bob":                                 "user_id",
		"/blocks?limit=1;cursor=x":                                        "query",
		"/sessions?user_id=%00":                                           "user_id",
		"/sessions/known?limit=501":                                       "limit",
		"/sessions/known?before_seq=0":                                    "before_seq",
		"/sessions/known?after_seq=-1":                                    "after_seq",
		"/users/ann/sessions?limit=201":                                   "limit",
		"/users/ann/sessions?status=open":                                 "status",
		"/metrics?start_time=x":                                           "start_time",
		"/metrics?end_time=x":                                             "end_time",
		"/metrics?start_time=2024-02-02T00:00:00Z&end_time=2024-02-01":    "end_time",
		"/metrics?start_time=2020-01-01&end_time=2024-01-01":              "start_time",
		"/metrics?start_time=9000-01-01":                                  "start_time",
		"/audit?action=look":                                              "action",
		"/audit?session_id=a%20b":                                         "session_id",
		"/audit?from=x":                                                   "from",
		"/audit?to=x":                                                     "to",
		"/audit?limit=501":                                                "limit",
		"/audit?actor=%00":                                                "actor",
		"/audit?user_id=%00":                                              "user_id",
		"/audit?from=2024-02-02T00:00:00Z&to=2024-02-01T23:59:58%2B00:00": "to",
	} {
		status, f := p.fails("GET", "/admin"+query, h, nil)
		assert.Equal(t, 400, status, query)
		assert.Equal(t, "INVALID_FORMAT", f.Code, query)
		assert.True(t, strings.HasPrefix(f.Message, field+":"), "%s: %s", query, f.Message)
	}
}

func TestAdmin_Answers(t *testing.T) {
	p := newPod(t, nil)
	h := roleToken(t, theirTenant, chatbox.RoleAdmin)
	get := func(path string) map[string]any {
		t.Helper()
		status, _, body := p.call("GET", "/admin"+path, h, nil)
		require.Equal(t, 200, status, "%s", body)
		var out map[string]any
		require.NoError(t, json.Unmarshal(body, &out))
		return out
	}
	list := get("/sessions?user_id=ann&status=ended&admin_assisted=true&help_requested=false&start_time_from=2024-01-02" +
		"&start_time_to=2024-01-02&sort_by=duration&sort_order=asc&limit=7&offset=3")
	yes, no := true, false
	day := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, helpdesk.StaffQuery{
		UserID: "ann", Status: "ended", Assisted: &yes, Help: &no, From: day, To: day.AddDate(0, 0, 1),
		Sort: helpdesk.SortDuration, Limit: 7, Offset: 3,
	}, p.conv.list, "a date as an end is all of that day")
	s := list["sessions"].([]any)[0].(map[string]any)
	delete(list, "sessions")
	assert.Equal(t, map[string]any{
		"count": 1.0, "total": 1.0, "total_exact": true, "limit": 7.0, "offset": 3.0, "next_cursor": "more",
	}, list)
	assert.Equal(t, map[string]any{
		"id": "known", "session_id": "known", "user_id": "ann", "name": "n", "status": "ended", "is_active": false,
		"start_time": "2025-06-15T15:06:40.000Z", "end_time": "2025-06-15T15:08:10.000Z", "last_activity": "2025-06-15T15:08:10.000Z",
		"duration": 90.0, "message_count": 4.0, "total_tokens": 12.0, "max_response_time": 200.0, "avg_response_time": 150.0,
		"admin_assisted": true, "assisting_admin_id": "ada", "help_requested": true, "model_id": "m", "tags": []any{}, "unread": 0.0,
	}, s)
	get("/sessions?start_time=2024-01-02T03:04:05Z&end_time=2024-01-02T03:04:06%2B00:00")
	assert.Equal(t, helpdesk.SortActivity, p.conv.list.Sort)
	assert.True(t, p.conv.list.Desc)
	assert.Equal(t, day.Add(3*time.Hour+4*time.Minute+5*time.Second), p.conv.list.From)
	assert.Equal(t, day.Add(3*time.Hour+4*time.Minute+6*time.Second+time.Millisecond), p.conv.list.To, "the moment itself is in it")

	m := get("/metrics?start_time=2024-01-01&end_time=2024-01-02T00:00:00Z")
	assert.Equal(t, map[string]any{"start": "2024-01-01T00:00:00.000Z", "end": "2024-01-02T00:00:00.000Z"}, m["time_range"])
	delete(m, "time_range")
	assert.Equal(t, map[string]any{
		"active_sessions": 4.0, "total_sessions": 9.0, "avg_concurrent": 1.5, "max_concurrent": 3.0, "total_tokens": 8.0,
		"avg_response_time": 3.0, "max_response_time": 6.0, "admin_assisted_count": 5.0, "help_requested_count": 1.0,
		"ratings_count": 3.0, "avg_rating": 3.67,
	}, m)
	day2 := get("/metrics?start_time=2024-01-02&end_time=2024-01-02")["time_range"].(map[string]any)
	assert.Equal(t, "2024-01-02T23:59:59.999Z", day2["end"], "of a date, all of it")
	from, to := p.conv.from, p.conv.to
	get("/metrics?start_time=" + day2["start"].(string) + "&end_time=" + day2["end"].(string))
	assert.Equal(t, []time.Time{from, to}, []time.Time{p.conv.from, p.conv.to}, "asked for again it is the same")
	get("/metrics")
	assert.WithinDuration(t, time.Now().Add(-24*time.Hour), p.conv.from, time.Minute)

	log := get("/audit?actor=bob&user_id=ann&action=session.read&session_id=s&limit=5")
	assert.Equal(t, chatbox.AuditQuery{Actor: "bob", UserID: "ann", Action: "session.read", SessionID: "s", Limit: 5}, p.conv.log)
	assert.Len(t, log["entries"], 1)
	assert.Equal(t, true, get("/audit/verify")["whole"])
	assert.Equal(t, "ann", get("/users/ann/sessions")["user_id"])

	p.conv.unended = true
	status, _, body := p.call("DELETE", "/admin/users/ann", h, nil)
	assert.Equal(t, 202, status)
	assert.JSONEq(t, `{"status":"erasing","user_id":"ann"}`, string(body))
}
