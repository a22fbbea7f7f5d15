package specs

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/stretchr/testify/assert"
)

// aids is what staff keeps beside the log: notes, and replies that are said
// often.
func (s *scene) aids() {
	a, boss := s.open(s.ann, 0, "?session_id=s-3"), s.open(s.rob, 1, "")
	boss.send(`{"type":"watch","session_id":"s-3","seq":0}`)
	boss.sees("end of the resume", isType("resumed"), of("s-3"))
	text := fmt.Sprintf(`{"text":%q}`, s.mark)
	notes := "/admin/sessions/s-3/notes"
	note := s.ask(s.bob, http.StatusCreated, http.MethodPost, notes, text).member(s.t, "id")
	boss.sees("the note", isType("notification"), of("s-3"), meta("event", "note"), meta("note_id", note), meta("admin_id", "bob"))
	s.ask(s.bob, http.StatusOK, http.MethodPatch, notes+"/"+note, `{"text":"`+s.mark+` again"}`)
	s.ask(s.rob, http.StatusForbidden, http.MethodPatch, notes+"/"+note, text)
	list := s.ask(s.rob, http.StatusOK, http.MethodGet, notes, "")
	assert.Contains(s.t, list.body, s.mark+" again")
	other := s.ask(s.rob, http.StatusCreated, http.MethodPost, notes, text).member(s.t, "id")
	s.ask(s.bob, http.StatusForbidden, http.MethodDelete, notes+"/"+other, "")
	s.ask(s.rob, http.StatusOK, http.MethodDelete, notes+"/"+other, "")
	boss.sees("its end", isType("notification"), meta("note_id", other), meta("change", "deleted"))
	assert.NotContains(s.t, a.all(), `"note`, "nothing of it is for the user")
	assert.NotContains(s.t, s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-3/export", "").body, s.mark+" again")

	canned := `{"shortcut":"hello","title":"` + s.mark + `","text":"Hello {{user_name|` + s.mark + `}}, {{ user_id }} {{session_name|x}}"}`
	reply := s.ask(s.bob, http.StatusCreated, http.MethodPost, "/admin/replies", canned).member(s.t, "id")
	s.ask(s.bob, http.StatusConflict, http.MethodPost, "/admin/replies", canned)
	bye := s.ask(s.bob, http.StatusCreated, http.MethodPost, "/admin/replies", `{"shortcut":"bye","text":"Bye"}`).member(s.t, "id")
	s.ask(s.rob, http.StatusConflict, http.MethodPut, "/admin/replies/"+bye, canned)
	s.ask(s.rob, http.StatusOK, http.MethodPut, "/admin/replies/"+bye, `{"shortcut":"farewell","text":"Bye"}`)
	filled := s.ask(s.bob, http.StatusOK, http.MethodPost, "/admin/replies/"+reply+"/render", `{"session_id":"s-3"}`)
	assert.Equal(s.t, "Hello Name of ann, ann "+s.mark+" [[words=3]]", filled.member(s.t, "content"))
	assert.Contains(s.t, filled.body, `"missing":[]`)
	order := s.ask(s.rob, http.StatusOK, http.MethodGet, "/admin/replies", "").body
	assert.Less(s.t, strings.Index(order, "farewell"), strings.Index(order, "hello"))
	s.ask(s.bob, http.StatusOK, http.MethodDelete, "/admin/replies/"+bye, "")
}

// noteRoutes are about what staff writes about a session.
func noteRoutes() map[string]staffRoute {
	long := fmt.Sprintf(`{"text":%q}`, strings.Repeat("x", 4001))
	text := map[string][]string{"text": {`{"text":7}`, `{"text":" \n"}`, long, `{"text":"a","text":"b"}`}}
	written := func(c *callers) map[string]string {
		return map[string]string{
			"note_id": c.me.want(http.StatusCreated, http.MethodPost, "/admin/sessions/s-1/notes", `{"text":"Zinnober"}`).member(c.w.t, "id"),
		}
	}
	return map[string]staffRoute{
		"GET /admin/sessions/{id}/notes": {viewers: true},
		"POST /admin/sessions/{id}/notes": {
			body: `{"text":"Zinnober"}`, status: http.StatusCreated, missing: "text", bad: text,
		},
		"PATCH /admin/sessions/{id}/notes/{note_id}":  {body: `{"text":"Zinnober"}`, missing: "text", bad: text, before: written},
		"DELETE /admin/sessions/{id}/notes/{note_id}": {before: written},
	}
}

// replyRoutes are about what staff says often.
func replyRoutes() map[string]staffRoute {
	const good = `{"shortcut":"hello","title":"Hello","text":"Hello {{user_id}}"}`
	long := func(n int) string { return strings.Repeat("x", n) }
	bad := map[string][]string{
		"shortcut": {`{"shortcut":7,"text":"x"}`, `{"shortcut":"Hello","text":"x"}`, `{"shortcut":"a b","text":"x"}`, `{"shortcut":"` + long(41) + `","text":"x"}`},
		"title":    {`{"shortcut":"a","text":"x","title":[]}`, `{"shortcut":"a","text":"x","title":"a\nb"}`, `{"shortcut":"a","text":"x","title":"` + long(201) + `"}`},
		"text": {
			`{"shortcut":"a","text":7}`, `{"shortcut":"a","text":" "}`, `{"shortcut":"a","text":"` + long(8001) + `"}`,
			`{"shortcut":"a","text":"{{password}}"}`, `{"shortcut":"a","text":"{{user_id"}`,
		},
	}
	written := func(c *callers) map[string]string {
		return map[string]string{
			"reply_id": c.w.person(c.tenant, "zoe", "admin").want(http.StatusCreated, http.MethodPost, "/admin/replies", good).member(c.w.t, "id"),
		}
	}
	return map[string]staffRoute{
		"GET /admin/replies":               {viewers: true, before: written},
		"POST /admin/replies":              {body: good, status: http.StatusCreated, missing: "shortcut", bad: bad},
		"PUT /admin/replies/{reply_id}":    {body: good, missing: "shortcut", bad: bad, before: written, foreign: http.StatusNotFound},
		"DELETE /admin/replies/{reply_id}": {before: written, foreign: http.StatusNotFound},
		"POST /admin/replies/{reply_id}/render": {
			viewers: true, body: `{"session_id":"s-1"}`, missing: "session_id", before: written, foreign: http.StatusNotFound,
			bad: map[string][]string{"session_id": {`{"session_id":7}`}},
		},
	}
}
