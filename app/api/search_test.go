package api

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

// fakeSearch finds one message in one tenant and notes what it was asked.
type fakeSearch struct {
	deskFake

	searched helpdesk.SearchQuery
	wordsOff bool
}

func (f *fakeSearch) Search(_ context.Context, a chatbox.Actor, q helpdesk.SearchQuery) (helpdesk.SearchPage, error) {
	f.searched = q
	if f.wordsOff && q.Words != "" {
		return helpdesk.SearchPage{}, chatbox.Invalid("q", "off")
	}
	page := helpdesk.SearchPage{WordsOff: f.wordsOff}
	if a.Tenant != theirTenant {
		return page, nil
	}
	at := time.UnixMilli(1_750_000_000_000).UTC()
	said := chatbox.Event{ID: "m-1", Seq: 2, Sender: chatbox.SenderUser, Time: at, Content: "all of it"}
	page.Hits = []helpdesk.SearchHit{{Session: knownSession(), Message: &said, Excerpt: "…<b>of</b> it"}, {Session: knownSession()}}
	page.Next = "more"
	return page, nil
}

func TestSearch_Roles(t *testing.T) {
	f := &fakeSearch{}
	p := newPod(t, func(s *setup) { s.aids = f })
	for _, c := range []struct {
		tenant, role string
		status, hits int
	}{
		{theirTenant, chatbox.RoleAdmin, 200, 2},
		{theirTenant, chatbox.RoleChatAdmin, 200, 2},
		{theirTenant, chatbox.RoleChatViewer, 200, 2},
		{"other", chatbox.RoleAdmin, 200, 0},
		{theirTenant, "user", 403, 0},
	} {
		status, _, body := p.call("GET", "/admin/search?q=a", roleToken(t, c.tenant, c.role), nil)
		assert.Equal(t, c.status, status, c)
		var out foundList
		require.NoError(t, json.Unmarshal(body, &out))
		assert.Len(t, out.Results, c.hits, c)
	}
	status, _, _ := p.call("GET", "/admin/search?q=a", nil, nil)
	assert.Equal(t, 401, status)
}

func TestSearch_Answers(t *testing.T) {
	f := &fakeSearch{}
	p := newPod(t, func(s *setup) { s.aids = f })
	h := roleToken(t, theirTenant, chatbox.RoleAdmin)
	status, _, body := p.call("GET", "/admin/search?q=of+%22it%22&user_id=ann&name=n&status=ended&tag=a&tag=+B+&from=2024-01-02&to=2024-01-02&limit=7&cursor=c", h, nil)
	require.Equal(t, 200, status, "%s", body)
	day := time.Date(2024, 1, 2, 0, 0, 0, 0, time.UTC)
	assert.Equal(t, helpdesk.SearchQuery{
		Words: `of "it"`, UserID: "ann", Name: "n", Status: "ended", Tags: []string{"a", "B"}, From: day, To: day.AddDate(0, 0, 1), Limit: 7, Cursor: "c",
	}, f.searched)
	var out map[string]any
	require.NoError(t, json.Unmarshal(body, &out))
	results, _ := out["results"].([]any)
	require.Len(t, results, 2)
	first, _ := results[0].(map[string]any)
	assert.Equal(t, map[string]any{
		"id": "m-1", "seq": 2.0, "sender": "user", "timestamp": "2025-06-15T15:06:40.000Z", "excerpt": "…<b>of</b> it",
	}, first["message"], "the excerpt and nothing else of it")
	assert.Equal(t, "known", first["session"].(map[string]any)["session_id"])
	assert.NotContains(t, results[1], "message")
	delete(out, "results")
	assert.Equal(t, map[string]any{"count": 2.0, "next_cursor": "more", "words": "on"}, out)

	f.wordsOff = true
	_, _, body = p.call("GET", "/admin/search", roleToken(t, "other", chatbox.RoleAdmin), nil)
	assert.JSONEq(t, `{"results":[],"count":0,"next_cursor":"","words":"off"}`, string(body))
	assert.Equal(t, defaultFound, f.searched.Limit)
	status, why := p.fails("GET", "/admin/search?q=a", h, nil)
	assert.Equal(t, 400, status)
	assert.True(t, strings.HasPrefix(why.Message, "q:"), why.Message)
}

func TestSearch_BadParameters(t *testing.T) {
	f := &fakeSearch{}
	p := newPod(t, func(s *setup) { s.aids = f })
	h := roleToken(t, theirTenant, chatbox.RoleChatViewer)
	for query, field := range map[string]string{
		"user_id=%00": "user_id", "status=open": "status", "from=x": "from", "to=2024-13-01": "to", "tag=%09": "tag", "tag=": "tag", "tag=a" + strings.Repeat("&tag=a", 20): "tag", "limit=0": "limit", "limit=101": "limit",
		"from=2024-02-02T00:00:00Z&to=2024-02-01": "to",
	} {
		f.searched = helpdesk.SearchQuery{}
		status, why := p.fails("GET", "/admin/search?q=a&"+query, h, nil)
		assert.Equal(t, 400, status, query)
		assert.Equal(t, "INVALID_FORMAT", why.Code, query)
		assert.True(t, strings.HasPrefix(why.Message, field+":"), "%s: %s", query, why.Message)
		assert.Zero(t, f.searched, "nothing was looked for")
	}
}
