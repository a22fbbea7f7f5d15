package specs

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
)

// eventsPath is a route whose responses do not end. Any free session may be followed.
const eventsPath = "/sessions/{id}/events"

const coverageFile = "../../docs/protocol/coverage.md"

// elsewhere maps each response that TestCoverage does not provoke to the test that
// does, or to the reason why there is none.
var elsewhere = map[string]string{
	"DELETE /admin/users/{id} 202":        "needs more data than can be erased at once; `TestAdmin_Answers` in `app/api/admin_test.go`",
	"POST /admin/sessions/{id}/notes 409": "needs 200 notes; `TestAids_Full` in `app/api/aids_test.go`",
	"GET /sessions/{id}/events 200":       "a stream does not end; `TestEvents_AreFramesAndOnlyPlacesHaveIDs` in `app/api/events_test.go`",
	"code frame LIMIT_EXCEEDED":           "needs 100 sessions with one file; `TestUsable_AFileOfManySessions` in `app/files/life_test.go`",
	"code rest LLM_UNAVAILABLE":           "needs a speech vendor that refuses; `TestSpeech_FailuresKeepNothing` in `test/cluster/speech_test.go`",
	"code rest LLM_TIMEOUT":               "needs a speech vendor that sends nothing for a minute; `TestSpeak_VendorRefuses` in `app/speech/speech_test.go`",
	"code answer SERVICE_ERROR":           "needs an internal error of a pod, which no test provokes",
	"code answer DATABASE_ERROR":          "needs a question that no key opens; `TestUnreadable_AQuestionFailsOnceAndTheNextIsAnswered` in `test/cluster/unreadable_test.go`",
}

// TestCoverage goes through everything that the documents name, and keeps a
// table of what it met.
func TestCoverage(t *testing.T) {
	rec := Record(t)
	w := start(t, rec, func(cfg *devstack.Config) {
		cfg.Live.WatchNotice, cfg.Answer.Disclosure = true, "A model answers you."
	})
	s := newScene(w, "", "Wort")
	s.play()
	s.watched()
	w.doors()
	w.generic(s)
	w.limits(t, rec)
	fileRoutes(t, rec)
	away(t, rec)
	w.drain(s)
	compare(t, rec)
}

// body is a request's body that suits the path.
func body(method, path string) string {
	switch {
	case strings.HasSuffix(path, "/tags"):
		return `{"tags":["x"]}`
	case strings.HasSuffix(path, "/assignee"):
		return `{"admin_id":"x"}`
	case strings.Contains(path, "/notes"):
		return `{"text":"x"}`
	case strings.HasSuffix(path, "/render"):
		return `{"session_id":"unheard-of"}`
	case strings.Contains(path, "/replies"):
		return `{"shortcut":"x","text":"x"}`
	case method == http.MethodPatch:
		return `{"name":"x"}`
	case strings.HasSuffix(path, "/files"):
		return upload("x")
	case strings.HasSuffix(path, "/feedback"):
		return `{"value":"up"}`
	case method == http.MethodPost && strings.HasSuffix(path, "/rating"):
		return `{"score":1}`
	case strings.HasSuffix(path, "/messages"):
		return `{"content":"x"}`
	case strings.HasSuffix(path, "/availability"):
		return `{"status":"available"}`
	case strings.HasSuffix(path, "/transfer"):
		return `{"admin_id":"zoe"}`
	}
	return ""
}

// filled puts names that nobody has into a path.
func filled(path string) string {
	return parameter.ReplaceAllString(path, "unheard-of")
}

// doors are what anyone may ask for, and what nobody may.
func (w *world) doors() {
	anyone := person{w: w, id: "anyone"}
	for path, status := range map[string]int{
		"/healthz": 200, "/metrics/prometheus": 200, "/docs": 200, "/docs/openapi.yaml": 200, "/docs/openapi.json": 200,
		"/docs/asyncapi.yaml": 200, "/docs/asyncapi.json": 200, "/docs/other": 404, "/nothing": 404, "/ws": 401,
	} {
		anyone.want(status, http.MethodGet, path, "")
	}
	w.eventually("ready pod", func() bool { return anyone.at(0, http.MethodGet, "/readyz", "").status == http.StatusOK })
	anyone.want(http.StatusForbidden, http.MethodGet, "/metrics/prometheus", "", "X-Forwarded-For", "203.0.113.9")
	anyone.want(http.StatusMethodNotAllowed, http.MethodPut, "/sessions", "")
	w.person("", "ann").want(http.StatusBadRequest, http.MethodGet, "/ws", "")
	stale := person{w: w, id: "ann", token: w.signed("", "ann", -time.Hour/2)}
	assert.Equal(w.t, "EXPIRED_TOKEN", stale.want(http.StatusUnauthorized, http.MethodGet, "/sessions", "").member(w.t, "code"))
}

