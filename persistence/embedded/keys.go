package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"chatbox"
	"chatbox/persistence/internal/keybook"
	"chatbox/persistence/internal/record"
)

// schemaKeys has one row with the check values of the keys that the file is
// sealed with.
const schemaKeys = `
CREATE TABLE IF NOT EXISTS keys (
	one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL, entries TEXT NOT NULL
) STRICT;
`

// CheckKeys checks that the keyring opens what the file was sealed with. If not,
// the *chatbox.UnfitError gives the reason.
func (s *Store) CheckKeys(ctx context.Context) error {
	return keybook.Check(ctx, s.keys, keySource{s})
}

type keySource struct{ *Store }

// ReadBook reads the check values.
func (s keySource) ReadBook(ctx context.Context) (keybook.Book, error) {
	var b keybook.Book
	var entries string
	err := s.reader.QueryRowContext(ctx, "SELECT revision, entries FROM keys").Scan(&b.Revision, &entries)
	if errors.Is(err, sql.ErrNoRows) {
		return b, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(entries), &b.Entries)
	}
	if err != nil {
		return b, record.Failed("read the keys' check values", err)
	}
	return b, nil
}

// WriteBook replaces the stored book if that has the revision just below the
// given one.
func (s keySource) WriteBook(ctx context.Context, b keybook.Book) (won bool, err error) {
	const act = "write the keys' check values"
	entries, err := json.Marshal(b.Entries)
	if err != nil {
		return false, record.Failed(act, err)
	}
	query, args := "INSERT INTO keys (one, revision, entries) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", []any{b.Revision, string(entries)}
	if b.Revision > 1 {
		query, args = "UPDATE keys SET revision = ?, entries = ? WHERE revision = ?", append(args, b.Revision-1)
	}
	return doFor(ctx, s.Store, act, smallWrite, func(ctx context.Context, tx *sql.Tx) (bool, error) {
		return changed(tx.ExecContext(ctx, query, args...))
	})
}

const sampled = 32 // records of each kind

// SampleBoxes returns the newest boxes.
func (s keySource) SampleBoxes(ctx context.Context) ([]keybook.Sample, error) {
	const act = "read some records"
	rows, err := s.reader.QueryContext(ctx, "SELECT tenant, session, key, box FROM messages ORDER BY rowid DESC LIMIT ?", sampled)
	samples, err := collect(act, rows, err, func(scan func(...any) error) (keybook.Sample, error) {
		var k chatbox.SessionKey
		var key string
		var box []byte
		err := scan(&k.Tenant, &k.ID, &key, &box)
		return keybook.Sample{Box: box, AAD: record.EventAAD(k, key)}, err
	})
	if err != nil {
		return nil, err
	}
	for _, part := range []string{record.PartName, record.PartOwner} {
		rows, err := s.reader.QueryContext(ctx, fmt.Sprintf(
			"SELECT tenant, session, %s FROM sessions WHERE %[1]s IS NOT NULL ORDER BY rowid DESC LIMIT ?", part), sampled) // the column name is a constant of this package
		some, err := collect(act, rows, err, func(scan func(...any) error) (keybook.Sample, error) {
			var k chatbox.SessionKey
			var box []byte
			err := scan(&k.Tenant, &k.ID, &box)
			return keybook.Sample{Box: box, AAD: record.TextAAD(k, part)}, err
		})
		if err != nil {
			return nil, err
		}
		samples = append(samples, some...)
	}
	return samples, nil
}
