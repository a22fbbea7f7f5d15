package embedded_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func keyring(t testing.TB, keys ...persistence.Key) *persistence.Keyring {
	t.Helper()
	if len(keys) == 0 {
		keys = []persistence.Key{{ID: "k1", Secret: [32]byte{1}}}
	}
	k, err := persistence.NewKeyring(keys)
	require.NoError(t, err)
	return k
}

func open(t testing.TB, path string, k *persistence.Keyring) *embedded.Store {
	t.Helper()
	s, err := embedded.Open(t.Context(), path, k)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(t.Context())) })
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
	assert.ErrorIs(t, s.Messages().Append(t.Context(), e), chatbox.StoreFailed)
	_, err = s.Messages().Range(t.Context(), e.Session, 1, 9)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.FileExists(t, path)

	again := open(t, path, keyring(t))
	got, err := again.Messages().Range(t.Context(), e.Session, 1, 9)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{e}, got)
}
