package conformance

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// queueOf makes a tenant of which some wait, several since the same moment and
// some since nobody knows when; the queue is what its order says.
func queueOf(t *testing.T, f StoreFixture, n int) (tenant string, all []chatbox.Session, queue []helpdesk.Waiting) {
	t.Helper()
	tenant = unique("t-")
	r := rand.New(rand.NewPCG(5, 6)) // the same every time
	for i := range n {
		s := chatbox.Session{
			Key: chatbox.SessionKey{Tenant: tenant, ID: fmt.Sprintf("s%03d", r.IntN(1000)*1000+i)}, Owner: fmt.Sprint("u", i%3), CreatedAt: epoch,
			State: chatbox.State{Head: 1, LastActivity: epoch.Add(time.Hour), StartedAt: epoch, HelpRequested: true},
		}
		switch i % 5 {
		case 0: // nobody waits
		case 1:
			s.State.HelpPending = true // since a version that did not keep it
		default:
			s.State.HelpPending, s.State.WaitingSince = true, epoch.Add(time.Duration(r.IntN(n/4))*time.Millisecond)
		}
		_, _, err := f.Sessions.Create(t.Context(), s)
		require.NoError(t, err)
		all = append(all, s)
		if w, waits := helpdesk.WaitingOf(s); waits {
			queue = append(queue, w)
		}
	}
	slices.SortFunc(queue, helpdesk.Waiting.Compare)
	return tenant, all, queue
}

func queueOrder(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, _, want := queueOf(t, f, 60)
	queueOf(t, f, 10) // another tenant's
	for _, limit := range []int{1, 7, len(want) - 1, len(want), 1000} {
		got, total, err := f.Queue.Queue(t.Context(), tenant, limit)
		require.NoError(t, err)
		require.Equal(t, want[:min(limit, len(want))], got, "the first %d", limit)
		require.EqualValues(t, len(want), total)
	}
	none, total, err := f.Queue.Queue(t.Context(), unique("t-"), 5)
	require.NoError(t, err)
	assert.Empty(t, none)
	assert.Zero(t, total)
}

// The queue follows a session's fold and its erasure.
func queueFollows(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, _, want := queueOf(t, f, 20)
	first, gone := want[0], want[1]
	sess, err := f.Sessions.Load(t.Context(), first.Session)
	require.NoError(t, err)
	st := sess.State
	st.Head, st.HelpPending, st.WaitingSince, st.Unread = 2, false, time.Time{}, 3
	require.NoError(t, f.Sessions.SaveState(t.Context(), first.Session, st))
	require.NoError(t, f.Tombs.Bury(t.Context(), gone.Session, epoch))
	got, total, err := f.Queue.Queue(t.Context(), tenant, 100)
	require.NoError(t, err)
	assert.Equal(t, want[2:], got)
	assert.EqualValues(t, len(want)-2, total)

	st.Head, st.HelpPending, st.WaitingSince = 3, true, epoch.Add(time.Hour)
	require.NoError(t, f.Sessions.SaveState(t.Context(), first.Session, st))
	got, _, err = f.Queue.Queue(t.Context(), tenant, 100)
	require.NoError(t, err)
	assert.Equal(t, append(slices.Clone(want[2:]), helpdesk.Waiting{Session: first.Session, Owner: first.Owner, Since: st.WaitingSince}), got, "at the end again")
	sess, err = f.Sessions.Load(t.Context(), first.Session)
	require.NoError(t, err)
	assert.Equal(t, st, sess.State, "and it reads back")
}

func queueLists(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, all, queue := queueOf(t, f, 40)
	byID := map[string]chatbox.Session{}
	var rest []chatbox.Session
	for _, s := range all {
		byID[s.Key.ID] = s
		if _, waits := helpdesk.WaitingOf(s); !waits {
			rest = append(rest, s)
		}
	}
	want := make([]chatbox.Session, len(queue))
	for i, w := range queue {
		want[i] = byID[w.Session.ID]
	}
	yes, no := true, false
	for _, limit := range []int{1, 3, len(want), 100} {
		for _, wait := range []*bool{nil, &yes} {
			q := helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortWaiting, Waiting: wait, Limit: limit}
			require.Equal(t, want, wholeLedger(t, f, q, len(want)), "by %d", limit)
			q.Desc = true
			back := slices.Clone(want)
			slices.Reverse(back)
			require.Equal(t, back, wholeLedger(t, f, q, len(want)), "backwards by %d", limit)
		}
	}
	waiting := wholeLedger(t, f, helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortUser, Waiting: &yes, Limit: 9}, len(want))
	assert.ElementsMatch(t, want, waiting)
	others := wholeLedger(t, f, helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortUser, Waiting: &no, Limit: 9}, len(rest))
	assert.ElementsMatch(t, rest, others)
	one := wholeLedger(t, f, helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortWaiting, UserID: "u1", Limit: 2}, countOwner(queue, "u1"))
	for _, s := range one {
		assert.Equal(t, "u1", s.Owner)
	}
	_, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortWaiting, Waiting: &no, Limit: 5})
	var e *chatbox.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, "sort_by", e.Field)
}

func countOwner(queue []helpdesk.Waiting, owner string) (n int) {
	for _, w := range queue {
		if w.Owner == owner {
			n++
		}
	}
	return n
}
