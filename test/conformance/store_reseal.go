package conformance

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rotation seals a history again under another key.
type Rotation interface {
	Reseal(ctx context.Context, opts persistence.ResealOptions) (persistence.ResealReport, error)
	ResealStatus(ctx context.Context) (persistence.ResealReport, error)
}

const resealFast = 1 << 20 // documents per second

// trusted opens the history under the keys, as a pod that has checked them.
func (f KeysFixture) trusted(t *testing.T, keys ...persistence.Key) Stores {
	t.Helper()
	s, check := f.Open(t, keys...)
	require.NoError(t, check(t.Context()))
	return s
}

// spokenWithAll fills a session with everything that is sealed.
func spokenWithAll(t *testing.T, s Stores, k chatbox.SessionKey) {
	t.Helper()
	_, _, err := s.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", OwnerName: "owner", Name: "a name", CreatedAt: epoch})
	require.NoError(t, err)
	require.NoError(t, s.Sessions.SaveState(t.Context(), k, chatbox.State{Head: 2, HolderID: "bob", HolderName: "Bob", LastActivity: epoch}))
	require.NoError(t, s.Messages.Append(t.Context(), said(k, 1, "quick question")))
	a := said(k, 2, "slow answer")
	a.Key, a.Type, a.Sender, a.UserID = chatbox.AnswerKey(1, 1), chatbox.TypeAnswer, chatbox.SenderAI, ""
	require.NoError(t, s.Messages.Append(t.Context(), a))
	_, err = s.Feedback.SetFeedback(t.Context(), k, 2, &chatbox.Feedback{Opinion: chatbox.OpinionDown, Comment: "wrong", Time: epoch})
	require.NoError(t, err)
	_, err = s.Ratings.Rate(t.Context(), k, chatbox.Rating{Score: 4, Comment: "kind", Time: epoch, Talk: 1, AdminID: "bob"})
	require.NoError(t, err)
	require.NoError(t, s.Labels.SetTags(t.Context(), k, []string{"Billing", "urgent"}))
	require.NoError(t, s.Labels.Assign(t.Context(), k, chatbox.Assignee{ID: "bob", Name: "Bob"}))
	addCards(t, s, card(helpdesk.CardPile{Tenant: k.Tenant, Kind: "note", Subject: k.ID}, "a", "a note"))
	b := blockOf(k.Tenant, "eve")
	b.Reason = "rude"
	require.NoError(t, s.Blocks.PutBlock(t.Context(), b))
	require.NoError(t, s.Audit.Record(t.Context(), admin(k.Tenant, "bob"), chatbox.AuditSessionRead, chatbox.AuditSubject{SessionID: k.ID, UserID: "u"}))
}

// hasAll reads what spokenWithAll wrote.
func hasAll(t *testing.T, s Stores, k chatbox.SessionKey) {
	t.Helper()
	sess, err := s.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.False(t, sess.Unreadable)
	assert.Equal(t, []string{"a name", "owner", "Bob", "kind", "Bob"},
		[]string{sess.Name, sess.OwnerName, sess.State.HolderName, sess.Rating.Comment, sess.Assignee.Name})
	assert.ElementsMatch(t, []string{"Billing", "urgent"}, sess.Tags)
	log, err := s.Messages.Range(t.Context(), k, 1, 2)
	require.NoError(t, err)
	require.Len(t, log, 2)
	assert.Equal(t, []string{"quick question", "slow answer", "wrong"}, []string{log[0].Content, log[1].Content, log[1].Feedback.Comment})
	for _, word := range []string{"quick", "slow"} {
		assert.Len(t, search(t, s, helpdesk.SearchQuery{Tenant: k.Tenant, Words: word}), 1, word)
	}
	assert.Len(t, search(t, s, helpdesk.SearchQuery{Tenant: k.Tenant, Name: "name"}), 1)
	page, err := s.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: k.Tenant, Sort: helpdesk.SortActivity, Limit: 5, Tags: []string{"billing"}})
	require.NoError(t, err)
	assert.Len(t, page.Sessions, 1)
	note, err := s.Cards.Get(t.Context(), helpdesk.CardPile{Tenant: k.Tenant, Kind: "note", Subject: k.ID}, "a")
	require.NoError(t, err)
	assert.False(t, note.Unreadable)
	block, err := s.Blocks.BlockOf(t.Context(), chatbox.UserKey{Tenant: k.Tenant, ID: "eve"})
	require.NoError(t, err)
	assert.Equal(t, "rude", block.Reason)
	verdict, err := s.Audit.Verify(t.Context(), k.Tenant)
	require.NoError(t, err)
	assert.EqualValues(t, 1, verdict.Entries)
	assert.Zero(t, verdict.BrokenAt, verdict.Why)
}

