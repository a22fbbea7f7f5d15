package embedded_test

import (
	"path/filepath"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"
	"chatbox/persistence/embedded"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keyring(tb testing.TB, keys ...persistence.Key) *persistence.Keyring {
	tb.Helper()
	if len(keys) == 0 {
		keys = []persistence.Key{{ID: "k1", Secret: [32]byte{1}}}
	}
	k, err := persistence.NewKeyring(keys)
	require.NoError(tb, err)
	return k
}

func open(tb testing.TB, path string, k *persistence.Keyring) *embedded.Store {
	tb.Helper()
	s, err := embedded.Open(tb.Context(), path, k)
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, s.Close(tb.Context())) })
	return s
}

func TestOpen_TwiceInARow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c", "ch%at#.db")
	s, err := embedded.Open(t.Context(), path, keyring(t))
	require.NoError(t, err)
	require.NoError(t, s.Ping(t.Context()))
	e := chatbox.Event{
		Session: chatbox.SessionKey{Tenant: "t", ID: "s"}, Seq: 1, Key: "c:u:1", ID: "1",
		Content: "hello", Time: time.UnixMilli(1_700_000_000_123).UTC(),
	}
	require.NoError(t, s.Messages().Append(t.Context(), e))
	require.ErrorIs(t, s.Messages().Append(t.Context(), e), chatbox.Clash)
	require.NoError(t, s.Close(t.Context()))
	require.ErrorIs(t, s.Messages().Append(t.Context(), e), chatbox.StoreFailed)
	_, err = s.Messages().Range(t.Context(), e.Session, 1, 9)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.FileExists(t, path)

	again := open(t, path, keyring(t))
	got, err := again.Messages().Range(t.Context(), e.Session, 1, 9)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{e}, got)
}
