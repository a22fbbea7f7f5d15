package embedded

import (
	"context"
	"database/sql"
	"encoding/json"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Tables of the words' tokens. A message with tokens has a number, so that each
// token's row is small. The number n increases with every insert; times need not.
const schemaWords = `
CREATE TABLE IF NOT EXISTS spoken (
	n INTEGER PRIMARY KEY, tenant TEXT NOT NULL, session TEXT NOT NULL, seq INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS spoken_place ON spoken (tenant, session, seq);
CREATE TABLE IF NOT EXISTS words (
	token INTEGER NOT NULL, time INTEGER NOT NULL, n INTEGER NOT NULL, PRIMARY KEY (token, time, n)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS words_of ON words (n);
CREATE TABLE IF NOT EXISTS name_words (
	token INTEGER NOT NULL, tenant TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (token, tenant, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS name_words_of ON name_words (tenant, session);
`

const (
	sqlIndex        = `INSERT INTO spoken (tenant, session, seq) VALUES (?, ?, ?) RETURNING n`
	sqlIndexWords   = `INSERT INTO words (token, time, n) SELECT value, ?, ? FROM json_each(?)`
	sqlUnindexWords = `DELETE FROM words WHERE n IN
	(SELECT n FROM spoken WHERE tenant = ? AND session = ? AND seq BETWEEN ? AND ?)`
	sqlUnindex     = `DELETE FROM spoken WHERE tenant = ? AND session = ? AND seq BETWEEN ? AND ?`
	sqlIndexName   = `INSERT INTO name_words (token, tenant, session) SELECT value, ?, ? FROM json_each(?)`
	sqlUnindexName = `DELETE FROM name_words WHERE tenant = ? AND session = ?`
)

const wordSize = 64 // approximate bytes, including both indexes

// messageTokens returns nil if words are not indexed or the message has none.
func (s *Store) messageTokens(e chatbox.Event) ([]int64, error) {
	if s.noWords {
		return nil, nil
	}
	return record.MessageTokens(s.keys, e)
}

func (s *Store) nameTokens(k chatbox.SessionKey, name string) ([]int64, error) {
	if s.noWords {
		return nil, nil
	}
	return record.NameTokens(s.keys, k, name)
}

// indexWords writes the tokens of the message just inserted.
func (s *Store) indexWords(ctx context.Context, tx *sql.Tx, e chatbox.Event, tokens []int64) error {
	if len(tokens) == 0 {
		return nil
	}
	list, err := json.Marshal(tokens)
	if err != nil {
		return err
	}
	var n int64
	if err := tx.StmtContext(ctx, s.stmts.index).QueryRowContext(ctx, e.Session.Tenant, e.Session.ID, e.Seq).Scan(&n); err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, s.stmts.indexWords).ExecContext(ctx, record.Millis(e.Time), n, string(list))
	return err
}

func (s *Store) unindexWords(ctx context.Context, tx *sql.Tx, k chatbox.SessionKey, from, to int64) error {
	for _, stmt := range []*sql.Stmt{s.stmts.unindexWords, s.stmts.unindex} {
		if _, err := tx.StmtContext(ctx, stmt).ExecContext(ctx, k.Tenant, k.ID, from, to); err != nil {
			return err
		}
	}
	return nil
}

// indexName replaces the tokens of the session's name.
func (s *Store) indexName(ctx context.Context, tx *sql.Tx, k chatbox.SessionKey, tokens []int64) error {
	if _, err := tx.StmtContext(ctx, s.stmts.unindexName).ExecContext(ctx, k.Tenant, k.ID); err != nil || len(tokens) == 0 {
		return err
	}
	list, err := json.Marshal(tokens)
	if err != nil {
		return err
	}
	_, err = tx.StmtContext(ctx, s.stmts.indexName).ExecContext(ctx, k.Tenant, k.ID, string(list))
	return err
}
