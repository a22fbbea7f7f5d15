package conformance

import (
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// answered makes a session with a question and two answers, at 2 and 3.
func answered(t *testing.T, f StoreFixture) chatbox.SessionKey {
	t.Helper()
	k := newKey()
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch, State: chatbox.State{Head: 3, LastActivity: epoch}})
	require.NoError(t, err)
	require.NoError(t, f.Messages.Append(t.Context(), said(k, 1, "question")))
	for seq := int64(2); seq <= 3; seq++ {
		e := said(k, seq, "answer")
		e.Key = chatbox.AnswerKey(seq, 1)
		e.Type, e.Sender, e.UserID, e.Answer = chatbox.TypeAnswer, chatbox.SenderAI, "", &chatbox.Answer{Gen: chatbox.Gen{Seq: seq, Run: 1}, Finish: chatbox.FinishStop}
		require.NoError(t, f.Messages.Append(t.Context(), e))
	}
	return k
}

// listedBy reports whether staff's list has the session under the opinion.
func listedBy(t *testing.T, f StoreFixture, k chatbox.SessionKey, o chatbox.Opinion) bool {
	t.Helper()
	page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: k.Tenant, Sort: helpdesk.SortActivity, Desc: true, Limit: 5, Feedback: o})
	require.NoError(t, err)
	assert.EqualValues(t, len(page.Sessions), page.Total)
	return len(page.Sessions) == 1 && page.Sessions[0].Key == k
}

// feedbackOf reads an answer in every way.
func feedbackOf(t *testing.T, f StoreFixture, k chatbox.SessionKey, seq int64) *chatbox.Feedback {
	t.Helper()
	byKey, err := f.Messages.ByKey(t.Context(), k, chatbox.AnswerKey(seq, 1))
	require.NoError(t, err)
	inRange, err := f.Messages.Range(t.Context(), k, seq, seq)
	require.NoError(t, err)
	require.Len(t, inRange, 1)
	assert.Equal(t, byKey.Feedback, inRange[0].Feedback)
	assert.Equal(t, "answer", byKey.Content)
	return byKey.Feedback
}

func feedbacks(t *testing.T, f StoreFixture) {
	t.Helper()
	k := answered(t, f)
	up := &chatbox.Feedback{Opinion: chatbox.OpinionUp, Time: epoch}
	down := &chatbox.Feedback{Opinion: chatbox.OpinionDown, Comment: "wrong 😀", Time: epoch.Add(time.Hour)}
	var stands *chatbox.Feedback
	for _, given := range []*chatbox.Feedback{nil, up, up, down, nil, down} {
		before, err := f.Feedback.SetFeedback(t.Context(), k, 2, given)
		require.NoError(t, err)
		assert.Equal(t, stands, before)
		stands = given
		assert.Equal(t, stands, feedbackOf(t, f, k, 2))
		assert.Nil(t, feedbackOf(t, f, k, 3), "of another answer")
		assert.Equal(t, given == up, listedBy(t, f, k, chatbox.OpinionUp))
		assert.Equal(t, given == down, listedBy(t, f, k, chatbox.OpinionDown))
	}
	_, err := f.Feedback.SetFeedback(t.Context(), k, 3, down)
	require.NoError(t, err)
	_, err = f.Feedback.SetFeedback(t.Context(), k, 2, nil)
	require.NoError(t, err)
	assert.True(t, listedBy(t, f, k, chatbox.OpinionDown), "for the other answer")

	for _, seq := range []int64{1, 4} { // a question, and nothing
		_, err := f.Feedback.SetFeedback(t.Context(), k, seq, up)
		require.ErrorIs(t, err, chatbox.NotFound)
	}
	_, err = f.Feedback.SetFeedback(t.Context(), newKey(), 2, up)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 3))
	_, err = f.Feedback.SetFeedback(t.Context(), k, 3, up)
	require.ErrorIs(t, err, chatbox.NotFound, "erased")
}

// racingFeedback: the lists agree with the last feedback, in any order of the calls.
func racingFeedback(t *testing.T, f StoreFixture) {
	t.Helper()
	k := answered(t, f)
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey())}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			o := []chatbox.Opinion{chatbox.OpinionUp, chatbox.OpinionDown}[i%2]
			_, err := pods[i%2].Feedback.SetFeedback(t.Context(), k, 2, &chatbox.Feedback{Opinion: o, Time: epoch})
			if err != nil && !chatbox.IsTransient(err) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	stands := feedbackOf(t, f, k, 2)
	_, err := f.Feedback.SetFeedback(t.Context(), k, 2, stands) // a client repeats a call that failed
	require.NoError(t, err)
	for _, o := range []chatbox.Opinion{chatbox.OpinionUp, chatbox.OpinionDown} {
		assert.Equal(t, stands.Opinion == o, listedBy(t, f, k, o), o)
	}
}
