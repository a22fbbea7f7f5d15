package desk_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/desk"
	"chatbox/helpdesk"
)

// shelf is one session, "s" of acme's, and records the calls in order.
type shelf struct {
	sess   chatbox.Session
	queue  []helpdesk.Waiting
	done   []string
	told   []helpdesk.Notice
	refuse error // of the audit log
	deaf   bool  // staff cannot be told
	hangs  bool  // and notifications block instead of failing
}

func (s *shelf) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	if k != s.sess.Key {
		return chatbox.Session{}, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return s.sess, nil
}

func (s *shelf) Record(_ context.Context, a chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error {
	s.done = append(s.done, string(action)+" by "+a.UserID+" of "+about.SessionID+" "+about.UserID)
	return s.refuse
}

func (s *shelf) NotifyStaff(ctx context.Context, n helpdesk.Notice) error {
	if s.hangs {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	if s.deaf {
		return errors.New("away")
	}
	s.told = append(s.told, n)
	return nil
}

func (s *shelf) SetTags(_ context.Context, _ chatbox.SessionKey, tags []string) error {
	s.sess.Tags = tags
	s.done = append(s.done, "tagged")
	return nil
}

func (s *shelf) Assign(_ context.Context, _ chatbox.SessionKey, to chatbox.Assignee) error {
	s.sess.Assignee = to
	s.done = append(s.done, "assigned")
	return nil
}

func (s *shelf) Tags(context.Context, string, int) ([]helpdesk.TagCount, error) { return nil, nil }

func (s *shelf) Workload(context.Context, chatbox.UserKey) (helpdesk.Workload, error) {
	return helpdesk.Workload{Held: 1}, nil
}

func (s *shelf) Queue(_ context.Context, _ string, limit int) ([]helpdesk.Waiting, int64, error) {
	return s.queue[:min(limit, len(s.queue))], int64(len(s.queue)), nil
}

func newShelf() (*shelf, *desk.Labelling) {
	s := &shelf{sess: chatbox.Session{Key: chatbox.SessionKey{Tenant: "acme", ID: "s"}, Owner: "ann"}}
	return s, desk.NewLabelling(desk.LabellingDeps{Catalog: s, Audit: s, Queue: s, Labels: s, Staff: s, Logger: slog.New(slog.DiscardHandler)})
}

func member(id string, role string) chatbox.Actor {
	return chatbox.Actor{Tenant: "acme", UserID: id, Name: "Name of " + id, Roles: []string{role}}
}

func TestSetTags_OnRecordFirst(t *testing.T) {
	s, d := newShelf()
	tags, err := d.SetTags(t.Context(), member("bob", "chat_admin"), "s", []string{" VIP", "b"})
	require.NoError(t, err)
	assert.Equal(t, []string{"VIP", "b"}, tags)
	assert.Equal(t, []string{"session.tag by bob of s ann", "tagged"}, s.done)

	s.done, s.refuse = nil, errors.New("full disk")
	_, err = d.SetTags(t.Context(), member("bob", "admin"), "s", nil)
	require.ErrorIs(t, err, s.refuse)
	assert.Equal(t, []string{"VIP", "b"}, s.sess.Tags, "what cannot be recorded is not done")
	assert.Len(t, s.done, 1)
}

func TestAssign_TellsWhoeverDidNotKnow(t *testing.T) {
	s, d := newShelf()
	bob := member("bob", "admin")
	assign := func(to chatbox.Assignee) chatbox.Assignee {
		t.Helper()
		got, err := d.Assign(t.Context(), bob, "s", to)
		require.NoError(t, err)
		assert.Equal(t, got, s.sess.Assignee)
		return got
	}
	assign(chatbox.Assignee{ID: "eve", Name: "Eve"})
	require.Len(t, s.told, 1)
	assert.WithinDuration(t, time.Now(), s.told[0].Time, time.Minute)
	s.told[0].Time = time.Time{}
	assert.Equal(t, helpdesk.Notice{Tenant: "acme", Event: helpdesk.NoticeAssigned, SessionID: "s", UserID: "ann", AdminID: "bob", To: "eve"}, s.told[0])
	assign(chatbox.Assignee{ID: "eve", Name: "Eve again"})
	assert.Len(t, s.told, 1, "she knows")
	assert.Equal(t, chatbox.Assignee{ID: "bob", Name: "Name of bob"}, assign(chatbox.Assignee{ID: "bob"}))
	assign(chatbox.Assignee{})
	assign(chatbox.Assignee{})
	assert.Len(t, s.told, 1, "nobody is told what he did himself, or of nobody")
	s.deaf = true
	assign(chatbox.Assignee{ID: "eve"})
	assert.Equal(t, "session.assign by bob of s ann", s.done[0])
}

// The change is stored; a notification that hangs must not delay the admin for
// long.
func TestAssign_DoesNotWaitForABusThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := newShelf()
		s.hangs = true
		began := time.Now()
		_, err := d.Assign(t.Context(), member("bob", "admin"), "s", chatbox.Assignee{ID: "eve"})
		require.NoError(t, err)
		assert.Equal(t, "eve", s.sess.Assignee.ID)
		assert.LessOrEqual(t, time.Since(began), 2*time.Second)
	})
}

