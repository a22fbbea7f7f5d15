package embedded_test

import (
	"context"
	"encoding/json"
	"path/filepath"
	"testing"

	"chatbox"
	"chatbox/persistence"
	"chatbox/test/conformance"

	"github.com/stretchr/testify/require"
)

func TestStore_Keys(t *testing.T) {
	conformance.Keys(t, func(t *testing.T) conformance.KeysFixture {
		t.Helper()
		path := filepath.Join(t.TempDir(), "chat.db")
		return conformance.KeysFixture{
			Open: func(t *testing.T, keys ...persistence.Key) (conformance.Stores, func(context.Context) error) {
				t.Helper()
				s := open(t, path, keyring(t, keys...))
				return ports(s), s.CheckKeys
			},
			Forget: func(t *testing.T) {
				t.Helper()
				exec(t, path, `DELETE FROM keys`)
			},
			Retire: func(t *testing.T, id string) { t.Helper(); retire(t, path, id) },
			AlterBox: func(t *testing.T, k chatbox.SessionKey, seq int64) {
				t.Helper()
				box := raw[[]byte](t, path, `SELECT box FROM messages WHERE tenant = ? AND session = ? AND seq = ?`, k.Tenant, k.ID, seq)
				box[len(box)-1] ^= 1
				exec(t, path, `UPDATE messages SET box = ? WHERE tenant = ? AND session = ? AND seq = ?`, box, k.Tenant, k.ID, seq)
			},
			AtRest: func(t *testing.T) []byte {
				t.Helper()
				db := direct(t, path)
				var out []byte
				for _, table := range []string{"keys", "messages", "sessions"} {
					var text string
					require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) || coalesce((SELECT revision || entries FROM keys), '') FROM "+table).Scan(&text))
					out = append(out, text...)
				}
				return out
			},
		}
	})
}

// retire changes the file as the runbook describes for MongoDB.
func retire(t *testing.T, path, id string) {
	t.Helper()
	type entry map[string]any
	var rows int
	db := direct(t, path)
	require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM keys").Scan(&rows))
	gone := entry{"id": id, "retired": true, "since": "2026-01-01T00:00:00Z"}
	if rows == 0 {
		text, err := json.Marshal([]entry{gone})
		require.NoError(t, err)
		exec(t, path, "INSERT INTO keys (one, revision, entries) VALUES (1, 1, ?)", string(text))
		return
	}
	var entries []entry
	require.NoError(t, json.Unmarshal([]byte(raw[string](t, path, "SELECT entries FROM keys")), &entries))
	for i, e := range entries {
		if e["id"] == id {
			entries[i] = gone
		}
	}
	text, err := json.Marshal(entries)
	require.NoError(t, err)
	exec(t, path, "UPDATE keys SET revision = revision + 1, entries = ?", string(text))
}
