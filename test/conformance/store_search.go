package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func searchParts() []storePart {
	return []storePart{
		{"Search/FindsMessagesByTheirWords", searchWords},
		{"Search/Pages", searchPages},
		{"Search/Filters", searchFilters},
		{"Search/Names", searchNames},
		{"Search/TenantsAreWalls", searchTenants},
		{"Search/NothingReadableAtRest", searchSecrecy},
		{"Search/AsLongAsAKeyOpensIt", searchKeys},
		{"Search/ErasedIsNotFound", searchErased},
		{"Search/Off", searchOff},
		{"Search/Refuses", searchRefuses},
	}
}

// spoken makes a session whose messages say these, a minute apart.
func spoken(t *testing.T, s Stores, k chatbox.SessionKey, owner string, said ...string) {
	t.Helper()
	in := chatbox.Session{Key: k, Owner: owner, CreatedAt: epoch}
	_, _, err := s.Sessions.Create(t.Context(), in)
	require.NoError(t, err)
	for i, content := range said {
		appendAll(t, s, saidBy(k, owner, int64(i+1), content))
	}
}

func saidBy(k chatbox.SessionKey, owner string, seq int64, content string) chatbox.Event {
	e := said(k, seq, content)
	e.UserID, e.Owner, e.Time = owner, owner, epoch.Add(time.Duration(seq)*time.Minute)
	return e
}

// search returns all hits of all pages as session:seq, in their order.
func search(t *testing.T, s Stores, q helpdesk.SearchQuery) (hits []string) {
	t.Helper()
	if q.Limit == 0 {
		q.Limit = 20
	}
	hits = []string{}
	for pages := 0; ; pages++ {
		require.Less(t, pages, 200)
		require.NoError(t, s.Finder.Check(q))
		page, err := s.Finder.Find(t.Context(), q)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Hits), q.Limit)
		for _, h := range page.Hits {
			if h.Message == nil {
				hits = append(hits, h.Session.Key.ID)
				continue
			}
			assert.Equal(t, h.Session.Key, h.Message.Session)
			hits = append(hits, fmt.Sprint(h.Session.Key.ID, ":", h.Message.Seq))
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			return hits
		}
	}
}

func searchWords(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	spoken(t, f.Stores, k, "u", "The quick brown fox", "A slow, BROWN dog; a fox?", "don't mail user@host.example", "北京大学 ist groß")
	answer := saidBy(k, "u", 5, "I am quick, too")
	answer.Type, answer.Sender, answer.UserID, answer.Key = chatbox.TypeAnswer, chatbox.SenderAI, "", chatbox.AnswerKey(4, 1)
	person := saidBy(k, "u", 6, "quick help")
	person.Sender, person.UserID, person.Key = chatbox.SenderAdmin, "ada", "c:ada:6"
	system := saidBy(k, "u", 7, "quick end")
	system.Type, system.Sender, system.Key = chatbox.TypeSessionEnded, chatbox.SenderSystem, "s:7"
	chosen := saidBy(k, "u", 8, "quick choice")
	chosen.Type, chosen.ModelID, chosen.Key = chatbox.TypeModelSelect, "m", "c:u:8"
	appendAll(t, f.Stores, answer, person, system, chosen)
	at := func(seqs ...int) []string {
		out := []string{}
		for _, s := range seqs {
			out = append(out, fmt.Sprint(k.ID, ":", s))
		}
		return out
	}
	for q, want := range map[string][]string{
		"quick":           at(6, 5, 1),
		"QUICK ｂｒｏｗｎ":     at(1),
		"brown fox":       at(2, 1),
		`"brown fox"`:     at(1),
		`"fox brown"`:     at(),
		"don’t":           at(3),
		"user@host":       at(3),
		"京大 GROSS":        at(4),
		"大北":              at(),
		"quic":            at(),
		"brown zebra":     at(),
		"the a":           at(),
		"dog a a A brown": at(2),
	} {
		assert.Equal(t, want, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: q}), q)
	}
	page, err := f.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, Words: "dog", Limit: 1})
	require.NoError(t, err)
	require.Len(t, page.Hits, 1)
	assert.Equal(t, "A slow, BROWN dog; a fox?", page.Hits[0].Excerpt)
	assert.Equal(t, saidBy(k, "u", 2, "A slow, BROWN dog; a fox?"), *page.Hits[0].Message)
	assert.Equal(t, "u", page.Hits[0].Session.Owner)
	assert.False(t, page.WordsOff)

	var long strings.Builder
	for i := range 600 {
		fmt.Fprintf(&long, "word%d ", i)
	}
	appendAll(t, f.Stores, saidBy(k, "u", 9, long.String()+strings.Repeat("x", 65)))
	assert.Equal(t, at(9), search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: "word0 word499"}))
	assert.Empty(t, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: "word500"}), "the first 500")

	f.AlterBox(t, k, 1)
	assert.Equal(t, at(6, 5), search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: "quick"}), "what cannot be opened is not found, the others are")
	events, err := f.Messages.Range(t.Context(), k, 2, 4)
	require.NoError(t, err)
	assert.Len(t, events, 3, "and reads are as they were")
}