func TestLabels_WhoMay(t *testing.T) {
	s, d := newShelf()
	elsewhere := chatbox.Actor{Tenant: "other", UserID: "mel", Roles: []string{"admin"}}
	for name, c := range map[string]struct {
		who  chatbox.Actor
		id   string
		want chatbox.Code
	}{
		"a user":           {member("ann", "user"), "s", chatbox.PermissionDenied},
		"a viewer":         {member("vic", "chat_viewer"), "s", chatbox.PermissionDenied},
		"another tenant's": {elsewhere, "s", chatbox.NotFound},
		"unknown":          {member("bob", "admin"), "t", chatbox.NotFound},
		"no session's":     {member("bob", "admin"), "a b", chatbox.NotFound},
	} {
		_, err := d.SetTags(t.Context(), c.who, c.id, []string{"a"})
		require.ErrorIs(t, err, c.want, name)
		_, err = d.Assign(t.Context(), c.who, c.id, chatbox.Assignee{ID: "eve"})
		require.ErrorIs(t, err, c.want, name)
	}
	s.sess.Erased = true
	_, err := d.SetTags(t.Context(), member("bob", "admin"), "s", []string{"a"})
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Empty(t, s.done, "nothing was done, and nothing is on record")
	_, err = d.TagsInUse(t.Context(), member("ann", "user"))
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	_, err = d.Counters(t.Context(), member("ann", "user"))
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	_, err = d.TagsInUse(t.Context(), member("vic", "chat_viewer"))
	require.NoError(t, err)
}

func TestCounters_TheLongestWait(t *testing.T) {
	s, d := newShelf()
	vic := member("vic", "chat_viewer")
	got, err := d.Counters(t.Context(), vic)
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Counters{Workload: helpdesk.Workload{Held: 1}}, got)

	at := time.UnixMilli(1_750_000_000_000)
	s.queue = []helpdesk.Waiting{{Session: s.sess.Key, Since: at}, {Session: chatbox.SessionKey{Tenant: "acme", ID: "t"}, Since: at.Add(time.Minute)}}
	got, err = d.Counters(t.Context(), vic)
	require.NoError(t, err)
	assert.Equal(t, helpdesk.Counters{Workload: helpdesk.Workload{Held: 1}, Waiting: 2, Oldest: "s", Since: at}, got)

	s.queue[0].Since = time.Time{}
	s.sess.State = chatbox.State{HelpPending: true, LastActivity: at.Add(time.Second)}
	got, err = d.Counters(t.Context(), vic)
	require.NoError(t, err)
	assert.Equal(t, at.Add(time.Second), got.Since, "at least since its last activity")

	s.sess.State.HelpPending = false
	got, err = d.Counters(t.Context(), vic)
	require.NoError(t, err)
	assert.Zero(t, got.Since, "somebody has come this moment")
	s.sess.Key.ID = "gone"
	got, err = d.Counters(t.Context(), vic)
	require.NoError(t, err, "erased this moment")
	assert.Zero(t, got.Since)
}
