package conformance

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func eraseRanges(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	same := chatbox.SessionKey{Tenant: unique("t-"), ID: k.ID}
	canary := unique("canary-")
	for seq := int64(1); seq <= 9; seq++ {
		e := said(k, seq, "x")
		e.ID = canary // ids are stored as they are
		appendAll(t, f.Stores, e, said(same, seq, "theirs"))
	}
	require.True(t, bytes.Contains(f.AtRest(t), []byte(canary)))
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 7, 3), "an empty range")
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 2, 6))
	seqs := func(k chatbox.SessionKey) (out []int64) {
		events, err := f.Messages.Range(t.Context(), k, 0, 100)
		require.NoError(t, err)
		for _, e := range events {
			out = append(out, e.Seq)
		}
		return out
	}
	assert.Equal(t, []int64{1, 7, 8, 9}, seqs(k))
	_, err := f.Messages.ByKey(t.Context(), k, said(k, 4, "").Key)
	require.ErrorIs(t, err, chatbox.NotFound)
	appendAll(t, f.Stores, said(k, 4, "late"))
	assert.Equal(t, []int64{1, 4, 7, 8, 9}, seqs(k), "an insert that was under way")
	for range 2 { // again and again
		require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 100))
	}
	assert.Empty(t, seqs(k))
	assert.Len(t, seqs(same), 9, "another tenant's session of that id")
	assert.False(t, bytes.Contains(f.AtRest(t), []byte(canary)), "nothing of it is left")
}

func eraseBuries(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	require.ErrorIs(t, f.Tombs.Bury(t.Context(), k, epoch), chatbox.NotFound)
	in := chatbox.Session{Key: k, Owner: "u", OwnerName: "Ann", Name: "a name", CreatedAt: epoch, State: chatbox.State{Head: 1, HolderID: "a", HolderName: "Ada"}}
	_, _, err := f.Sessions.Create(t.Context(), in)
	require.NoError(t, err)
	r := chatbox.Rating{Score: 5, Comment: "so kind", Time: epoch, Talk: 1, AdminID: "a"}
	_, err = f.Ratings.Rate(t.Context(), k, r)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, f.Tombs.Bury(t.Context(), k, epoch))
	}
	_, err = f.Ratings.Rate(t.Context(), k, r)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "late", true))
	require.ErrorIs(t, f.Sessions.SetName(t.Context(), k, "late", false), chatbox.NotFound)
	last := chatbox.State{Head: 2, Ended: true, EndedAt: epoch, Erased: true, LastActivity: epoch}
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, last))
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, in.State), "an older fold")
	got, created, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "v", Name: "mine", CreatedAt: epoch})
	require.NoError(t, err)
	assert.False(t, created, "the id is burnt")
	assert.Equal(t, chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch, Erased: true, State: last}, got)
	page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: k.Tenant, ID: "u"}, Limit: 5})
	require.NoError(t, err)
	assert.Empty(t, page.Sessions)
}

// ours are the tombstones among all that are of these sessions.
func ours(t *testing.T, f StoreFixture, before time.Time, of ...chatbox.SessionKey) []chatbox.Tombstone {
	t.Helper()
	all, err := f.Tombs.Unswept(t.Context(), before, 1000)
	require.NoError(t, err)
	return slices.DeleteFunc(all, func(tomb chatbox.Tombstone) bool { return !slices.Contains(of, tomb.Session) })
}

func eraseSweeps(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b := newKey(), newKey()
	b.Tenant = a.Tenant
	later := epoch.Add(time.Minute)
	for at, k := range map[time.Time]chatbox.SessionKey{epoch: a, later: b} {
		_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
		require.NoError(t, err)
		require.NoError(t, f.Tombs.Sweep(t.Context(), k, epoch), "it is not buried")
		require.NoError(t, f.Tombs.Bury(t.Context(), k, at))
		require.NoError(t, f.Tombs.Bury(t.Context(), k, at.Add(time.Hour)), "the first time stands")
	}
	assert.Empty(t, ours(t, f, epoch, a, b), "before the time, not at it")
	assert.Equal(t, []chatbox.Tombstone{{Session: a, At: epoch}}, ours(t, f, later, a, b))
	assert.Equal(t, []chatbox.Tombstone{{Session: a, At: epoch}, {Session: b, At: later}}, ours(t, f, later.Add(time.Second), a, b))
	require.NoError(t, f.Tombs.Sweep(t.Context(), a, later.Add(time.Minute)))
	assert.Equal(t, []chatbox.Tombstone{{Session: b, At: later}}, ours(t, f, later.Add(time.Second), a, b))
	assert.Equal(t, []chatbox.Tombstone{{Session: b, At: later}, {Session: a, At: epoch}}, ours(t, f, later.Add(time.Hour), a, b))
	require.NoError(t, f.Tombs.Sweep(t.Context(), a, time.Time{}))
	require.NoError(t, f.Tombs.Sweep(t.Context(), a, epoch), "over is over")
	assert.Equal(t, []chatbox.Tombstone{{Session: b, At: later}}, ours(t, f, later.Add(time.Hour), a, b))
	s, err := f.Sessions.Load(t.Context(), a)
	require.NoError(t, err)
	assert.True(t, s.Erased, "for ever")
}
