package embedded_test

import (
	"bytes"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
	"chatbox/test/conformance"
)

func ports(s *embedded.Store) conformance.Stores {
	return conformance.Stores{Messages: s.Messages(), Sessions: s.Sessions(), Turns: s.Turns()}
}

func TestStore_Conformance(t *testing.T) {
	conformance.Store(t, func(t *testing.T) conformance.StoreFixture {
		path := filepath.Join(t.TempDir(), "chat.db")
		return conformance.StoreFixture{
			Stores: ports(open(t, path, keyring(t, conformance.StoreKey()))),
			Reopen: func(t *testing.T, keys ...persistence.Key) conformance.Stores {
				return ports(open(t, path, keyring(t, keys...)))
			},
			MoveBox: func(t *testing.T, k chatbox.SessionKey, from, to int64) {
				exec(t, path, `UPDATE messages SET box = (SELECT box FROM messages WHERE tenant = ?1 AND session = ?2 AND seq = ?3)
				WHERE tenant = ?1 AND session = ?2 AND seq = ?4`, k.Tenant, k.ID, from, to)
			},
			AlterBox: func(t *testing.T, k chatbox.SessionKey, seq int64) {
				box := raw[[]byte](t, path, `SELECT box FROM messages WHERE tenant = ? AND session = ? AND seq = ?`, k.Tenant, k.ID, seq)
				box[len(box)/2] ^= 1
				exec(t, path, `UPDATE messages SET box = ? WHERE tenant = ? AND session = ? AND seq = ?`, box, k.Tenant, k.ID, seq)
			},
			AtRest: func(t *testing.T) []byte {
				files, err := filepath.Glob(path + "*")
				require.NoError(t, err)
				var all bytes.Buffer
				for _, name := range files {
					b, err := os.ReadFile(name)
					require.NoError(t, err)
					all.Write(b)
				}
				return all.Bytes()
			},
		}
	})
}

// direct is a connection of the test's own to the same file.
func direct(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func exec(t testing.TB, path, query string, args ...any) {
	t.Helper()
	done, err := direct(t, path).ExecContext(t.Context(), query, args...)
	require.NoError(t, err)
	n, err := done.RowsAffected()
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}

func raw[T any](t testing.TB, path, query string, args ...any) T {
	t.Helper()
	var out T
	require.NoError(t, direct(t, path).QueryRowContext(t.Context(), query, args...).Scan(&out))
	return out
}
