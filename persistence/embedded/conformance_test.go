package embedded_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"chatbox"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
	"chatbox/test/conformance"

	"github.com/stretchr/testify/require"
)

func ports(s *embedded.Store) conformance.Stores {
	return conformance.Stores{
		Messages: s.Messages(), Sessions: s.Sessions(), Turns: s.Turns(), Tombs: s.Sessions(), Shares: s.Shares(),
		Alerts: s.Alerts(), Transcripts: s.Transcripts(), Audit: s.Audit(), Ledger: s.Sessions(), Concurrency: s.Concurrency(), Erasures: s.Sessions(), Cards: s.Cards(), Withdrawals: s.Withdrawals(), Peers: s.Peers(), Rotation: s,
		Queue:   s.Sessions(),
		Ratings: s.Sessions(), Feedback: s.Messages(),
		Labels: s.Sessions(),
		Finder: s.Search(),
		Blocks: s.Blocks(),
		Files:  s.Files(),
	}
}

func TestStore_Conformance(t *testing.T) {
	conformance.Store(t, func(t *testing.T) conformance.StoreFixture {
		t.Helper()
		path := filepath.Join(t.TempDir(), "chat.db")
		return conformance.StoreFixture{
			Stores: ports(open(t, path, keyring(t, conformance.StoreKey()))),
			Reopen: func(t *testing.T, keys ...persistence.Key) conformance.Stores {
				t.Helper()
				return ports(open(t, path, keyring(t, keys...)))
			},
			NoWords: func(t *testing.T) conformance.Stores {
				t.Helper()
				s, err := embedded.OpenConfig(t.Context(), embedded.Config{Path: path, NoWords: true}, keyring(t, conformance.StoreKey()))
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
				return ports(s)
			},
			MoveBox: func(t *testing.T, k chatbox.SessionKey, from, to int64) {
				t.Helper()
				exec(t, path, `UPDATE messages SET box = (SELECT box FROM messages WHERE tenant = ?1 AND session = ?2 AND seq = ?3)
				WHERE tenant = ?1 AND session = ?2 AND seq = ?4`, k.Tenant, k.ID, from, to)
			},
			AlterBox: func(t *testing.T, k chatbox.SessionKey, seq int64) {
				t.Helper()
				box := raw[[]byte](t, path, `SELECT box FROM messages WHERE tenant = ? AND session = ? AND seq = ?`, k.Tenant, k.ID, seq)
				box[len(box)/2] ^= 1
				exec(t, path, `UPDATE messages SET box = ? WHERE tenant = ? AND session = ? AND seq = ?`, box, k.Tenant, k.ID, seq)
			},
			AlterNames: func(t *testing.T, k chatbox.SessionKey) {
				t.Helper()
				for _, column := range []string{"name", "owner_name"} {
					box := raw[[]byte](t, path, `SELECT `+column+` FROM sessions WHERE tenant = ? AND session = ?`, k.Tenant, k.ID)
					box[len(box)-1] ^= 1
					exec(t, path, `UPDATE sessions SET `+column+` = ? WHERE tenant = ? AND session = ?`, box, k.Tenant, k.ID)
				}
			},
			SpoilFold: func(t *testing.T, k chatbox.SessionKey) {
				t.Helper()
				exec(t, path, `UPDATE sessions SET state = '"garbage"' WHERE tenant = ? AND session = ?`, k.Tenant, k.ID)
			},
			AlterAudit: func(t *testing.T, tenant string, n int64) {
				t.Helper()
				exec(t, path, `UPDATE audit SET action = 'session.watch' WHERE tenant = ? AND n = ?`, tenant, n)
			},
			RemoveAudit: func(t *testing.T, tenant string, n int64) {
				t.Helper()
				exec(t, path, `DELETE FROM audit WHERE tenant = ? AND n = ?`, tenant, n)
			},
			AtRest: func(t *testing.T) []byte {
				t.Helper()
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

// direct opens a connection of the test's own to the same file.
func direct(tb testing.TB, path string) *sql.DB {
	tb.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func exec(tb testing.TB, path, query string, args ...any) {
	tb.Helper()
	done, err := direct(tb, path).ExecContext(tb.Context(), query, args...)
	require.NoError(tb, err)
	n, err := done.RowsAffected()
	require.NoError(tb, err)
	require.EqualValues(tb, 1, n)
}

func raw[T any](tb testing.TB, path, query string, args ...any) T {
	tb.Helper()
	var out T
	require.NoError(tb, direct(tb, path).QueryRowContext(tb.Context(), query, args...).Scan(&out))
	return out
}
