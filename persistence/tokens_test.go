package persistence

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A token depends on its word, tenant, purpose and key, and on nothing else.
func TestKeyring_Tokens(t *testing.T) {
	first, second := Key{"a", secretOf(1)}, Key{"b", secretOf(2)}
	tokens := func(k *Keyring, tenant, purpose string, words ...string) []int64 {
		t.Helper()
		out, err := k.Tokens(tenant, purpose, words)
		require.NoError(t, err)
		return out
	}
	k := ring(t, first, second)
	got := tokens(k, "t", "message", "fox", "dog", "fox")
	require.Len(t, got, 3)
	assert.Equal(t, got[0], got[2])
	seen := map[int64]bool{}
	for _, token := range []int64{
		got[0], got[1], tokens(k, "u", "message", "fox")[0], tokens(k, "", "message", "fox")[0], tokens(k, "t", "name", "fox")[0],
		tokens(k, "tm", "essage", "fox")[0], tokens(ring(t, second), "t", "message", "fox")[0],
		tokens(ring(t, Key{"a", secretOf(3)}), "t", "message", "fox")[0],
	} {
		assert.False(t, seen[token])
		seen[token] = true
	}
	assert.Equal(t, got, tokens(ring(t, Key{"z", secretOf(1)}), "t", "message", "fox", "dog", "fox"), "the key's id says nothing")

	all, err := k.TokensOfAll("t", "message", []string{"fox", "dog"})
	require.NoError(t, err)
	assert.Equal(t, [][]int64{got[:2], tokens(ring(t, second), "t", "message", "fox", "dog")}, all, "the sealing key's first")
	assert.Empty(t, tokens(k, "t", "message"))
}

// Tokens must never change, because stored tokens were made with this function.
func TestKeyring_TokensStay(t *testing.T) {
	out, err := ring(t, Key{"a", secretOf(1)}).Tokens("t", "message", []string{"fox"})
	require.NoError(t, err)
	assert.Equal(t, []int64{8647620169285566211}, out)
}

func TestKeyring_TokensOfManyTenantsStayTheSame(t *testing.T) {
	k := ring(t, Key{"a", secretOf(1)})
	words := []string{"invoice"}
	before := map[int][]int64{}
	for i := range 2 * mostTokenKeys {
		tokens, err := k.Tokens(strconv.Itoa(i), "message", words)
		require.NoError(t, err)
		before[i] = tokens
	}
	assert.LessOrEqual(t, len(k.first.tokens.of), mostTokenKeys, "bounded")
	for i := range 2 * mostTokenKeys {
		tokens, err := k.Tokens(strconv.Itoa(i), "message", words)
		require.NoError(t, err)
		require.Equal(t, before[i], tokens)
	}
}
