package alert

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/internal/sleep"
)

func TestTell_ThreePodsTellEachAlertOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(200)
		mail, hook := &sink{name: "email-1", kind: helpdesk.ViaEmail}, &sink{name: "webhook", kind: helpdesk.ViaWebhook}
		for _, pod := range []string{"a", "b", "c"} {
			s, _, _ := tm.run(t, pod, mail, hook)
			for i := range 200 {
				s.Raise(chatbox.Event{Session: numbered(i).Session, Seq: 1})
			}
		}
		pass(2 * time.Minute)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertDone: 200}, tm.store.states())
		assert.Len(t, mail.took(), 200)
		assert.Len(t, hook.took(), 200)
		assert.Len(t, tm.staff.told(), 200)
		assert.Equal(t, 200, tm.staff.mended)
		ids := map[string]bool{}
		for _, id := range mail.took() {
			ids[id] = true
		}
		assert.Len(t, ids, 200, "each its own id")
		assert.Equal(t, 200, tm.seen.of("email sent"))
	})
}

func TestTell_OnlyWhatFailedIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(1)
		var ids []string
		mail := &sink{name: "email-1", kind: helpdesk.ViaEmail}
		hook := &sink{name: "webhook", kind: helpdesk.ViaWebhook, refuse: func(_ context.Context, nth int) error {
			if nth < 4 {
				return errAway
			}
			return nil
		}}
		tm.run(t, "a", mail, hook)
		pass(10 * time.Minute)
		ids = append(ids, hook.took()...)
		assert.Equal(t, []string{numbered(0).ID()}, ids, "with the alert's id")
		assert.Equal(t, 4, hook.asks())
		assert.Len(t, mail.took(), 1, "what was taken is not sent again")
		assert.Len(t, tm.staff.told(), 1)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertDone: 1}, tm.store.states())
		assert.Equal(t, 3, tm.seen.of("webhook retried"))
	})
}

func TestTell_APodThatDiesWhileItSends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(1)
		mail := &sink{name: "email-1", kind: helpdesk.ViaEmail, refuse: func(ctx context.Context, nth int) error {
			if nth == 1 {
				<-ctx.Done() // the connection hangs until its pod is gone
			}
			return ctx.Err()
		}}
		_, _, crash := tm.run(t, "a", mail)
		pass(4 * time.Second)
		assert.Equal(t, 1, mail.asks())
		crash()
		tm.run(t, "b", mail)
		pass(DefaultConfig().Lease / 2)
		assert.Equal(t, 1, mail.asks(), "the claim holds as long as its holder might send")
		pass(DefaultConfig().Lease)
		assert.Len(t, mail.took(), 1)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertDone: 1}, tm.store.states())
	})
}

func TestTell_GivenUpIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(1)
		never := func(context.Context, int) error { return errAway }
		one, two := &sink{name: "sms-1", kind: helpdesk.ViaSMS, refuse: never}, &sink{name: "sms-2", kind: helpdesk.ViaSMS, refuse: never}
		mail := &sink{name: "email-1", kind: helpdesk.ViaEmail}
		tm.run(t, "a", one, two, mail)
		pass(30 * time.Minute)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertPending: 1}, tm.store.states(), "not yet")
		pass(time.Hour)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertFailed: 1}, tm.store.states())
		assert.Equal(t, DefaultConfig().Tries, one.asks())
		assert.Len(t, mail.took(), 1)
		if assert.Len(t, tm.staff.told(), 2, "asked for help; and once that a kind of channel failed") {
			n := tm.staff.told()[1]
			assert.Equal(t, helpdesk.NoticeAlertFailed, n.Event)
			assert.Equal(t, helpdesk.ViaSMS, n.Channel)
			assert.Equal(t, "s-0", n.SessionID)
		}
		assert.Equal(t, 2, tm.seen.of("sms failed"))
	})
}

func TestTell_AHistoryThatIsAwayAfterwardsRepeatsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(1)
		mail := &sink{name: "email-1", kind: helpdesk.ViaEmail}
		mail.refuse = func(context.Context, int) error { tm.store.set(true); return nil }
		tm.run(t, "a", mail)
		pass(15 * time.Second)
		assert.Len(t, mail.took(), 1)
		tm.store.set(false)
		pass(5 * time.Minute)
		assert.Len(t, mail.took(), 1)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertDone: 1}, tm.store.states())
	})
}

func TestRun_LetsWhatIsBeingSentComeToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(1)
		mail := &sink{name: "email-1", kind: helpdesk.ViaEmail, refuse: func(ctx context.Context, _ int) error {
			sleep.For(ctx, 5*time.Second)
			return ctx.Err()
		}}
		_, stop, _ := tm.run(t, "a", mail)
		pass(4 * time.Second)
		stop()
		assert.Len(t, mail.took(), 1)
		assert.Equal(t, map[chatbox.AlertState]int{chatbox.AlertDone: 1}, tm.store.states())

		hang := &sink{name: "email-1", kind: helpdesk.ViaEmail, refuse: func(ctx context.Context, _ int) error { <-ctx.Done(); return ctx.Err() }}
		tm = newTeam(1)
		_, stop, _ = tm.run(t, "a", hang)
		pass(4 * time.Second)
		began := time.Now()
		stop()
		assert.LessOrEqual(t, time.Since(began), DefaultConfig().SendTimeout, "bounded")
		assert.Empty(t, hang.took())
	})
}

func TestAlertKey_IDIsStableAndItsOwn(t *testing.T) {
	a := numbered(1).ID()
	assert.Equal(t, a, numbered(1).ID())
	assert.Regexp(t, `^alert_[a-z2-7]{26}$`, a)
	other := numbered(1)
	other.Seq = 2
	assert.NotEqual(t, a, other.ID())
	tenant := numbered(1)
	tenant.Session.Tenant = ""
	assert.NotEqual(t, a, tenant.ID())
}
