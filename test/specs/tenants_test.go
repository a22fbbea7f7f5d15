package specs

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
)

// onlyIn is a session that one tenant alone has.
const onlyIn = "only-in-one"

// TestTenants_AreWalls: two tenants play the same course at once, with the same ids of users, sessions and messages, on the same pods. Neither is
// shown, counted, limited, closed or erased by what the other does.
func TestTenants_AreWalls(t *testing.T) {
	rec, redis := Record(t), miniredis.RunT(t)
	w := start(t, rec, func(cfg *devstack.Config) { cfg.RedisURL = "redis://" + redis.Addr() })
	marks := map[string]string{"north": "Zinnober", "south": "Kobalt"}
	scenes := map[string]*scene{}
	for tenant, mark := range marks {
		scenes[tenant] = newScene(w, tenant, mark)
	}
	t.Run("at once", func(t *testing.T) {
		for tenant, s := range scenes {
			t.Run(tenant, func(t *testing.T) {
				t.Parallel()
				own := *w
				own.t = t
				played := newScene(&own, tenant, s.mark)
				played.play()
				s.sockets, s.bodies = played.sockets, played.bodies
			})
		}
	})
	north, south := scenes["north"], scenes["south"]
	apart(t, north, south.mark)
	apart(t, south, north.mark)
	assert.Equal(t, outline(t, north, "s-1"), outline(t, south, "s-1"))
	assert.Equal(t, outline(t, north, "s-3"), outline(t, south, "s-3"))
	for _, path := range []string{
		"/sessions?limit=200", "/admin/sessions?limit=1000", "/admin/users/ann/sessions", "/admin/metrics", "/admin/audit?limit=500",
		"/admin/replies", "/admin/sessions/s-3/notes",
	} {
		assert.Equal(t, counts(t, north, path), counts(t, south, path), path)
	}

	// One tenant has a session that the other has not.
	ear := north.open(north.bob, 0, "")
	own, other := south.open(w.person("south", "zoe"), 1, "?session_id="+onlyIn), south.open(south.bob, 0, "")
	before := counts(t, north, "/admin/metrics")
	own.send(`{"type":"help_request","id":"h-9","session_id":"%s","content":"%s"}`, onlyIn, south.mark)
	other.sees("the notice", isType("notification"), of(onlyIn))
	south.ask(south.bob, http.StatusOK, http.MethodPost, "/admin/takeover/"+onlyIn, "")
	for _, try := range []struct{ method, path, body string }{
		{http.MethodGet, "/sessions/", ""},
		{http.MethodPatch, "/sessions/", `{"name":"x"}`},
		{http.MethodDelete, "/sessions/", ""},
		{http.MethodGet, "/admin/sessions/", ""},
		{http.MethodPost, "/admin/takeover/", ""},
	} {
		north.ask(north.bob, http.StatusNotFound, try.method, try.path+onlyIn, try.body)
	}
	north.ask(north.bob, http.StatusNotFound, http.MethodPost, "/admin/sessions/"+onlyIn+"/end", "")
	north.ask(north.bob, http.StatusNotFound, http.MethodGet, "/admin/sessions/"+onlyIn+"/notes", "")
	north.ask(north.bob, http.StatusNotFound, http.MethodPost, "/admin/sessions/"+onlyIn+"/notes", `{"text":"x"}`)
	ear.send(`{"type":"watch","id":"w-9","session_id":"%s"}`, onlyIn)
	ear.sees("refusal", isType("error"), of(onlyIn))
	for _, path := range []string{"/admin/sessions?limit=1000", "/sessions?limit=200"} {
		assert.NotContains(t, north.ask(north.bob, http.StatusOK, http.MethodGet, path, "").body, onlyIn, path)
	}
	found := north.ask(north.bob, http.StatusOK, http.MethodGet, "/admin/search?q="+south.mark, "").body
	assert.Contains(t, found, `"results":[]`, "the other's words are not found")
	assert.Equal(t, before, counts(t, north, "/admin/metrics"))
	assert.NotContains(t, ear.all(), "notification")
	// The same id is free in the other tenant, and stays two sessions.
	mine := north.open(north.ann, 0, "?session_id="+onlyIn)
	mine.send(`{"type":"user_message","id":"m-1","session_id":"%s","content":"%s [[words=2]]"}`, onlyIn, north.mark)
	mine.sees("final", finalOf("m-1"))
	assert.NotContains(t, own.all(), north.mark)
	assert.NotContains(t, other.all(), north.mark)
	apart(t, north, south.mark)
	assert.NotContains(t, w.person("", "ann").want(http.StatusOK, http.MethodGet, "/metrics/prometheus", "").body, "north")
	stored := redis.Dump()
	for tenant, mark := range marks {
		assert.NotContains(t, stored, mark, "what was said stands readable in Redis")
		assert.NotContains(t, stored, `"`+tenant+`"`)
	}
}

// apart fails if anything that the tenant was sent holds the other's word, or
// if its limits counted what the other did.
func apart(t *testing.T, s *scene, foreign string) {
	t.Helper()
	all := strings.Join(s.brought(), "\n")
	require.Contains(t, all, s.mark)
	assert.NotContains(t, all, foreign, s.tenant)
	for _, limit := range []string{"TOO_MANY_REQUESTS", "CONNECTION_LIMIT_EXCEEDED"} {
		assert.Equal(t, 1, strings.Count(all, limit), "%s: %s", s.tenant, limit)
	}
}

// outline is a session's history without what differs from one run to another:
// ids that pods make, times, and how answers were cut into pieces.
func outline(t *testing.T, s *scene, session string) []string {
	t.Helper()
	var h struct {
		Messages []struct {
			Seq                       int64
			Type, Sender, ID, Content string
		}
	}
	a := s.ask(s.bob, http.StatusOK, http.MethodGet, "/admin/sessions/"+session, "")
	require.NoError(t, json.Unmarshal([]byte(a.body), &h))
	require.NotEmpty(t, h.Messages)
	var out []string
	for _, m := range h.Messages {
		id := m.ID
		if len(id) > 8 { // a pod's
			id = ""
		}
		line := fmt.Sprintf("%d %s %s %s", m.Seq, m.Type, m.Sender, id)
		if m.Sender != "ai" {
			line += " " + strings.ReplaceAll(m.Content, s.mark, "…")
		}
		out = append(out, line)
	}
	return out
}

// counts are the numbers of a list or a sum that must not depend on others.
func counts(t *testing.T, s *scene, path string) map[string]any {
	t.Helper()
	var all map[string]any
	who := s.bob
	if strings.HasPrefix(path, "/sessions") {
		who = s.ann
	}
	require.NoError(t, json.Unmarshal([]byte(s.ask(who, http.StatusOK, http.MethodGet, path, "").body), &all))
	out := map[string]any{}
	for _, name := range []string{"count", "total", "total_sessions", "active_sessions", "help_requested_count", "admin_assisted_count"} {
		if v, there := all[name]; there {
			out[name] = v
		}
	}
	require.NotEmpty(t, out, path)
	return out
}
