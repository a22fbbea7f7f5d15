package conformance

import (
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nextKey is a key that the store under test does not have.
func nextKey() persistence.Key { return persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}} }

// unread is the event as it is read where no key opens it.
func unread(e chatbox.Event) chatbox.Event {
	e.Content, e.FileID, e.FileURL, e.Metadata, e.Files, e.Unreadable = "", "", "", nil, nil, true
	return e
}

func unreadableSession(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	bad, good := chatbox.SessionKey{Tenant: tenant, ID: "a-bad"}, chatbox.SessionKey{Tenant: tenant, ID: "b-good"}
	for _, k := range []chatbox.SessionKey{bad, good} {
		_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", OwnerName: "U", Name: "a name", CreatedAt: epoch})
		require.NoError(t, err)
		require.NoError(t, f.Sessions.SaveState(t.Context(), k, chatbox.State{Head: 3, LastActivity: epoch, Tokens: 9}))
	}
	f.AlterNames(t, bad)
	want, err := f.Sessions.Load(t.Context(), bad)
	require.NoError(t, err)
	assert.True(t, want.Unreadable)
	assert.Empty(t, want.Name)
	assert.Empty(t, want.OwnerName)
	assert.Equal(t, "u", want.Owner)
	assert.EqualValues(t, 3, want.State.Head)
	whole, err := f.Sessions.Load(t.Context(), good)
	require.NoError(t, err)
	assert.Equal(t, "a name", whole.Name)
	assert.False(t, whole.Unreadable)
	both := []chatbox.Session{want, whole}

	page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: tenant, ID: "u"}, Limit: 5})
	require.NoError(t, err)
	assert.Equal(t, both, page.Sessions)
	for _, by := range helpdesk.SessionSorts() {
		if by == helpdesk.SortWaiting {
			continue
		}
		all, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: by, Limit: 1})
		require.NoError(t, err)
		rest, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: by, Limit: 1, Cursor: all.Next})
		require.NoError(t, err)
		assert.Equal(t, both, append(all.Sessions, rest.Sessions...), by)
	}
	sum, err := f.Ledger.Summary(t.Context(), tenant, epoch.Add(-time.Hour), epoch.Add(time.Hour))
	require.NoError(t, err)
	assert.EqualValues(t, 2, sum.Total)
	require.NoError(t, f.Sessions.SetName(t.Context(), bad, "named anew", false))
	got, err := f.Sessions.Load(t.Context(), bad)
	require.NoError(t, err)
	assert.Equal(t, "named anew", got.Name)
}

// unreadableAside has another pod seal with a key that the store lacks.
func unreadableAside(t *testing.T, f StoreFixture) {
	t.Helper()
	other := f.Reopen(t, nextKey(), StoreKey())
	p, tenant, token := newPile(), unique("t-"), unique("token-")
	addCards(t, other, card(p, "a", "sealed by the other"))
	addCards(t, f.Stores, card(p, "b", "sealed by this one"))
	page, err := f.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 5})
	require.NoError(t, err)
	require.Len(t, page.Cards, 2)
	assert.True(t, page.Cards[0].Unreadable)
	assert.Empty(t, page.Cards[0].Body)
	assert.Empty(t, page.Cards[0].AuthorName)
	assert.Equal(t, "sealed by this one", string(page.Cards[1].Body))
	one, err := f.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	assert.True(t, one.Unreadable)
	require.NoError(t, f.Cards.Delete(t.Context(), p, "a"))

	b := blockOf(tenant, "u")
	b.Reason = "rude"
	require.NoError(t, other.Blocks.PutBlock(t.Context(), b))
	b.Reason, b.Unreadable = "", true
	list, err := f.Blocks.PageBlocks(t.Context(), helpdesk.BlockQuery{Tenant: tenant, Limit: 5, Now: epoch})
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.Block{b}, list)

	keys := made(t, f, tenant, 2)
	require.NoError(t, other.Labels.SetTags(t.Context(), keys[0], []string{"theirs"}))
	require.NoError(t, f.Labels.SetTags(t.Context(), keys[1], []string{"ours"}))
	tags, err := f.Labels.Tags(t.Context(), tenant, 5)
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.TagCount{{Tag: "ours", Sessions: 1}}, tags)

	require.NoError(t, other.Shares.Add(t.Context(), token, shareOf(keys[0], "a name", 1)))
	both := f.Reopen(t, StoreKey(), nextKey())
	whole, err := both.Shares.ByToken(t.Context(), token)
	require.NoError(t, err)
	assert.Equal(t, "a name", whole.Name)
	assert.False(t, whole.Unreadable)
}

func unreadableTurn(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	appendAll(t, f.Stores, asked(k, 1, 1))
	f.AlterBox(t, k, 1)
	want := unread(asked(k, 1, 1))
	want.Turn.Claims = 1
	got, err := f.Turns.ClaimTurn(t.Context(), k, 1)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	require.NoError(t, f.Turns.SettleTurn(t.Context(), k, chatbox.Gen{Seq: 1, Run: 1}, chatbox.TurnFailed))
}

func unreadableSearch(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	spoken(t, f.Stores, k, "u", "apple pie", "apple tart")
	f.AlterBox(t, k, 1)
	assert.Equal(t, []string{k.ID + ":2"}, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: "apple"}))
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "a name", false))
	named := chatbox.SessionKey{Tenant: k.Tenant, ID: "z"}
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: named, Owner: "u", OwnerName: "U", Name: "n", CreatedAt: epoch})
	require.NoError(t, err)
	appendAll(t, f.Stores, saidBy(named, "u", 1, "apple cake"))
	f.AlterNames(t, named)
	page, err := f.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, Words: "cake", Limit: 5})
	require.NoError(t, err)
	require.Len(t, page.Hits, 1, "the session is not readable, the message is")
	assert.True(t, page.Hits[0].Session.Unreadable)
	page, err = f.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, Limit: 5})
	require.NoError(t, err)
	assert.Len(t, page.Hits, 2, "sessions without words are a list")
}

func unreadableErased(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", OwnerName: "U", Name: "a name", CreatedAt: epoch})
	require.NoError(t, err)
	fill(t, f.Stores, k, 2)
	f.AlterBox(t, k, 1)
	f.AlterNames(t, k)
	require.NoError(t, f.Tombs.Bury(t.Context(), k, epoch))
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 2))
	got, err := f.Messages.Range(t.Context(), k, 1, 2)
	require.NoError(t, err)
	assert.Empty(t, got)
	s, err := f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.True(t, s.Erased)
	assert.False(t, s.Unreadable, "nothing of it is left to be read")
}

func unreadableFold(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch, State: chatbox.State{Head: 1, LastActivity: epoch}})
	require.NoError(t, err)
	require.NoError(t, f.Tombs.Bury(t.Context(), k, epoch))
	last := chatbox.State{Head: 2, Ended: true, EndedAt: epoch, Erased: true, LastActivity: epoch}
	for _, saved := range []bool{false, true} {
		if saved {
			require.NoError(t, f.Sessions.SaveState(t.Context(), k, last))
		}
		f.SpoilFold(t, k)
		s, err := f.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		assert.True(t, s.Unreadable)
		assert.True(t, s.Erased)
		assert.Equal(t, []chatbox.Tombstone{{Session: k, At: epoch}}, ours(t, f, epoch.Add(time.Second), k))
		require.NoError(t, f.Sessions.SaveState(t.Context(), k, last))
		s, err = f.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		assert.Equal(t, last, s.State)
		assert.False(t, s.Unreadable)
	}
}
