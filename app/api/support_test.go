package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/helpdesk"
)

// otherAids are the use cases that have fakes of their own or are tested on whole
// pods.
type otherAids struct{ deskFake }

// fakeAids fakes the help desk for the edge.
type fakeAids struct {
	otherAids
	fakeSupport
}

// fakeSupport has two kinds of tenants: theirTenant has staff available, all
// others are closed.
type fakeSupport struct {
	down bool // as if Redis were unavailable

	mu   sync.Mutex // guards following
	set  *helpdesk.Settings
	said map[chatbox.UserKey]helpdesk.StaffStatus
	came []chatbox.UserKey
}

func (f *fakeSupport) Support(_ context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.set == nil || a.Tenant != theirTenant {
		return helpdesk.EffectiveSettings{Settings: helpdesk.Settings{TimeZone: "UTC", ClosedDays: []string{}}, Open: true}, nil
	}
	return helpdesk.EffectiveSettings{Settings: *f.set, Custom: true, OpensAt: at()}, nil
}

func (f *fakeSupport) SetSupport(ctx context.Context, a chatbox.Actor, given helpdesk.Settings) (helpdesk.EffectiveSettings, error) {
	clean, _, err := given.Clean()
	if err != nil {
		return helpdesk.EffectiveSettings{}, err
	}
	f.mu.Lock()
	f.set = &clean
	f.mu.Unlock()
	return f.Support(ctx, a)
}

func (f *fakeSupport) ResetSupport(ctx context.Context, a chatbox.Actor) (helpdesk.EffectiveSettings, error) {
	f.mu.Lock()
	f.set = nil
	f.mu.Unlock()
	return f.Support(ctx, a)
}

func (f *fakeSupport) now(a chatbox.Actor) helpdesk.Availability {
	if a.Tenant == theirTenant {
		return helpdesk.Availability{Reason: helpdesk.ReasonOpen}
	}
	return helpdesk.Availability{Reason: helpdesk.ReasonClosed, Message: "Back <soon>.", OpensAt: at()}
}

func (f *fakeSupport) SupportNow(_ context.Context, a chatbox.Actor) (helpdesk.Availability, int64, error) {
	if f.down {
		return helpdesk.Availability{}, 0, chatbox.NewError(chatbox.Unavailable, "", errors.New("redis is away"))
	}
	return f.now(a), 7, nil
}

func (f *fakeSupport) HelpOf(_ context.Context, a chatbox.Actor, id string) (helpdesk.HelpInfo, error) {
	info := helpdesk.HelpInfo{SessionID: id, Availability: f.now(a)}
	switch id {
	case "quiet":
		return info, nil
	case "waits", "far":
		info.Requested, info.Pending, info.Since = true, true, at()
		info.Place = &helpdesk.QueuePosition{Position: 2, Waiting: 7}
		if id == "far" {
			info.Place = &helpdesk.QueuePosition{Position: helpdesk.MaxPlaces, Beyond: true, Waiting: 1234}
		}
		return info, nil
	default:
		return info, chatbox.NewError(chatbox.NotFound, "no such session", nil)
	}
}

func (f *fakeSupport) HelpAsked(ctx context.Context, _ chatbox.ConnID, a chatbox.Actor, id string) helpdesk.HelpInfo {
	if f.down {
		return helpdesk.HelpInfo{SessionID: id, Requested: true}
	}
	info, _ := f.HelpOf(ctx, a, id)
	return info
}

func (f *fakeSupport) StaffArrived(_ context.Context, a chatbox.Actor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.came = append(f.came, a.User())
}

func (f *fakeSupport) StaffOnline(_ context.Context, a chatbox.Actor) ([]helpdesk.StaffOnline, error) {
	if a.Tenant != theirTenant {
		return nil, nil
	}
	m := helpdesk.StaffMember{User: chatbox.UserKey{Tenant: theirTenant, ID: "ada"}, Name: "Ada", Status: helpdesk.StaffAway, Since: at()}
	return []helpdesk.StaffOnline{{StaffMember: m, Holding: 2}}, nil
}