// generic provokes the refusals that are the same everywhere.
func (w *world) generic(s *scene) {
	anyone, large := person{w: w, id: "anyone"}, strings.Repeat(" ", 257<<10)
	out := w.person("", "out")
	s.rob.want(http.StatusOK, http.MethodPut, "/admin/users/out/block", "")
	w.eventually("block on both pods", func() bool {
		return out.at(0, http.MethodGet, "/sessions", "").status == http.StatusForbidden && out.at(1, http.MethodGet, "/sessions", "").status == http.StatusForbidden
	})
	for _, op := range w.rec.docs.Operations {
		path, who := filled(op.Path), w.person("", "cid")
		staff := strings.HasPrefix(op.Path, "/admin")
		for _, status := range op.statuses() {
			switch status {
			case http.StatusUnauthorized:
				anyone.want(status, op.Method, path, "")
			case http.StatusForbidden:
				if staff {
					who.want(status, op.Method, path, body(op.Method, path))
				}
				if op.kinds[http.StatusUnauthorized] != nil {
					out.want(status, op.Method, path, body(op.Method, path))
				}
			}
		}
		if staff {
			who = s.rob
		}
		if op.kinds[http.StatusRequestEntityTooLarge] != nil && op.Path != "/files" {
			who.want(http.StatusRequestEntityTooLarge, op.Method, path, large)
		}
		if op.kinds[http.StatusNotFound] != nil && op.Method+op.Path != "POST/sessions/{id}/messages" && op.Path != eventsPath && op.Path != "/files/{id}/content" {
			who.want(http.StatusNotFound, op.Method, path, body(op.Method, path))
		}
	}
	w.person("", "cid").want(http.StatusNotFound, http.MethodPost, "/sessions/s-1/messages", `{"content":"x"}`)
	w.person("", "cid").want(http.StatusNotFound, http.MethodGet, "/sessions/s-1/events", "")
	for path, text := range map[string]string{
		"PATCH /sessions/s-1": `{"name":7}`, "POST /sessions/s-1/messages": `[]`, "POST /sessions/s-1/share": `{"expires_in":0}`,
		"PUT /admin/support": `{"hours":7}`, "PUT /admin/availability": `{}`, "POST /sessions/s-1/rating": `{"score":6}`, "PUT /sessions/s-1/messages/ans_x/feedback": `{"value":"good"}`, "GET /sessions/s-1?limit=0": "", "GET /sessions/s-1/events?last_seq=x": "", "GET /sessions/s-1/export?format=pdf": "", "POST /admin/takeover/s-1/transfer": `{}`,
		"POST /admin/sessions/s-1/messages": `{}`, "GET /admin/sessions?limit=0": "", "GET /admin/sessions/s-1?limit=0": "",
		"PUT /admin/sessions/s-1/tags": `{}`, "PUT /admin/sessions/s-1/assignee": `{}`,
		"POST /admin/sessions/s-1/notes": `{}`, "PATCH /admin/sessions/s-1/notes/n": `{}`,
		"POST /admin/replies": `{}`, "PUT /admin/replies/r": `{"text":"x"}`, "POST /admin/replies/r/render": `{}`,
		"GET /admin/users/ann/sessions?limit=0": "", "GET /admin/metrics?start_time=x": "", "GET /admin/audit?limit=0": "", "GET /admin/search?limit=0": "", "GET /admin/previews?sessions=a%20b": "", "DELETE /admin/users/%00": "", "POST /admin/users/%00/disconnect": "",
		"PUT /admin/users/ann/block": `{"until":"tomorrow"}`, "GET /admin/users/%00/block": "", "DELETE /admin/users/%00/block": "", "GET /admin/blocks?limit=0": "",
	} {
		method, at, _ := strings.Cut(path, " ")
		who := s.ann
		if strings.HasPrefix(at, "/admin") {
			who = s.bob
		}
		who.want(http.StatusBadRequest, method, at, text)
	}
}

