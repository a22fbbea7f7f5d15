package conformance

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func cardParts() []storePart {
	return []storePart{
		{"Cards/ReadBackAsTheyWereWritten", cardsReadBack},
		{"Cards/ReplacedByRevision", cardsReplace},
		{"Cards/PilesAndTenantsAreWalls", cardsWalls},
		{"Cards/PagesOldestFirst", cardsPage},
		{"Cards/NoRacePassesTheBound", cardsBound},
		{"Cards/OneOfARaceForAnID", cardsRace},
		{"Cards/ForgottenAndDisowned", cardsForget},
		{"Cards/NothingReadableAtRest", cardsSecrecy},
		{"Cards/KeysRotate", cardsKeys},
	}
}

func newPile() helpdesk.CardPile {
	return helpdesk.CardPile{Tenant: unique("t-"), Kind: helpdesk.CardNote, Subject: unique("s-")}
}

// card is a new one, as it is read back.
func card(p helpdesk.CardPile, id, body string) helpdesk.Card {
	return helpdesk.Card{
		Pile: p, ID: id, Body: []byte(body), AuthorID: "ü|$.x", AuthorName: "Ann \x00 Ünal",
		CreatedAt: epoch, UpdatedAt: epoch, Revision: 1,
	}
}

func addCards(t *testing.T, s Stores, cards ...helpdesk.Card) {
	t.Helper()
	for _, c := range cards {
		require.NoError(t, s.Cards.Add(t.Context(), c, 50))
	}
}

func idsOf(cards []helpdesk.Card) []string {
	ids := make([]string, len(cards))
	for i, c := range cards {
		ids[i] = c.ID
	}
	return ids
}

func listed(t *testing.T, s Stores, p helpdesk.CardPile) []string {
	t.Helper()
	page, err := s.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 500})
	require.NoError(t, err)
	require.Empty(t, page.Next)
	return idsOf(page.Cards)
}

func cardsReadBack(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	full, bare := card(p, "a", "tab\tnul\x00 ünï 🙂 \"$where\""), card(p, "b", "")
	bare.AuthorID, bare.AuthorName = "", ""
	addCards(t, f.Stores, full, bare)
	got, err := f.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	assert.Equal(t, full, got)
	got, err = f.Cards.Get(t.Context(), p, "b")
	require.NoError(t, err)
	assert.Empty(t, got.Body)
	got.Body = bare.Body
	assert.Equal(t, bare, got)
	for _, id := range []string{"", "A", "c", "$ne"} {
		_, err := f.Cards.Get(t.Context(), p, id)
		require.ErrorIs(t, err, chatbox.NotFound, id)
	}
	for _, most := range []int{0, 1, 50} {
		require.ErrorIs(t, f.Cards.Add(t.Context(), card(p, "a", "other"), most), chatbox.Clash, "also on a full pile")
	}
	for range 2 {
		require.NoError(t, f.Cards.Delete(t.Context(), p, "a"))
	}
	assert.Equal(t, []string{"b"}, listed(t, f.Stores, p))
	addCards(t, f.Stores, card(p, "a", "again"))
}