func (f *fakeSupport) SayAvailability(_ context.Context, a chatbox.Actor, status helpdesk.StaffStatus) error {
	if status != helpdesk.StaffAvailable && status != helpdesk.StaffAway {
		return chatbox.Invalid("status", "must be available or away")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.said == nil {
		f.said = map[chatbox.UserKey]helpdesk.StaffStatus{}
	}
	f.said[a.User()] = status
	return nil
}

// asks makes requests with a header and compares whole answers.
func (p *pod) asks(h http.Header, method, path, body string) (int, map[string]any) {
	p.t.Helper()
	status, _, b := p.call(method, path, h, strings.NewReader(body))
	var out map[string]any
	require.NoError(p.t, json.Unmarshal(b, &out), "%s", b)
	return status, out
}

func TestSupport_Settings(t *testing.T) {
	p := newPod(t, nil)
	h := roleToken(t, theirTenant, chatbox.RoleChatAdmin)
	byDefault := map[string]any{
		"hours": "", "time_zone": "UTC", "closed_days": []any{}, "away_message": "", "source": "default", "open": true,
	}
	_, got := p.asks(h, "GET", "/admin/support", "")
	assert.Equal(t, byDefault, got)
	status, got := p.asks(h, "PUT", "/admin/support",
		`{"hours":"mon 9:00-10:00","time_zone":"Europe/Berlin","closed_days":["2026-12-25","2026-01-01"],"away_message":" <b>Back</b>\nsoon ","more":1}`)
	assert.Equal(t, 200, status)
	own := map[string]any{
		"hours": "Mon 09:00-10:00", "time_zone": "Europe/Berlin", "closed_days": []any{"2026-01-01", "2026-12-25"},
		"away_message": " <b>Back</b>\nsoon ", "source": "tenant", "open": false, "opens_at": "2026-03-04T05:06:07.080Z",
	}
	assert.Equal(t, own, got)
	_, got = p.asks(roleToken(t, theirTenant, chatbox.RoleChatViewer), "GET", "/admin/support", "")
	assert.Equal(t, own, got)
	_, got = p.asks(roleToken(t, "other", chatbox.RoleAdmin), "GET", "/admin/support", "")
	assert.Equal(t, byDefault, got)
	for body, field := range map[string]string{
		`{"hours":"Mon 9-10"}`: "hours", `{"hours":7}`: "hours", `{"hours":"","hours":""}`: "hours",
		`{"time_zone":"Berlin"}`: "time_zone", `{"time_zone":1}`: "time_zone",
		`{"closed_days":"2026-12-25"}`: "closed_days", `{"closed_days":[7]}`: "closed_days", `{"closed_days":["25.12."]}`: "closed_days",
		`{"away_message":"` + strings.Repeat("x", 1001) + `"}`: "away_message", `{"away_message":{}}`: "away_message", `[]`: "body",
	} {
		status, got := p.asks(h, "PUT", "/admin/support", body)
		assert.Equal(t, 400, status, body)
		assert.Equal(t, "INVALID_FORMAT", got["code"], body)
		message, _ := got["message"].(string)
		assert.True(t, strings.HasPrefix(message, field+":"), "%s: %s", body, message)
	}
	_, got = p.asks(h, "GET", "/admin/support", "")
	assert.Equal(t, own, got, "what was refused changed nothing")
	status, got = p.asks(h, "DELETE", "/admin/support", "")
	assert.Equal(t, 200, status)
	assert.Equal(t, byDefault, got)
	status, got = p.asks(h, "PUT", "/admin/support", "")
	assert.Equal(t, 200, status)
	assert.Empty(t, got["hours"], "what is absent is empty")
}

func TestSupport_IsAskedForByUsers(t *testing.T) {
	p := newPod(t, nil)
	theirs, others := bearerHeader(token(t, map[string]any{"tenant": theirTenant})), bearerHeader(token(t, nil))
	_, got := p.asks(theirs, "GET", "/support", "")
	assert.Equal(t, map[string]any{"available": true, "reason": "open", "waiting": 7.0}, got)
	_, got = p.asks(others, "GET", "/support", "")
	closed := map[string]any{
		"available": false, "reason": "closed", "message": "Back <soon>.", "opens_at": "2026-03-04T05:06:07.080Z", "waiting": 7.0,
	}
	assert.Equal(t, closed, got)
	_, got = p.asks(theirs, "GET", "/sessions/quiet/help", "")
	assert.Equal(t, map[string]any{"session_id": "quiet", "requested": false, "waiting": false, "available": true, "reason": "open"}, got)
	_, got = p.asks(theirs, "GET", "/sessions/waits/help", "")
	waits := map[string]any{
		"session_id": "waits", "requested": true, "waiting": true, "position": 2.0, "position_exact": true, "ahead": 1.0,
		"since": "2026-03-04T05:06:07.080Z", "available": true, "reason": "open",
	}
	assert.Equal(t, waits, got)
	_, got = p.asks(others, "GET", "/sessions/far/help", "")
	assert.Equal(t, false, got["position_exact"])
	assert.InDelta(t, 1000, got["position"], 0)
	assert.Equal(t, "Back <soon>.", got["message"])
	for _, id := range []string{"nobodys", "a%20b"} {
		status, f := p.fails("GET", "/sessions/"+id+"/help", theirs, nil)
		assert.Equal(t, 404, status)
		assert.Equal(t, "NOT_FOUND", f.Code)
	}
	for _, path := range []string{"/support", "/sessions/waits/help"} {
		status, f := p.fails("GET", path, nil, nil)
		assert.Equal(t, 401, status)
		assert.Equal(t, "INVALID_TOKEN", f.Code)
	}
	p.aids.down = true
	status, f := p.fails("GET", "/support", theirs, nil)
	assert.Equal(t, 503, status)
	assert.Equal(t, "SERVICE_ERROR", f.Code)
	assert.NotContains(t, f.Message, "redis")
}

func TestStaff_SayWhetherTheyAreThere(t *testing.T) {
	p := newPod(t, nil)
	h := roleToken(t, theirTenant, chatbox.RoleChatAdmin)
	_, got := p.asks(roleToken(t, theirTenant, chatbox.RoleChatViewer), "GET", "/admin/staff", "")
	assert.Equal(t, map[string]any{"count": 1.0, "staff": []any{map[string]any{
		"admin_id": "ada", "admin_name": "Ada", "status": "away", "holding": 2.0, "since": "2026-03-04T05:06:07.080Z",
	}}}, got)
	_, got = p.asks(roleToken(t, "other", chatbox.RoleAdmin), "GET", "/admin/staff", "")
	assert.Equal(t, map[string]any{"count": 0.0, "staff": []any{}}, got)
	status, got := p.asks(h, "PUT", "/admin/availability", `{"status":"away"}`)
	assert.Equal(t, 200, status)
	assert.Equal(t, map[string]any{"admin_id": "ada", "status": "away"}, got)
	for body, code := range map[string]string{
		`{}`: "MISSING_FIELD", `{"status":null}`: "MISSING_FIELD", `{"status":""}`: "MISSING_FIELD",
		`{"status":"busy"}`: "INVALID_FORMAT", `{"status":true}`: "INVALID_FORMAT", `{"status":"away","status":"away"}`: "INVALID_FORMAT",
	} {
		status, got := p.asks(h, "PUT", "/admin/availability", body)
		assert.Equal(t, 400, status, body)
		assert.Equal(t, code, got["code"], body)
		assert.Contains(t, got["message"], "status", body)
	}
	ada := chatbox.UserKey{Tenant: theirTenant, ID: "ada"}
	assert.Equal(t, map[chatbox.UserKey]helpdesk.StaffStatus{ada: helpdesk.StaffAway}, p.aids.said)
}

func TestStaff_AreCountedBeforeTheyAreGreeted(t *testing.T) {
	p := newPod(t, nil)
	s := p.openRaw("", roleToken(t, theirTenant, chatbox.RoleAdmin))
	require.Equal(t, "connection_status", s.read()["type"])
	p.aids.mu.Lock()
	defer p.aids.mu.Unlock()
	assert.Equal(t, []chatbox.UserKey{{Tenant: theirTenant, ID: "ada"}}, p.aids.came)
}

func TestHelp_ConfirmationSaysWhoComesAndWhen(t *testing.T) {
	p := newPod(t, nil)
	ask := func(s *socket) (string, map[string]any) {
		t.Helper()
		s.send(`{"type":"help_request","id":"h-1","session_id":"waits"}`)
		f := s.read()
		require.Equal(t, "connection_status", f["type"])
		content, _ := f["content"].(string)
		meta, _ := f["metadata"].(map[string]any)
		return content, meta
	}
	theirs := p.openRaw("", bearerHeader(token(t, map[string]any{"tenant": theirTenant})))
	theirs.read()
	content, meta := ask(theirs)
	assert.Equal(t, "Help request sent. Somebody will be with you as soon as possible.", content)
	assert.Equal(t, map[string]any{"event": "help_requested", "available": "true", "reason": "open", "position": "2", "waiting": "7"}, meta)
	content, meta = ask(p.open(""))
	assert.Equal(t, "Help request sent. Back <soon>.", content)
	assert.Equal(t, map[string]any{
		"event": "help_requested", "available": "false", "reason": "closed", "position": "2", "waiting": "7", "opens_at": "2026-03-04T05:06:07.080Z",
	}, meta)
	p.aids.down = true
	content, meta = ask(p.open(""))
	assert.Equal(t, "Help request sent. Somebody will be with you as soon as possible.", content)
	assert.Equal(t, map[string]any{"event": "help_requested"}, meta, "what is not known is left out")
}

func TestHelpComes(t *testing.T) {
	nobody := helpdesk.Availability{Reason: helpdesk.ReasonNobody}
	for name, tc := range map[string]struct {
		info helpdesk.HelpInfo
		want string
	}{
		"nobody, and no word of it":      {helpdesk.HelpInfo{Pending: true, Availability: nobody}, helpNobody},
		"somebody holds the session":     {helpdesk.HelpInfo{Availability: nobody}, helpSoon},
		"not known":                      {helpdesk.HelpInfo{Pending: true}, helpSoon},
		"there, whatever the message is": {helpdesk.HelpInfo{Pending: true, Availability: helpdesk.Availability{Reason: helpdesk.ReasonOpen, Message: "x"}}, helpSoon},
	} {
		assert.Equal(t, tc.want, helpComes(tc.info), name)
	}
}
