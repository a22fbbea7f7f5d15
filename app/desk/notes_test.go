package desk_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

var (
	bob = staff("bob", chatbox.RoleChatAdmin)
	rob = staff("rob", chatbox.RoleAdmin)
	cat = staff("cat", chatbox.RoleChatAdmin)
	vic = staff("vic", chatbox.RoleChatViewer)
)

func TestNotes_WrittenReadChangedDeleted(t *testing.T) {
	o := open(t)
	o.session("s", func(s *chatbox.Session) { s.State = chatbox.State{Head: 1, Ended: true} })
	text := " <b>kept</b>\n\x00as it is 🙂 "
	n, err := o.AddNote(t.Context(), bob, "s", text)
	require.NoError(t, err)
	assert.Equal(t, []string{"bob", "Name of bob", text, "s"}, []string{n.AuthorID, n.AuthorName, n.Text, n.Session.ID})
	assert.Zero(t, n.UpdatedAt)
	second, err := o.AddNote(t.Context(), cat, "s", "second")
	require.NoError(t, err)
	got, err := o.Notes(t.Context(), vic, "s")
	require.NoError(t, err)
	assert.ElementsMatch(t, []helpdesk.Note{n, second}, got)
	assert.Equal(t, []chatbox.AuditAction{chatbox.AuditSessionNote, chatbox.AuditSessionNote, chatbox.AuditSessionNotes}, o.recorded())

	_, err = o.EditNote(t.Context(), rob, "s", n.ID, "mine now")
	require.ErrorIs(t, err, chatbox.PermissionDenied, "an admin as well")
	require.ErrorIs(t, o.DeleteNote(t.Context(), cat, "s", n.ID), chatbox.PermissionDenied)
	assert.Empty(t, o.recorded(), "who may not is not on record as if")
	edited, err := o.EditNote(t.Context(), bob, "s", n.ID, "better")
	require.NoError(t, err)
	assert.Equal(t, "better", edited.Text)
	assert.False(t, edited.UpdatedAt.IsZero())
	got, err = o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	assert.Contains(t, got, edited)

	require.NoError(t, o.DeleteNote(t.Context(), rob, "s", n.ID))
	require.NoError(t, o.DeleteNote(t.Context(), cat, "s", second.ID))
	require.ErrorIs(t, o.DeleteNote(t.Context(), rob, "s", n.ID), chatbox.NotFound)
	_, err = o.EditNote(t.Context(), bob, "s", n.ID, "x")
	require.ErrorIs(t, err, chatbox.NotFound)
	var changes []string
	for _, u := range o.told {
		assert.Equal(t, chatbox.SessionKey{Tenant: "t", ID: "s"}, u.Session)
		assert.Equal(t, "ann", u.Owner)
		require.Equal(t, cluster.NotificationNote, u.Notification.Event)
		require.Equal(t, cluster.ToStaff, u.Notification.To)
		changes = append(changes, u.Notification.Metadata["change"]+" by "+u.Notification.Metadata["admin_id"])
	}
	assert.Equal(t, []string{"added by bob", "added by cat", "edited by bob", "deleted by rob", "deleted by cat"}, changes)
}

func TestNotes_WhoMayNot(t *testing.T) {
	o := open(t)
	o.session("s")
	o.session("gone", func(s *chatbox.Session) { s.State = chatbox.State{Head: 1, Erased: true} })
	n, err := o.AddNote(t.Context(), bob, "s", "x")
	require.NoError(t, err)
	o.recorded()
	foreign := bob
	foreign.Tenant = "other"
	for _, c := range []struct {
		a    chatbox.Actor
		id   string
		read chatbox.Code
		want chatbox.Code
	}{
		{staff("ann"), "s", chatbox.PermissionDenied, chatbox.PermissionDenied},
		{vic, "s", "", chatbox.PermissionDenied},
		{foreign, "s", chatbox.NotFound, chatbox.NotFound},
		{bob, "unknown", chatbox.NotFound, chatbox.NotFound},
		{bob, "a b", chatbox.NotFound, chatbox.NotFound},
		{bob, "gone", chatbox.NotFound, chatbox.NotFound},
	} {
		_, err := o.Notes(t.Context(), c.a, c.id)
		assert.Equal(t, c.read, chatbox.CodeOf(err))
		o.recorded()
		_, err = o.AddNote(t.Context(), c.a, c.id, "x")
		require.ErrorIs(t, err, c.want)
		_, err = o.EditNote(t.Context(), c.a, c.id, n.ID, "x")
		require.ErrorIs(t, err, c.want)
		require.ErrorIs(t, o.DeleteNote(t.Context(), c.a, c.id, n.ID), c.want)
		assert.Empty(t, o.recorded())
	}
	for _, wrong := range []string{"", " ", strings.Repeat("x", helpdesk.MaxNote+1)} {
		_, err := o.AddNote(t.Context(), bob, "s", wrong)
		require.Error(t, err)
		_, err = o.EditNote(t.Context(), bob, "s", n.ID, wrong)
		require.Error(t, err)
	}
	got, err := o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.Note{n}, got)
}