func cardsReplace(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	addCards(t, f.Stores, card(p, "a", "one"), card(p, "b", "one"))
	next := card(p, "a", "two")
	next.AuthorID, next.AuthorName, next.UpdatedAt = "bob", "", epoch.Add(time.Minute)
	next.CreatedAt = epoch.Add(time.Hour) // not its affair
	revision, err := f.Cards.Replace(t.Context(), next)
	require.NoError(t, err)
	assert.EqualValues(t, 2, revision)
	want := next
	want.CreatedAt, want.Revision = epoch, 2
	got, err := f.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	for _, stale := range []int64{0, 1, 3} {
		next.Revision, next.Body = stale, []byte("lost")
		_, err = f.Cards.Replace(t.Context(), next)
		require.ErrorIs(t, err, chatbox.Clash)
	}
	next.ID = "c"
	_, err = f.Cards.Replace(t.Context(), next)
	require.ErrorIs(t, err, chatbox.NotFound)
	got, err = f.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	assert.Equal(t, want, got)
	got, err = f.Cards.Get(t.Context(), p, "b")
	require.NoError(t, err)
	assert.Equal(t, card(p, "b", "one"), got, "its neighbour")

	// Of many who replace one revision one does.
	var wg sync.WaitGroup
	won := make(chan string, 8)
	for i := range cap(won) {
		wg.Go(func() {
			mine := want
			mine.Body = fmt.Append(nil, i)
			if _, err := f.Cards.Replace(t.Context(), mine); err == nil {
				won <- string(mine.Body)
			} else if !errors.Is(err, chatbox.Clash) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, won, 1)
	got, err = f.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	assert.Equal(t, <-won, string(got.Body))
	assert.EqualValues(t, 3, got.Revision)
}

func cardsWalls(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	tenant, kind, subject, whole := p, p, p, p
	tenant.Tenant, kind.Kind, subject.Subject, whole.Subject = unique("t-"), helpdesk.CardReply, unique("s-"), ""
	piles := []helpdesk.CardPile{p, tenant, kind, subject, whole}
	for i, p := range piles {
		addCards(t, f.Stores, card(p, "a", fmt.Sprint(i)))
	}
	for i, p := range piles {
		got, err := f.Cards.Get(t.Context(), p, "a")
		require.NoError(t, err)
		assert.Equal(t, card(p, "a", fmt.Sprint(i)), got)
		n, err := f.Cards.Count(t.Context(), p, 9)
		require.NoError(t, err)
		assert.Equal(t, 1, n)
	}
	require.NoError(t, f.Cards.Delete(t.Context(), p, "a"))
	for _, p := range piles[1:] {
		assert.Equal(t, []string{"a"}, listed(t, f.Stores, p))
	}
}

func cardsPage(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	want := []string{}
	for i, id := range []string{"m", "ü|2", "z", "a", "b"} { // the first three at one time
		c := card(p, id, id)
		c.CreatedAt = epoch.Add(time.Duration(max(0, i-2)) * time.Millisecond)
		addCards(t, f.Stores, c)
		want = append(want, id)
	}
	want[1], want[2] = want[2], want[1] // by bytes
	for limit := 1; limit <= 6; limit++ {
		q := helpdesk.CardQuery{Pile: p, Limit: limit}
		got := []string{}
		for {
			page, err := f.Cards.List(t.Context(), q)
			require.NoError(t, err)
			assert.LessOrEqual(t, len(page.Cards), limit)
			got = append(got, idsOf(page.Cards)...)
			if q.Cursor = page.Next; q.Cursor == "" {
				break
			}
		}
		assert.Equal(t, want, got, "limit %d", limit)
	}
	n, err := f.Cards.Count(t.Context(), p, 3)
	require.NoError(t, err)
	assert.Equal(t, 3, n, "it stops counting")
	assert.Empty(t, listed(t, f.Stores, newPile()))

	page, err := f.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 2})
	require.NoError(t, err)
	for _, bad := range []string{"x", "!!", page.Next + "A", page.Next[:8], base64.RawURLEncoding.EncodeToString([]byte("k1|-1|a"))} {
		_, err := f.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 2, Cursor: bad})
		require.ErrorIs(t, err, chatbox.InvalidArgument, bad)
	}
}

func cardsBound(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	const most, racers = 7, 16
	race := func(round int) (taken int) {
		var wg sync.WaitGroup
		errs := make(chan error, racers)
		for i := range racers {
			wg.Go(func() { errs <- f.Cards.Add(t.Context(), card(p, fmt.Sprint(round, "-", i), ""), most) })
		}
		wg.Wait()
		for range racers {
			if err := <-errs; err == nil {
				taken++
			} else if !errors.Is(err, chatbox.Full) {
				t.Error(err)
			}
		}
		return taken
	}
	assert.Equal(t, most, race(1))
	ids := listed(t, f.Stores, p)
	require.Len(t, ids, most)
	for _, id := range ids[:3] {
		require.NoError(t, f.Cards.Delete(t.Context(), p, id))
	}
	assert.Equal(t, 3, race(2), "what is deleted makes room")
	require.Len(t, listed(t, f.Stores, p), most)
	require.NoError(t, f.Cards.Add(t.Context(), card(newPile(), "a", ""), 1), "another pile's")

	free := newPile()
	for i := range most + 5 {
		require.NoError(t, f.Cards.Add(t.Context(), card(free, fmt.Sprint(i), ""), 0))
	}
	require.ErrorIs(t, f.Cards.Add(t.Context(), card(free, "0", ""), 0), chatbox.Clash)
}