// searchPages walks through messages of equal and different times, some of them
// by the clock of now, in pages of every size, while others are added.
func searchPages(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	var want []string
	const n = 60
	for i := range n {
		k := chatbox.SessionKey{Tenant: tenant, ID: fmt.Sprintf("s%02d", n-i)}
		_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
		require.NoError(t, err)
		at := time.Now().Add(-time.Duration(i/7*i/7) * 30 * time.Hour).Truncate(time.Hour)
		for seq := int64(2); seq > 0; seq-- {
			e := said(k, seq, "a needle and "+fmt.Sprint(i%3))
			e.Time = at
			appendAll(t, f.Stores, e)
			want = append(want, fmt.Sprint(k.ID, ":", seq))
		}
	}
	for _, limit := range []int{1, 7, 59, 100} {
		assert.Equal(t, want, search(t, f.Stores, helpdesk.SearchQuery{Tenant: tenant, Words: "needle", Limit: limit}), "pages of %d", limit)
	}
	q := helpdesk.SearchQuery{Tenant: tenant, Words: "needle", Limit: 10}
	page, err := f.Finder.Find(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, page.Hits, 10)
	late := said(chatbox.SessionKey{Tenant: tenant, ID: "s01"}, 3, "needle")
	late.Time = time.Now()
	appendAll(t, f.Stores, late)
	q.Cursor = page.Next
	assert.Equal(t, want[10:], search(t, f.Stores, q), "what is new is not on later pages")
	assert.Equal(t, "s01:3", search(t, f.Stores, helpdesk.SearchQuery{Tenant: tenant, Words: "needle"})[0])
}

func searchFilters(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	key := func(id string) chatbox.SessionKey { return chatbox.SessionKey{Tenant: tenant, ID: id} }
	spoken(t, f.Stores, key("a"), "ann", "needle", "needle", "hay")
	spoken(t, f.Stores, key("b"), "bob", "needle")
	require.NoError(t, f.Sessions.SaveState(t.Context(), key("b"), chatbox.State{Head: 1, Ended: true, EndedAt: epoch, LastActivity: epoch}))
	require.NoError(t, f.Sessions.SetName(t.Context(), key("a"), "Lost things", false))
	require.NoError(t, f.Labels.SetTags(t.Context(), key("b"), []string{"Billing", "vip"}))
	minute := func(n int) time.Time { return epoch.Add(time.Duration(n) * time.Minute) }
	for name, c := range map[string]struct {
		q    helpdesk.SearchQuery
		want []string
	}{
		"all":             {helpdesk.SearchQuery{Words: "needle"}, []string{"a:2", "b:1", "a:1"}},
		"user":            {helpdesk.SearchQuery{Words: "needle", UserID: "bob"}, []string{"b:1"}},
		"nobody":          {helpdesk.SearchQuery{Words: "needle", UserID: "cid"}, []string{}},
		"ended":           {helpdesk.SearchQuery{Words: "needle", Status: "ended"}, []string{"b:1"}},
		"active":          {helpdesk.SearchQuery{Words: "needle", Status: "active"}, []string{"a:2", "a:1"}},
		"name":            {helpdesk.SearchQuery{Words: "needle", Name: "LOST"}, []string{"a:2", "a:1"}},
		"other name":      {helpdesk.SearchQuery{Words: "needle", Name: "needle"}, []string{}},
		"name and user":   {helpdesk.SearchQuery{Words: "needle", Name: "lost", UserID: "bob"}, []string{}},
		"tags":            {helpdesk.SearchQuery{Words: "needle", Tags: []string{"billing", "VIP"}}, []string{"b:1"}},
		"other tags":      {helpdesk.SearchQuery{Words: "needle", Tags: []string{"billing", "x"}}, []string{}},
		"tagged sessions": {helpdesk.SearchQuery{Tags: []string{"vip"}}, []string{"b"}},
		"from":            {helpdesk.SearchQuery{Words: "needle", From: minute(2)}, []string{"a:2"}},
		"to":              {helpdesk.SearchQuery{Words: "needle", To: minute(2)}, []string{"b:1", "a:1"}},
		"between":         {helpdesk.SearchQuery{Words: "needle", From: minute(1), To: minute(2), UserID: "ann"}, []string{"a:1"}},
		"sessions":        {helpdesk.SearchQuery{}, []string{"a", "b"}},
		"ended sessions":  {helpdesk.SearchQuery{Status: "ended"}, []string{"b"}},
		"a name":          {helpdesk.SearchQuery{Name: `"lost things"`}, []string{"a"}},
		"no phrase of it": {helpdesk.SearchQuery{Name: `"things lost"`}, []string{}},
		"nor with words":  {helpdesk.SearchQuery{Words: "needle", Name: "things-lost"}, []string{}},
		"a user's":        {helpdesk.SearchQuery{UserID: "bob"}, []string{"b"}},
		"begun before":    {helpdesk.SearchQuery{To: epoch}, []string{}},
		"the same second": {helpdesk.SearchQuery{From: epoch, To: minute(1)}, []string{"a", "b"}},
	} {
		for _, limit := range []int{1, 20} {
			c.q.Tenant, c.q.Limit = tenant, limit
			assert.ElementsMatch(t, c.want, search(t, f.Stores, c.q), "%s, pages of %d", name, limit)
		}
	}
}