func TestNotes_NothingIsDoneOffTheRecord(t *testing.T) {
	o := open(t)
	o.session("s")
	n, err := o.AddNote(t.Context(), bob, "s", "x")
	require.NoError(t, err)
	o.shut = true
	_, err = o.Notes(t.Context(), bob, "s")
	require.ErrorIs(t, err, chatbox.StoreFailed)
	_, err = o.AddNote(t.Context(), bob, "s", "y")
	require.ErrorIs(t, err, chatbox.StoreFailed)
	_, err = o.EditNote(t.Context(), bob, "s", n.ID, "y")
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorIs(t, o.DeleteNote(t.Context(), bob, "s", n.ID), chatbox.StoreFailed)
	o.shut, o.deaf = false, true
	_, err = o.AddNote(t.Context(), bob, "s", "z")
	require.NoError(t, err, "a note does not need anybody to hear of it")
	got, err := o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	require.Len(t, got, 2)
	assert.Equal(t, n, got[0])
}

// At the limit, concurrent calls add exactly as many notes as there is room for.
func TestNotes_Bounded(t *testing.T) {
	o := open(t)
	o.session("s")
	var wg sync.WaitGroup
	for i := range helpdesk.MaxNotes - 3 {
		wg.Go(func() {
			p := helpdesk.CardPile{Tenant: "t", Kind: helpdesk.CardNote, Subject: "s"}
			assert.NoError(t, o.store.Cards().Add(t.Context(), helpdesk.Card{Pile: p, ID: fmt.Sprint(i), CreatedAt: time.UnixMilli(1)}, helpdesk.MaxNotes))
		})
	}
	wg.Wait()
	for range 8 {
		wg.Go(func() {
			_, err := o.AddNote(t.Context(), bob, "s", "x")
			if err != nil && !errors.Is(err, chatbox.Full) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got, err := o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	assert.Len(t, got, helpdesk.MaxNotes)
	_, err = o.AddNote(t.Context(), bob, "s", "x")
	require.ErrorIs(t, err, chatbox.Full)
	assert.Contains(t, err.Error(), "200 notes")
}

// Of concurrent edits the last one wins completely, and none is lost in between.
func TestNotes_EditsAtOnce(t *testing.T) {
	o := open(t)
	o.session("s")
	n, err := o.AddNote(t.Context(), bob, "s", "x")
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			_, err := o.EditNote(t.Context(), bob, "s", n.ID, fmt.Sprint("edit ", i))
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	got, err := o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Regexp(t, `^edit \d$`, got[0].Text)
}

// After its author is erased a note stays, and nobody may change it.
func TestNotes_OfAnErasedAuthor(t *testing.T) {
	o := open(t)
	o.session("s")
	n, err := o.AddNote(t.Context(), bob, "s", "x")
	require.NoError(t, err)
	require.NoError(t, o.store.Cards().Disown(t.Context(), bob.User()))
	got, err := o.Notes(t.Context(), bob, "s")
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.Empty(t, got[0].AuthorID+got[0].AuthorName)
	_, err = o.EditNote(t.Context(), bob, "s", n.ID, "y")
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	require.ErrorIs(t, o.DeleteNote(t.Context(), bob, "s", n.ID), chatbox.PermissionDenied)
	require.NoError(t, o.DeleteNote(t.Context(), rob, "s", n.ID))
}
