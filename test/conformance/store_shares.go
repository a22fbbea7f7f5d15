package conformance

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func shareOf(k chatbox.SessionKey, name string, head int64) chatbox.Share {
	return chatbox.Share{Session: k, Name: name, Head: head, CreatedAt: epoch, ExpiresAt: epoch.Add(time.Hour)}
}

func shareByToken(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	token, other := unique("token-"), unique("token-")
	named, bare := shareOf(k, "canary-"+token, 7), shareOf(k, "", 0)
	require.NoError(t, f.Shares.Add(t.Context(), token, named))
	require.NoError(t, f.Shares.Add(t.Context(), other, bare))
	got, err := f.Shares.ByToken(t.Context(), token)
	require.NoError(t, err)
	assert.Equal(t, named, got)
	got, err = f.Shares.ByToken(t.Context(), other)
	require.NoError(t, err)
	assert.Equal(t, bare, got)
	require.Error(t, f.Shares.Add(t.Context(), token, bare), "a token is given once")
	for _, wrong := range []string{"", token[:len(token)-1], token + "x", "$ne", `["` + token + `"]`} {
		_, err := f.Shares.ByToken(t.Context(), wrong)
		require.ErrorIs(t, err, chatbox.NotFound, wrong)
	}
	stored := f.AtRest(t)
	for _, secret := range []string{token, other, base64.StdEncoding.EncodeToString([]byte(token))[4:28]} {
		assert.False(t, bytes.Contains(stored, []byte(secret)), "neither tokens nor names are kept readable")
	}
}

func shareEnds(t *testing.T, f StoreFixture) {
	t.Helper()
	a, b := newKey(), newKey()
	b.Tenant = a.Tenant
	tokens := map[string]chatbox.Share{}
	for i, k := range []chatbox.SessionKey{a, a, b, {Tenant: unique("t-"), ID: a.ID}} {
		sh := shareOf(k, fmt.Sprint(i), int64(i))
		token := unique("token-")
		require.NoError(t, f.Shares.Add(t.Context(), token, sh))
		tokens[token] = sh
	}
	for range 2 {
		require.NoError(t, f.Shares.Revoke(t.Context(), a))
	}
	for token, sh := range tokens {
		_, err := f.Shares.ByToken(t.Context(), token)
		if sh.Session == a {
			require.ErrorIs(t, err, chatbox.NotFound)
			continue
		}
		require.NoError(t, err, "another session's, another tenant's")
	}
	short, long := unique("token-"), unique("token-")
	sh := shareOf(a, "", 1)
	sh.CreatedAt, sh.ExpiresAt = epoch.Add(-time.Hour), epoch.Add(-time.Minute)
	require.NoError(t, f.Shares.Add(t.Context(), short, sh))
	require.NoError(t, f.Shares.Add(t.Context(), long, shareOf(a, "", 1)))
	require.NoError(t, f.Shares.Expire(t.Context(), epoch.Add(-time.Second)))
	_, err := f.Shares.ByToken(t.Context(), short)
	require.ErrorIs(t, err, chatbox.NotFound)
	_, err = f.Shares.ByToken(t.Context(), long)
	require.NoError(t, err)
}

func shareBound(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	expired := shareOf(k, "", 1)
	expired.CreatedAt, expired.ExpiresAt = epoch.Add(-time.Hour), epoch.Add(-time.Minute)
	require.NoError(t, f.Shares.Add(t.Context(), unique("token-"), expired))
	for range persistence.MaxShares {
		require.NoError(t, f.Shares.Add(t.Context(), unique("token-"), shareOf(k, "", 1)))
	}
	require.ErrorIs(t, f.Shares.Add(t.Context(), unique("token-"), shareOf(k, "", 1)), chatbox.Full)
	require.NoError(t, f.Shares.Add(t.Context(), unique("token-"), shareOf(newKey(), "", 1)), "another session's")
	require.NoError(t, f.Shares.Revoke(t.Context(), k))
	require.NoError(t, f.Shares.Add(t.Context(), unique("token-"), shareOf(k, "", 1)))
}

func shareKeys(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	old, fresh := unique("token-"), unique("token-")
	require.NoError(t, f.Shares.Add(t.Context(), old, shareOf(k, "old", 1)))
	next := persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}}
	rotated := f.Reopen(t, next, StoreKey())
	got, err := rotated.Shares.ByToken(t.Context(), old)
	require.NoError(t, err, "links outlive a rotation")
	assert.Equal(t, "old", got.Name)
	require.NoError(t, rotated.Shares.Add(t.Context(), fresh, shareOf(k, "new", 2)))
	_, err = f.Shares.ByToken(t.Context(), fresh)
	require.ErrorIs(t, err, chatbox.NotFound, "without the key nobody can look for it")
	imposter := StoreKey()
	imposter.Secret[0]++
	_, err = f.Reopen(t, imposter).Shares.ByToken(t.Context(), old)
	require.ErrorIs(t, err, chatbox.NotFound)
}