func cardsRace(t *testing.T, f StoreFixture) {
	t.Helper()
	for _, most := range []int{0, 1, 30} {
		p := newPile()
		var wg sync.WaitGroup
		won := make(chan string, 8)
		for i := range cap(won) {
			wg.Go(func() {
				body := fmt.Sprint(i)
				if err := f.Cards.Add(t.Context(), card(p, "one", body), most); err == nil {
					won <- body
				} else if !errors.Is(err, chatbox.Clash) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Len(t, won, 1)
		got, err := f.Cards.Get(t.Context(), p, "one")
		require.NoError(t, err)
		assert.Equal(t, <-won, string(got.Body))
	}
}

func cardsForget(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	foreign, other, reply := p, p, p
	foreign.Tenant, other.Subject, reply.Kind = unique("t-"), unique("s-"), helpdesk.CardReply
	addCards(t, f.Stores, card(p, "a", "1"), card(p, "b", "2"), card(foreign, "a", "3"), card(other, "a", "4"), card(reply, "a", "5"))
	for range 2 {
		require.NoError(t, f.Cards.Forget(t.Context(), p.Tenant, p.Subject, helpdesk.CardNote, "something"))
	}
	require.NoError(t, f.Cards.Forget(t.Context(), p.Tenant, p.Subject, []helpdesk.CardKind{}...))
	assert.Empty(t, listed(t, f.Stores, p))
	for _, p := range []helpdesk.CardPile{foreign, other, reply} {
		assert.Equal(t, []string{"a"}, listed(t, f.Stores, p))
	}

	theirs := card(other, "b", "a word")
	theirs.AuthorID = "somebody else"
	addCards(t, f.Stores, theirs)
	for range 2 {
		require.NoError(t, f.Cards.Disown(t.Context(), chatbox.UserKey{Tenant: p.Tenant, ID: card(p, "", "").AuthorID}))
	}
	for _, p := range []helpdesk.CardPile{other, reply} {
		got, err := f.Cards.Get(t.Context(), p, "a")
		require.NoError(t, err)
		assert.Empty(t, got.AuthorID+got.AuthorName)
		assert.NotEmpty(t, got.Body)
		assert.EqualValues(t, 1, got.Revision)
	}
	for _, kept := range []helpdesk.Card{theirs, card(foreign, "a", "3")} {
		got, err := f.Cards.Get(t.Context(), kept.Pile, kept.ID)
		require.NoError(t, err)
		assert.Equal(t, kept, got)
	}
}

func cardsSecrecy(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	canary := unique("canary-")
	c := card(p, "a", "text "+canary)
	c.AuthorName = "name " + canary
	addCards(t, f.Stores, c)
	c.Body = []byte("again " + canary)
	_, err := f.Cards.Replace(t.Context(), c)
	require.NoError(t, err)
	stored := f.AtRest(t)
	require.True(t, bytes.Contains(stored, []byte(p.Subject)), "this is where the card is kept")
	assert.False(t, bytes.Contains(stored, []byte(canary)))
	inner := base64.RawStdEncoding.EncodeToString([]byte(canary))
	assert.False(t, bytes.Contains(stored, []byte(inner[4:len(inner)-4])))
}

func cardsKeys(t *testing.T, f StoreFixture) {
	t.Helper()
	p := newPile()
	addCards(t, f.Stores, card(p, "a", "old"))
	imposter := StoreKey()
	imposter.Secret[0]++
	wrong := f.Reopen(t, imposter)
	got, err := wrong.Cards.Get(t.Context(), p, "a")
	require.NoError(t, err)
	want := card(p, "a", "")
	want.Body, want.AuthorName, want.Unreadable = nil, "", true
	assert.Equal(t, want, got)
	page, err := wrong.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 9})
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.Card{want}, page.Cards)

	rotated := f.Reopen(t, persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}}, StoreKey())
	addCards(t, rotated, card(p, "b", "new"))
	page, err = rotated.Cards.List(t.Context(), helpdesk.CardQuery{Pile: p, Limit: 9})
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.Card{card(p, "a", "old"), card(p, "b", "new")}, page.Cards)
	got, err = f.Cards.Get(t.Context(), p, "b")
	require.NoError(t, err)
	assert.True(t, got.Unreadable, "the new key seals")
}