// searchNames finds sessions by name in every list.
func searchNames(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	named := func(name string) []string {
		t.Helper()
		var out []string
		page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{
			Tenant: k.Tenant, Name: name, Sort: helpdesk.SortActivity, Desc: true, Limit: 5,
		})
		require.NoError(t, err)
		assert.EqualValues(t, len(page.Sessions), page.Total)
		for _, s := range page.Sessions {
			out = append(out, s.Key.ID)
		}
		return out
	}
	other := chatbox.SessionKey{Tenant: k.Tenant, ID: unique("s-")}
	for key, name := range map[chatbox.SessionKey]string{k: "Broken Heizung", other: ""} {
		_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: key, Owner: "u", Name: name, CreatedAt: epoch})
		require.NoError(t, err)
	}
	assert.Equal(t, []string{k.ID}, named("heizung"))
	assert.Equal(t, []string{k.ID}, named("HEIZUNG broken"))
	assert.Empty(t, named("heiz"))
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "Late", true))
	assert.Equal(t, []string{k.ID}, named("heizung"), "it had a name")
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "Warm again", false))
	assert.Empty(t, named("heizung"), "it has another name")
	assert.Equal(t, []string{k.ID}, named("warm"))
	require.NoError(t, f.Sessions.SetName(t.Context(), other, "Warm too", true))
	assert.ElementsMatch(t, []string{k.ID, other.ID}, named("warm"))
	require.NoError(t, f.Sessions.SetName(t.Context(), other, "…", false))
	assert.Equal(t, []string{k.ID}, named("warm"), "a name without words")
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "", false))
	assert.Empty(t, named("warm"))
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "v", Name: "Warm", CreatedAt: epoch})
	require.NoError(t, err)
	assert.Empty(t, named("warm"), "the session was there")
}

func searchOff(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	spoken(t, f.Stores, k, "u", "a needle")
	off := f.NoWords(t)
	word := strings.ReplaceAll(unique("w"), "-", "")
	appendAll(t, off, saidBy(k, "u", 2, word))
	require.NoError(t, off.Sessions.SetName(t.Context(), k, word, false))
	for _, purpose := range []string{"message", "name"} {
		assert.Zero(t, tokensAtRest(t, f, k.Tenant, purpose, word), "no token is written")
	}
	for field, q := range map[string]helpdesk.SearchQuery{
		"q": {Tenant: k.Tenant, Words: "needle", Limit: 5}, "name": {Tenant: k.Tenant, Name: word, Limit: 5},
	} {
		refusedFor(t, off.Finder.Check(q), field)
		_, err := off.Finder.Find(t.Context(), q)
		refusedFor(t, err, field)
	}
	_, err := off.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: k.Tenant, Name: word, Sort: helpdesk.SortStart, Limit: 5})
	refusedFor(t, err, "name")
	page, err := off.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, UserID: "u", Limit: 5})
	require.NoError(t, err)
	assert.Len(t, page.Hits, 1, "sessions are listed")
	assert.True(t, page.WordsOff)
	assert.Equal(t, []string{k.ID + ":1"}, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: "needle"}), "on again")
	require.NoError(t, off.Tombs.Bury(t.Context(), k, epoch))
	require.NoError(t, off.Messages.EraseRange(t.Context(), k, 1, 9))
	assert.Zero(t, tokensAtRest(t, f, k.Tenant, "message", "needle"), "what was indexed before goes all the same")
}

func refusedFor(t *testing.T, err error, field string) {
	t.Helper()
	var e *chatbox.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, chatbox.InvalidArgument, e.Code)
	assert.Equal(t, field, e.Field)
}

func searchRefuses(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	spoken(t, f.Stores, k, "u", "needle", "needle")
	page, err := f.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, Words: "needle", Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, page.Next)
	for _, c := range []struct {
		field string
		q     helpdesk.SearchQuery
	}{
		{"q", helpdesk.SearchQuery{Words: " … "}},
		{"q", helpdesk.SearchQuery{Words: `a "b`}},
		{"name", helpdesk.SearchQuery{Name: "?"}},
		{"name", helpdesk.SearchQuery{Words: "a", Name: strings.Repeat("x", 501)}},
		{"status", helpdesk.SearchQuery{Words: "a", Status: "open"}},
		{"status", helpdesk.SearchQuery{Status: "open"}},
		{"cursor", helpdesk.SearchQuery{Words: "a", Cursor: "x"}},
		{"cursor", helpdesk.SearchQuery{Cursor: page.Next}},
	} {
		c.q.Tenant, c.q.Limit = k.Tenant, 5
		refusedFor(t, f.Finder.Check(c.q), c.field)
		_, err := f.Finder.Find(t.Context(), c.q)
		refusedFor(t, err, c.field)
	}
}
