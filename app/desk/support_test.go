package desk_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/desk"
	"chatbox/helpdesk"
)

var (
	ada = staff("ada", chatbox.RoleAdmin)
	ann = staff("ann")
)

// pass advances the bubble's clock and waits for what that triggers.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// seen returns the connected staff of the tenant, as vic sees them.
func seen(t *testing.T, s *teamDesk) (out []string) {
	t.Helper()
	online, err := s.StaffOnline(t.Context(), vic)
	require.NoError(t, err)
	for _, m := range online {
		out = append(out, fmt.Sprint(m.User.ID, " ", m.Status, " holds ", m.Holding))
	}
	return out
}

func reason(t *testing.T, s *teamDesk) helpdesk.Reason {
	t.Helper()
	now, _, err := s.SupportNow(t.Context(), ann)
	require.NoError(t, err)
	return now.Reason
}

func TestSupport_SettingsAreTheTenantsOrTheDefault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the clock begins on 2000-01-01, a Saturday
		f, s := newTeam(helpdesk.Settings{Hours: "Mon 09:00-10:00", AwayMessage: "default"})
		info, err := s.Support(t.Context(), vic)
		require.NoError(t, err)
		assert.Equal(t, helpdesk.EffectiveSettings{
			Settings: helpdesk.Settings{Hours: "Mon 09:00-10:00", TimeZone: "UTC", ClosedDays: []string{}, AwayMessage: "default"},
			OpensAt:  time.Date(2000, 1, 3, 9, 0, 0, 0, time.UTC),
		}, info)
		own := helpdesk.Settings{Hours: "daily 08:00-12:00", ClosedDays: []string{"2000-01-02"}, AwayMessage: "ours"}
		for range 2 {
			info, err = s.SetSupport(t.Context(), ada, own)
			require.NoError(t, err)
		}
		assert.True(t, info.Custom)
		assert.Equal(t, time.Date(2000, 1, 1, 8, 0, 0, 0, time.UTC), info.OpensAt)
		now, _, err := s.SupportNow(t.Context(), ann)
		require.NoError(t, err)
		assert.Equal(t, helpdesk.Availability{Reason: helpdesk.ReasonClosed, Message: "ours", OpensAt: info.OpensAt}, now, "at once on this pod")
		other := ann
		other.Tenant = "other"
		now, _, err = s.SupportNow(t.Context(), other)
		require.NoError(t, err)
		assert.Equal(t, "default", now.Message)
		info, err = s.ResetSupport(t.Context(), ada)
		require.NoError(t, err)
		assert.False(t, info.Custom)
		assert.Equal(t, []chatbox.AuditAction{chatbox.AuditSupportChange, chatbox.AuditSupportChange, chatbox.AuditSupportChange}, f.acts)

		_, err = s.SetSupport(t.Context(), ada, helpdesk.Settings{Hours: "never"})
		require.ErrorIs(t, err, chatbox.InvalidArgument)
		for _, a := range []chatbox.Actor{vic, ann} {
			_, err = s.SetSupport(t.Context(), a, own)
			require.ErrorIs(t, err, chatbox.PermissionDenied)
			_, err = s.ResetSupport(t.Context(), a)
			require.ErrorIs(t, err, chatbox.PermissionDenied)
		}
		_, err = s.Support(t.Context(), ann)
		require.ErrorIs(t, err, chatbox.PermissionDenied)
		f.noStore = true
		_, err = s.SetSupport(t.Context(), ada, own)
		require.ErrorIs(t, err, chatbox.StoreFailed, "what cannot be put on record is not done")
		assert.Empty(t, f.cards)
	})
}

func TestSupport_AChangeElsewhereIsHereWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newTeam(helpdesk.Settings{})
		elsewhere := desk.NewSupport(desk.Config{}, desk.SupportDeps{Cards: teamCards{f: f}, Audit: f})
		assert.Equal(t, helpdesk.ReasonNobody, reason(t, s))
		_, err := elsewhere.SetSupport(t.Context(), ada, helpdesk.Settings{Hours: "Mon 09:00-10:00"})
		require.NoError(t, err)
		before := f.reads
		for range 100 {
			reason(t, s)
		}
		assert.Equal(t, before, f.reads, "not read for each who asks")
		pass(4 * time.Second)
		assert.Equal(t, helpdesk.ReasonClosed, reason(t, s))

		f.with(func() { f.noStore = true })
		pass(10 * time.Minute)
		info := s.HelpAsked(t.Context(), "conn", ann, "s")
		assert.Equal(t, helpdesk.ReasonClosed, info.Reason, "what was read counts on while the store is away")
		pass(10 * time.Minute)
		info = s.HelpAsked(t.Context(), "conn", ann, "s")
		assert.Equal(t, helpdesk.HelpInfo{SessionID: "s", Requested: true}, info, "but not for ever")
	})
}

