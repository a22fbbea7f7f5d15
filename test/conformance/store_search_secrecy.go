package conformance

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tokensAtRest counts how often 8 bytes that any token of the word might be are
// stored: those of the key, tenant and purpose.
func tokensAtRest(t *testing.T, f StoreFixture, tenant, purpose, word string) int {
	t.Helper()
	ring, err := persistence.NewKeyring([]persistence.Key{StoreKey()})
	require.NoError(t, err)
	tokens, err := ring.Tokens(tenant, purpose, []string{word})
	require.NoError(t, err)
	var little, big [8]byte
	binary.LittleEndian.PutUint64(little[:], uint64(tokens[0]))
	binary.BigEndian.PutUint64(big[:], uint64(tokens[0]))
	all := f.AtRest(t)
	return bytes.Count(all, little[:]) + bytes.Count(all, big[:])
}

func searchTenants(t *testing.T, f StoreFixture) {
	t.Helper()
	a := newKey()
	b := chatbox.SessionKey{Tenant: unique("t-"), ID: a.ID}
	word := strings.ReplaceAll(unique("w"), "-", "")
	spoken(t, f.Stores, a, "u", word)
	assert.Equal(t, []string{a.ID + ":1"}, search(t, f.Stores, helpdesk.SearchQuery{Tenant: a.Tenant, Words: word}))
	assert.Empty(t, search(t, f.Stores, helpdesk.SearchQuery{Tenant: b.Tenant, Words: word}))
	assert.Empty(t, search(t, f.Stores, helpdesk.SearchQuery{Words: word}), "the nameless tenant is one, too")
	assert.Positive(t, tokensAtRest(t, f, a.Tenant, "message", word))
	assert.Zero(t, tokensAtRest(t, f, b.Tenant, "message", word), "the same word is another token elsewhere")
	assert.Zero(t, tokensAtRest(t, f, a.Tenant, "name", word), "and in names")
	spoken(t, f.Stores, b, "v", word)
	for _, k := range []chatbox.SessionKey{a, b} {
		page, err := f.Finder.Find(t.Context(), helpdesk.SearchQuery{Tenant: k.Tenant, Words: word, Limit: 5})
		require.NoError(t, err)
		require.Len(t, page.Hits, 1)
		assert.Equal(t, k, page.Hits[0].Session.Key)
	}
}

func searchSecrecy(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	canary, named := strings.ReplaceAll(unique("canary"), "-", ""), strings.ReplaceAll(unique("named"), "-", "")
	spoken(t, f.Stores, k, "u", "a "+canary+" b")
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "x "+named, false))
	require.Equal(t, []string{k.ID + ":1"}, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Words: canary, Name: named}))
	stored := f.AtRest(t)
	require.True(t, bytes.Contains(stored, []byte(k.ID)), "this is where it is kept")
	for _, word := range []string{canary, named} {
		assert.False(t, bytes.Contains(stored, []byte(word)))
		assert.False(t, bytes.Contains(stored, []byte(strings.ToUpper(word))))
	}
}

func searchKeys(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	spoken(t, f.Stores, k, "u", "a needle")
	require.NoError(t, f.Sessions.SetName(t.Context(), k, "haystack", false))
	next := persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}}
	imposter := StoreKey()
	imposter.Secret[0]++
	find := func(s Stores, q helpdesk.SearchQuery) []string {
		t.Helper()
		q.Tenant = k.Tenant
		return search(t, s, q)
	}
	for name, keys := range map[string][]persistence.Key{"same id": {imposter}, "other id": {next}} {
		wrong := f.Reopen(t, keys...)
		assert.Empty(t, find(wrong, helpdesk.SearchQuery{Words: "needle"}), name)
		assert.Empty(t, find(wrong, helpdesk.SearchQuery{Name: "haystack"}), name)
	}
	rotated := f.Reopen(t, next, StoreKey())
	appendAll(t, rotated, saidBy(k, "u", 2, "another needle"))
	assert.Equal(t, []string{k.ID + ":2", k.ID + ":1"}, find(rotated, helpdesk.SearchQuery{Words: "needle"}))
	assert.Equal(t, []string{k.ID + ":2"}, find(rotated, helpdesk.SearchQuery{Words: "needle another"}))
	assert.Equal(t, []string{k.ID + ":2", k.ID + ":1"}, find(rotated, helpdesk.SearchQuery{Words: "needle", Limit: 1}))
	assert.Equal(t, []string{k.ID}, find(rotated, helpdesk.SearchQuery{Name: "haystack"}))
	assert.Equal(t, []string{k.ID + ":1"}, find(f.Stores, helpdesk.SearchQuery{Words: "needle"}), "the new key seals, so it indexes")
	require.NoError(t, rotated.Sessions.SetName(t.Context(), k, "haystack two", false))
	assert.Equal(t, []string{k.ID}, find(rotated, helpdesk.SearchQuery{Name: "two haystack"}))
	onlyNext := f.Reopen(t, next)
	assert.Equal(t, []string{k.ID + ":2"}, find(onlyNext, helpdesk.SearchQuery{Words: "needle"}), "with the old key its messages went")
}

func searchErased(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	same := chatbox.SessionKey{Tenant: k.Tenant, ID: unique("s-")}
	word := strings.ReplaceAll(unique("w"), "-", "")
	spoken(t, f.Stores, k, "u", word, word, word)
	spoken(t, f.Stores, same, "u", word)
	require.NoError(t, f.Sessions.SetName(t.Context(), k, word, false))
	q := helpdesk.SearchQuery{Tenant: k.Tenant, Words: word}
	require.Len(t, search(t, f.Stores, q), 4)
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 2, 2))
	require.Len(t, search(t, f.Stores, q), 3)
	require.NoError(t, f.Tombs.Bury(t.Context(), k, epoch))
	assert.Equal(t, []string{same.ID + ":1"}, search(t, f.Stores, q), "buried is not found, whatever is left of it")
	assert.Empty(t, search(t, f.Stores, helpdesk.SearchQuery{Tenant: k.Tenant, Name: word}))
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 100))
	appendAll(t, f.Stores, saidBy(k, "u", 9, word))
	require.NoError(t, f.Messages.EraseRange(t.Context(), k, 1, 100), "an insert that was under way")
	require.NoError(t, f.Messages.EraseRange(t.Context(), same, 1, 100))
	assert.Empty(t, search(t, f.Stores, q))
	assert.Zero(t, tokensAtRest(t, f, k.Tenant, "message", word), "the tokens went with the messages")
	assert.Zero(t, tokensAtRest(t, f, k.Tenant, "name", word), "and with the name")
	spoken(t, f.Stores, chatbox.SessionKey{Tenant: k.Tenant, ID: "again"}, "u", word)
	assert.Equal(t, []string{"again:1"}, search(t, f.Stores, q))
}