// limits provokes 429 and the pod's cap, on a stack whose limits are small.
func (w *world) limits(t *testing.T, rec *Recorder) {
	t.Helper()
	small := start(t, rec, func(cfg *devstack.Config) {
		cfg.Access.UserRate, cfg.Access.AdminRate = 1, 1
		cfg.Redis.MaxSocketsPerUsr, cfg.Hub.MaxConns = 1, 1
	})
	for _, op := range rec.docs.Operations {
		if op.kinds[http.StatusTooManyRequests] == nil || op.Path == "/ws" || op.Path == eventsPath || op.Path == "/shared/{token}" || op.Path == "/files/{id}/content" {
			continue
		}
		who := small.person("", "gil", "admin")
		for range 3 { // the first of all counts; where it arrives is no matter
			who.at(0, op.Method, filled(op.Path), body(op.Method, op.Path))
		}
	}
	anyone := person{w: small, id: "anyone"}
	for range 2*300 + 1 { // 300 may be sent per minute, and a minute may end in between
		if anyone.at(0, http.MethodGet, "/shared/none", "").status == http.StatusTooManyRequests {
			break
		}
	}
	first := small.person("", "hal").socket(0, "")
	_, refused := small.person("", "hal").dial(1, "", nil)
	assert.Equal(t, http.StatusTooManyRequests, refused.status)
	small.person("", "hal").want(http.StatusTooManyRequests, http.MethodGet, "/sessions/s-hal/events", "")
	_, refused = small.person("", "ida").dial(0, "", nil)
	assert.Equal(t, http.StatusServiceUnavailable, refused.status)
	_ = first.ws.Close()
}

// drain is the end of a pod, as its sockets and those who come too late see it.
func (w *world) drain(s *scene) {
	last := [2]*socket{s.ann.socket(0, "?session_id=s-9"), s.ann.socket(1, "")}
	last[0].send(`{"type":"user_message","id":"m-1","session_id":"s-9","content":"%s [[words=4000 delay=5ms]]"}`, s.mark)
	last[0].sees("a piece", isType("ai_response"), meta("reply_to", "m-1"))
	n := slices.IndexFunc(w.stack.Pods(), func(p devstack.PodState) bool { return w.stack.Generations(p.ID) > 0 })
	require.GreaterOrEqual(w.t, n, 0, "no pod gives the answer")
	done := make(chan error, 1)
	go func() { done <- w.stack.DrainPod(w.ctx, w.stack.Pods()[n].ID) }()
	w.eventually("an unready pod", func() bool { return s.ann.at(n, http.MethodGet, "/readyz", "").status == http.StatusServiceUnavailable })
	_, late := s.ann.dial(n, "", nil)
	assert.Equal(w.t, http.StatusServiceUnavailable, late.status)
	last[n].sees("the way out", isType("reconnect"))
	last[n].closed(4003)
	require.NoError(w.t, <-done)
}

// compare holds the table to what was seen. It fails where something was
// neither seen nor explained, and where an explanation is out of date.
func compare(t *testing.T, rec *Recorder) {
	t.Helper()
	var b bytes.Buffer
	var missing []string
	used := map[string]bool{}
	cell := func(what string) string {
		if rec.Seen(what) {
			return "seen"
		}
		why, known := elsewhere[what]
		used[what] = true
		if !known {
			missing = append(missing, what)
		}
		return "not seen: " + why
	}
	fmt.Fprintf(&b, "# Test coverage of the specifications\n\nWritten by `TestCoverage` (`UPDATE_DOCS=1 go test ./test/specs -run TestCoverage`). The test fails if this page is out of date, if a\n"+
		"pod sends a response that the specifications do not describe, or if a described response is neither seen nor explained here.\n")
	b.WriteString("\n## Requests\n\n| operation | status | |\n|---|---|---|\n")
	for _, op := range rec.docs.Operations {
		for _, status := range op.statuses() {
			fmt.Fprintf(&b, "| `%s %s` | %d | %s |\n", op.Method, op.Path, status, cell(fmt.Sprintf("%s %s %d", op.Method, op.Path, status)))
		}
	}
	b.WriteString("\n## Frames\n\n| from | type | kind | |\n|---|---|---|---|\n")
	for side, kinds := range map[string][]*message{"client": rec.docs.Client} {
		for _, m := range kinds {
			fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", side, m.Type, m.Name, cell(side+" "+m.Name))
		}
	}
	for _, m := range rec.docs.Server {
		fmt.Fprintf(&b, "| server | `%s` | %s | %s |\n", m.Type, m.Name, cell("server "+m.Name))
	}
	b.WriteString("\n## Error codes\n\n| in | code | |\n|---|---|---|\n")
	for _, in := range []struct {
		name  string
		codes []string
	}{{"rest", rec.docs.RESTCodes}, {"frame", rec.docs.FrameCodes}, {"answer", rec.docs.AnswerCodes}} {
		for _, c := range in.codes {
			fmt.Fprintf(&b, "| %s | `%s` | %s |\n", in.name, c, cell("code "+in.name+" "+c))
		}
	}
	for what := range elsewhere {
		assert.True(t, used[what], "%s is seen here, or is not documented: no excuse is needed", what)
	}
	for _, what := range missing {
		t.Errorf("%s was not seen, and nothing says where it is", what)
	}
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(coverageFile, b.Bytes(), 0o600))
	}
	kept, err := os.ReadFile(coverageFile)
	require.NoError(t, err)
	assert.Equal(t, b.String(), string(kept), "run it with UPDATE_DOCS=1")
}