func countsOf(r persistence.ResealReport) (moved, unreadable int64) {
	for _, k := range r.Kinds {
		moved, unreadable = moved+k.Moved, unreadable+k.Unreadable
	}
	return moved, unreadable
}

// resealsAll: after a rotation the older key is needed for nothing.
func resealsAll(t *testing.T, f KeysFixture) {
	t.Helper()
	older, newer := keyOf("old", 1), keyOf("new", 2)
	before := f.trusted(t, older)
	keys := []chatbox.SessionKey{newKey(), newKey(), newKey()}
	for _, k := range keys {
		spokenWithAll(t, before, k)
	}
	s := f.trusted(t, newer, older)
	report, err := s.Rotation.ResealStatus(t.Context())
	require.NoError(t, err)
	assert.Positive(t, report.Left())

	// A rotation that is cut off continues, and two at once are safe.
	ctx, cut := context.WithCancel(t.Context())
	_, err = s.Rotation.Reseal(ctx, persistence.ResealOptions{Rate: resealFast, Say: func(persistence.ResealReport) { cut() }})
	require.ErrorIs(t, err, context.Canceled)
	pods := []Stores{s, f.trusted(t, newer, older)}
	var wg sync.WaitGroup
	for _, pod := range pods {
		wg.Go(func() {
			_, err := pod.Rotation.Reseal(t.Context(), persistence.ResealOptions{Rate: resealFast})
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	report, err = s.Rotation.ResealStatus(t.Context())
	require.NoError(t, err)
	assert.Zero(t, report.Left(), "%+v", report)
	_, unreadable := countsOf(report)
	assert.Zero(t, unreadable)
	report, err = s.Rotation.Reseal(t.Context(), persistence.ResealOptions{Rate: resealFast})
	require.NoError(t, err)
	moved, _ := countsOf(report)
	assert.Zero(t, moved, "nothing is left to do")

	f.Retire(t, "old")
	alone := f.trusted(t, newer)
	for _, k := range keys {
		hasAll(t, alone, k)
	}
}

// resealsAround: a record that no key opens is counted and harms no other, and a
// writer's newer text is never replaced by an older one.
func resealsAround(t *testing.T, f KeysFixture) {
	t.Helper()
	older, newer := keyOf("old", 1), keyOf("new", 2)
	before := f.trusted(t, older)
	broken, written := newKey(), newKey()
	for _, k := range []chatbox.SessionKey{broken, written} {
		spokenWithAll(t, before, k)
	}
	f.AlterBox(t, broken, 1)
	s := f.trusted(t, newer, older)
	last, stop := "", make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprint("name ", i)
			switch err := before.Sessions.SetName(t.Context(), written, name, false); {
			case err == nil:
				last = name
			case !chatbox.IsTransient(err):
				t.Error(err)
			}
		}
	})
	for range 5 {
		report, err := s.Rotation.Reseal(t.Context(), persistence.ResealOptions{Rate: resealFast})
		require.NoError(t, err)
		_, unreadable := countsOf(report)
		assert.EqualValues(t, 1, unreadable)
	}
	close(stop)
	wg.Wait()
	_, err := s.Rotation.Reseal(t.Context(), persistence.ResealOptions{Rate: resealFast})
	require.NoError(t, err)
	f.Retire(t, "old")
	alone := f.trusted(t, newer)
	sess, err := alone.Sessions.Load(t.Context(), written)
	require.NoError(t, err)
	assert.Equal(t, last, sess.Name)
	log, err := alone.Messages.Range(t.Context(), broken, 1, 2)
	require.NoError(t, err)
	assert.True(t, log[0].Unreadable)
	assert.Equal(t, "slow answer", log[1].Content)
}
