package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/hub"
	"chatbox/test/fuzz"
)

// FuzzBodies sends a body to each route that changes something. It is answered
// as the contract says, what the use cases get of it is text, and a body that is
// refused reaches none of them.
func FuzzBodies(f *testing.F) {
	var did deeds
	s, routes := changing(f, &did)
	for i, r := range routes {
		for _, body := range bodies() {
			f.Add(i, []byte(body))
		}
		if r.Path == "/sessions/:id/messages" {
			f.Add(i, []byte(`{"id":"m-1","content":"a","metadata":{"a":1,"b":null,"c":[]}}`))
		}
	}
	admin := map[string]any{"roles": []string{chatbox.RoleAdmin}, "exp": 9999999999} // a long run is longer than an hour
	header := bearerHeader(token(f, admin))
	fuzz.Run(f, func(t fuzz.T, route int, body []byte) {
		r := routes[uint(route)%uint(len(routes))]
		did = deeds{}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, requestOf(r, header, body))
		if w.Code < http.StatusBadRequest {
			checkAccepted(t, r, body, did)
			return
		}
		var shown failure
		err := json.Unmarshal(w.Body.Bytes(), &shown)
		if w.Code >= http.StatusInternalServerError || err != nil || shown.Code == "" || shown.Message == "" {
			t.Fatalf("%s %s answers %d %s to %q", r.Method, r.Path, w.Code, w.Body, body)
		}
		if did.n > 0 {
			t.Fatalf("%s %s refuses %q with %s and does it", r.Method, r.Path, body, w.Body)
		}
	})
}

func checkAccepted(tb testing.TB, r *echo.Route, body []byte, did deeds) {
	tb.Helper()
	if did.n != 1 {
		tb.Fatalf("%s %s does %d things of %q", r.Method, r.Path, did.n, body)
	}
	for _, text := range did.texts {
		if !utf8.ValidString(text) {
			tb.Fatalf("%s %s takes %q out of %q", r.Method, r.Path, text, body)
		}
		if text != "" && !json.Valid(body) {
			tb.Fatalf("%s %s takes %q out of what is no JSON: %q", r.Method, r.Path, text, body)
		}
	}
}

// bodies have every field that some route reads.
func bodies() []string {
	return []string{
		``, ` `, `{}`, `null`, `[]`, `{"text":null}`, `{"name":"n","name":"m"}`,
		`{"name":"a < b","text":"\ud83d\udc4b","content":"hi","id":"m-1","metadata":{"page":"/p","n":1e9,"b":true,"z":null}}`,
		`{"expires_in":60,"score":5,"comment":"fine","session_id":"s-1","status":"away"}`,
		`{"shortcut":"hello","title":"Hello","text":"Hello {user}","tags":["a","b c"],"admin_id":"bob","admin_name":"Bob"}`,
		`{"reason":"spam","until":"2030-01-02T03:04:05.678Z"}`,
		`{"hours":"Mon-Fri 09:00-17:00","time_zone":"Europe/Berlin","closed_days":["2026-12-24"],"away_message":"later"}`,
	}
}

func requestOf(r *echo.Route, header http.Header, body []byte) *http.Request {
	path := strings.NewReplacer(":id", "s-1", ":note_id", "n-1", ":reply_id", "r-1").Replace(r.Path)
	return &http.Request{
		Method: r.Method, URL: &url.URL{Path: path}, Host: "pod", RemoteAddr: "127.0.0.1:1", Header: header,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(body)),
	}
}

// changing returns an edge over use cases that accept every call, and its routes
// that change something, in order.
func changing(f *testing.F, did *deeds) (*Server, []*echo.Route) {
	f.Helper()
	reg := prometheus.NewRegistry()
	s := New(Config{Pod: "pod-1"}, Deps{
		Talks: willing{did: did}, History: willing{did: did}, Privacy: willing{did: did},
		Feedback: willing{did: did}, Files: noFiles{}, HelpDesk: deskOf(willingDesk{did: did}), Blocking: willingDesk{did: did}, Access: willingDesk{did: did},
		Hub: hub.New(hub.Config{}, Encoder("/chatbox"), hub.NewMetrics(reg)), Auth: NewAuth(AuthConfig{Secret: []byte(secret)}),
		Readiness: &fakeReadiness{ready: true}, Metrics: reg, Registerer: reg, Logger: slog.New(slog.DiscardHandler),
	})
	var routes []*echo.Route
	for _, r := range s.edge.echo.Routes() {
		if slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, r.Method) {
			routes = append(routes, r)
		}
	}
	slices.SortFunc(routes, func(a, b *echo.Route) int { return cmp.Compare(a.Path+a.Method, b.Path+b.Method) })
	return s, routes
}

// deeds are what the use cases were asked to do.
type deeds struct {
	n     int
	texts []string
}