func TestPresence_FollowsTheSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newTeam(helpdesk.Settings{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.KeepPresence(ctx) }()
		defer func() { cancel(); <-done }()
		synctest.Wait()
		assert.Equal(t, helpdesk.ReasonNobody, reason(t, s))
		s.StaffArrived(t.Context(), ann)
		assert.Empty(t, seen(t, s))
		s.StaffArrived(t.Context(), ada)
		assert.Equal(t, []string{"ada available holds 2"}, seen(t, s), "before its socket is greeted")
		f.sockets(ada)
		synctest.Wait()
		assert.Equal(t, helpdesk.ReasonOpen, reason(t, s))

		require.NoError(t, s.SayAvailability(t.Context(), ada, helpdesk.StaffAway))
		assert.Equal(t, helpdesk.ReasonNobody, reason(t, s))
		f.with(func() { clear(f.connected) })
		pass(3 * time.Second)
		assert.Equal(t, []string{"ada away holds 2"}, seen(t, s), "an emptied Redis has it again")
		require.NoError(t, s.SayAvailability(t.Context(), ada, helpdesk.StaffAvailable))
		assert.Equal(t, helpdesk.ReasonOpen, reason(t, s))
		require.ErrorIs(t, s.SayAvailability(t.Context(), ada, "busy"), chatbox.InvalidArgument)
		require.ErrorIs(t, s.SayAvailability(t.Context(), vic, helpdesk.StaffAway), chatbox.PermissionDenied)
		_, err := s.StaffOnline(t.Context(), ann)
		require.ErrorIs(t, err, chatbox.PermissionDenied)

		f.with(func() { f.noRedis = true })
		f.sockets()
		synctest.Wait()
		f.with(func() { f.noRedis = false })
		pass(3 * time.Second)
		assert.Empty(t, seen(t, s), "a departure that could not be told is told later")
		assert.Equal(t, helpdesk.ReasonNobody, reason(t, s))
	})
}

func TestPlaces_AreToldToWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newTeam(helpdesk.Settings{})
		key := func(id string) chatbox.SessionKey { return chatbox.SessionKey{Tenant: "t", ID: id} }
		for i, id := range []string{"a", "b", "c"} {
			f.queue = append(f.queue, helpdesk.Waiting{Session: key(id), Owner: "ann", Since: waitedSince(i)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); s.SendPositions(ctx) }()
		defer func() { cancel(); <-done }()
		pass(10 * time.Second)
		assert.Zero(t, f.looks, "nobody waits here")

		f.with(func() { f.here["t"], f.untold = []chatbox.SessionKey{key("b"), key("c"), key("new")}, true })
		f.stirred <- struct{}{}
		pass(300 * time.Millisecond)
		assert.Equal(t, []string{"b is {2 false 3}", "c is {3 false 3}"}, f.said(), "one whom the queue does not have is not told")
		assert.Equal(t, 1, f.looks, "one look for all")
		f.with(func() { f.queue = f.queue[1:] })
		pass(3 * time.Second)
		assert.Equal(t, []string{"b is {1 false 2}", "c is {2 false 2}"}, f.said())
		f.with(func() { f.noStore = true })
		pass(3 * time.Second)
		assert.Empty(t, f.said())
		f.with(func() { f.noStore, f.more = false, 5000 })
		pass(3 * time.Second)
		assert.Equal(t, []string{"b is {1 false 5002}", "c is {2 false 5002}", "new is {1000 true 5002}"}, f.said())
	})
}

func TestHelp_SaysWhereSomebodyStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, s := newTeam(helpdesk.Settings{AwayMessage: "later"})
		for i, id := range []string{"a", "b"} {
			f.queue = append(f.queue, helpdesk.Waiting{Session: chatbox.SessionKey{Tenant: "t", ID: id}, Owner: "ann", Since: waitedSince(i)})
		}
		nobody := helpdesk.Availability{Reason: helpdesk.ReasonNobody, Message: "later"}
		info, err := s.HelpOf(t.Context(), ann, "b")
		require.NoError(t, err)
		want := helpdesk.HelpInfo{
			SessionID: "b", Requested: true, Pending: true, Since: waitedSince(1), Place: &helpdesk.QueuePosition{Position: 2, Waiting: 2}, Availability: nobody,
		}
		assert.Equal(t, want, info)
		info, err = s.HelpOf(t.Context(), ann, "quiet")
		require.NoError(t, err)
		assert.Equal(t, helpdesk.HelpInfo{SessionID: "quiet", Availability: nobody}, info)
		assert.Equal(t, &helpdesk.QueuePosition{Position: 3, Waiting: 3}, s.HelpAsked(t.Context(), "conn", ann, "new").Place, "who is not stored yet counts")
		_, err = s.HelpOf(t.Context(), ada, "b")
		require.ErrorIs(t, err, chatbox.NotFound)
		f.more = 2000
		pass(time.Millisecond)
		assert.Equal(t, &helpdesk.QueuePosition{Position: 1000, Beyond: true, Waiting: 2002}, s.HelpAsked(t.Context(), "conn", ann, "new").Place)

		f.noRedis = true
		info = s.HelpAsked(t.Context(), "conn", ann, "b")
		want.Place, want.Availability = &helpdesk.QueuePosition{Position: 2, Waiting: 2002}, helpdesk.Availability{}
		assert.Equal(t, want, info, "what is not known is left out")
		_, err = s.HelpOf(t.Context(), ann, "b")
		require.ErrorIs(t, err, chatbox.Unavailable)
		f.noStore = true
		pass(time.Hour)
		assert.Equal(t, helpdesk.HelpInfo{SessionID: "b", Requested: true}, s.HelpAsked(t.Context(), "conn", ann, "b"))
	})
}