func (d *deeds) do(texts ...string) error {
	d.n++
	d.texts = append(d.texts, texts...)
	return nil
}

// willing are the use cases of routes that change something.
type willing struct {
	Talks
	Library
	Sharing
	Overview
	AuditTrail
	Privacy

	did *deeds
}

func (w willing) Rename(_ context.Context, _ chatbox.Actor, _, name string) (chatbox.Session, error) {
	return chatbox.Session{}, w.did.do(name)
}

func (w willing) End(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) Erase(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) PostMessage(_ context.Context, _ chatbox.Actor, c chatbox.Command) (chatbox.Event, error) {
	texts := []string{c.ID, c.Content}
	for k, v := range c.Metadata {
		texts = append(texts, k, v)
	}
	return chatbox.Event{}, w.did.do(texts...)
}

func (w willing) PostAsHolder(ctx context.Context, a chatbox.Actor, c chatbox.Command) (chatbox.Event, error) {
	return w.PostMessage(ctx, a, c)
}

func (w willing) Rate(_ context.Context, _ chatbox.Actor, _ string, _ int, comment string) (chatbox.Rating, error) {
	return chatbox.Rating{}, w.did.do(comment)
}

func (w willing) Give(_ context.Context, _ chatbox.Actor, _, _ string, _ chatbox.Opinion, comment string) (*chatbox.Feedback, error) {
	return nil, w.did.do(comment)
}

func (w willing) Share(context.Context, chatbox.Actor, string, time.Duration) (string, chatbox.Share, error) {
	return "", chatbox.Share{}, w.did.do()
}

func (w willing) Unshare(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) TakeOver(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) HandBack(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) Transfer(_ context.Context, _ chatbox.Actor, _, to, name string) error {
	return w.did.do(to, name)
}

func (w willing) EndAsStaff(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willing) ErasePerson(context.Context, chatbox.Actor, string, time.Time) (bool, error) {
	return true, nil
}

// willingDesk is the rest.
type willingDesk struct {
	deskFake
	Access
	Blocking

	did *deeds
}

func (willingDesk) Admit(context.Context, chatbox.Actor) error { return nil }

func (w willingDesk) Ticket(context.Context, chatbox.Actor) (string, time.Duration, error) {
	return "t", time.Second, w.did.do()
}

func (w willingDesk) Disconnect(context.Context, chatbox.Actor, string) (chatbox.Withdrawal, error) {
	return chatbox.Withdrawal{}, w.did.do()
}

func (w willingDesk) Block(_ context.Context, _ chatbox.Actor, b helpdesk.Block) (helpdesk.Block, error) {
	return b, w.did.do(b.Reason)
}

func (w willingDesk) Unblock(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willingDesk) AddNote(_ context.Context, _ chatbox.Actor, _, text string) (helpdesk.Note, error) {
	return helpdesk.Note{}, w.did.do(text)
}

func (w willingDesk) EditNote(_ context.Context, _ chatbox.Actor, _, _, text string) (helpdesk.Note, error) {
	return helpdesk.Note{}, w.did.do(text)
}

func (w willingDesk) DeleteNote(context.Context, chatbox.Actor, string, string) error {
	return w.did.do()
}

func (w willingDesk) AddReply(_ context.Context, _ chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error) {
	return r, w.did.do(r.Shortcut, r.Title, r.Text)
}

func (w willingDesk) ReplaceReply(ctx context.Context, a chatbox.Actor, r helpdesk.CannedReply) (helpdesk.CannedReply, error) {
	return w.AddReply(ctx, a, r)
}

func (w willingDesk) DeleteReply(context.Context, chatbox.Actor, string) error { return w.did.do() }

func (w willingDesk) RenderReply(_ context.Context, _ chatbox.Actor, _, sessionID string) (string, []string, error) {
	return "", nil, w.did.do(sessionID)
}

func (w willingDesk) SetTags(_ context.Context, _ chatbox.Actor, _ string, tags []string) ([]string, error) {
	return tags, w.did.do(tags...)
}

func (w willingDesk) Assign(_ context.Context, _ chatbox.Actor, _ string, to chatbox.Assignee) (chatbox.Assignee, error) {
	return to, w.did.do(to.ID, to.Name)
}

func (w willingDesk) SetSupport(_ context.Context, _ chatbox.Actor, s helpdesk.Settings) (helpdesk.EffectiveSettings, error) {
	return helpdesk.EffectiveSettings{Settings: s}, w.did.do(append(s.ClosedDays, s.Hours, s.TimeZone, s.AwayMessage)...)
}

func (w willingDesk) ResetSupport(context.Context, chatbox.Actor) (helpdesk.EffectiveSettings, error) {
	return helpdesk.EffectiveSettings{}, w.did.do()
}

func (w willingDesk) SayAvailability(_ context.Context, _ chatbox.Actor, status helpdesk.StaffStatus) error {
	return w.did.do(string(status))
}
