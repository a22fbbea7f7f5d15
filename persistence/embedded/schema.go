package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// schema is idempotent. Times are milliseconds since 1970 UTC. Boxes are sealed.
// The columns answer and state are JSON without text from people.
const schema = `
CREATE TABLE IF NOT EXISTS messages (
	tenant TEXT NOT NULL, session TEXT NOT NULL, seq INTEGER NOT NULL, key TEXT NOT NULL,
	id TEXT NOT NULL, named INTEGER NOT NULL, type TEXT NOT NULL, sender TEXT NOT NULL,
	user TEXT NOT NULL, owner TEXT NOT NULL, model TEXT NOT NULL, status TEXT NOT NULL,
	time INTEGER NOT NULL, box BLOB NOT NULL, answer TEXT,
	turn_state TEXT, turn_run INTEGER, turn_claims INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS messages_seq ON messages (tenant, session, seq);
CREATE UNIQUE INDEX IF NOT EXISTS messages_key ON messages (tenant, session, key);
CREATE INDEX IF NOT EXISTS messages_pending ON messages (time) WHERE turn_state = 'pending';
CREATE INDEX IF NOT EXISTS messages_pending_of ON messages (tenant, session, seq) WHERE turn_state = 'pending';

CREATE TABLE IF NOT EXISTS sessions (
	tenant TEXT NOT NULL, session TEXT NOT NULL, owner TEXT NOT NULL, name BLOB,
	created INTEGER NOT NULL, erased INTEGER NOT NULL, last_activity INTEGER NOT NULL,
	head INTEGER NOT NULL, ended INTEGER NOT NULL, holder TEXT NOT NULL, holder_name BLOB,
	state TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS sessions_id ON sessions (tenant, session);
CREATE TABLE IF NOT EXISTS withdrawals (
	tenant TEXT NOT NULL, user TEXT NOT NULL, before INTEGER NOT NULL, until INTEGER NOT NULL,
	PRIMARY KEY (tenant, user)
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_owner ON sessions (tenant, owner, last_activity DESC, session);

CREATE TABLE IF NOT EXISTS tombstones (
	tenant TEXT NOT NULL, session TEXT NOT NULL, erased_at INTEGER NOT NULL, sweep_at INTEGER NOT NULL,
	PRIMARY KEY (tenant, session)
) STRICT;
CREATE INDEX IF NOT EXISTS tombstones_sweep ON tombstones (sweep_at);

CREATE TABLE IF NOT EXISTS shares (
	digest TEXT PRIMARY KEY, tenant TEXT NOT NULL, session TEXT NOT NULL, name BLOB,
	head INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS shares_session ON shares (tenant, session);
CREATE INDEX IF NOT EXISTS shares_expires ON shares (expires);
`

// laterColumns lists the columns that files of an earlier version lack.
func laterColumns() [][3]string {
	return [][3]string{
		{"messages", "turn_from", "INTEGER"},
		{"messages", "feedback", "TEXT"},
		{"messages", "feedback_at", "INTEGER"},
		{"messages", "feedback_comment", "BLOB"},
		{"sessions", "rating", "TEXT"},
		{"sessions", "rating_comment", "BLOB"},
		{"sessions", "tags", "BLOB"},
		{"sessions", "assigned", "TEXT"},
		{"sessions", "assigned_name", "BLOB"},
		{"sessions", "owner_name", "BLOB"},
		{"sessions", "issued", "INTEGER"},
		{"crowds", "since", "INTEGER"},
	}
}

// addColumns adds the later columns that are missing.
func addColumns(ctx context.Context, db *sql.DB) error {
	for _, c := range laterColumns() {
		var n int
		err := db.QueryRowContext(ctx, "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?", c[0], c[1]).Scan(&n)
		if err == nil && n == 0 {
			_, err = db.ExecContext(ctx, "ALTER TABLE "+c[0]+" ADD COLUMN "+c[1]+" "+c[2]) // the names are constants of this package
		}
		if err != nil {
			return fmt.Errorf("column %s: %w", c[1], err)
		}
	}
	return nil
}

const (
	eventColumns = `seq, key, id, named, type, sender, user, owner, model, status, time, box, answer,
	turn_state, turn_run, turn_claims, turn_from`
	readColumns    = eventColumns + `, feedback, feedback_at, feedback_comment`
	pendingColumns = `tenant, session, seq, turn_run, time, max(seq, coalesce(turn_from, 0)), coalesce(turn_claims, 0)`
	sessionColumns = `session, owner, name, created, erased, last_activity, holder_name, state`
	storedColumns  = sessionColumns + `, rating, rating_comment, tags, assigned, assigned_name, owner_name, issued`
)

// statements are prepared once: the first block on the writer, the second on the
// readers.
type statements struct {
	append, claim, claimed, settle *sql.Stmt
	retry                          *sql.Stmt
	create, created, touch         *sql.Stmt
	name, nameIfEmpty              *sql.Stmt
	eraseRange                     *sql.Stmt
	bury, entomb                   *sql.Stmt
	sweep, swept                   *sql.Stmt
	addShare, countShares          *sql.Stmt
	revoke, expire                 *sql.Stmt
	withdraw                       *sql.Stmt
	index, indexWords              *sql.Stmt
	unindex, unindexWords          *sql.Stmt
	indexName, unindexName         *sql.Stmt

	byKey, byRange, pending *sql.Stmt
	pendingOf               *sql.Stmt
	load, list, held        *sql.Stmt
	unswept, byToken        *sql.Stmt
	withdrawn               *sql.Stmt

	all []*sql.Stmt
}

const (
	sqlAppend = `INSERT INTO messages (tenant, session, ` + eventColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlClaim = `UPDATE messages SET turn_claims = turn_claims + 1
	WHERE tenant = ? AND session = ? AND seq = ? AND turn_state = 'pending'`
	sqlSettle = `UPDATE messages SET turn_state = ?
	WHERE tenant = ? AND session = ? AND seq = ? AND turn_state = 'pending' AND turn_run = ?`
	sqlRetry = `UPDATE messages SET turn_state = 'pending', turn_run = turn_run + 1, turn_claims = 0, turn_from = ?
	WHERE tenant = ? AND session = ? AND seq = ? AND turn_run = ?`
	sqlRange = `SELECT ` + readColumns + ` FROM messages
	WHERE tenant = ? AND session = ? AND seq BETWEEN ? AND ? ORDER BY seq`
	sqlByKey   = `SELECT ` + readColumns + ` FROM messages WHERE tenant = ? AND session = ? AND key = ?`
	sqlPending = `SELECT ` + pendingColumns + ` FROM messages
	WHERE turn_state = 'pending' AND time >= ? AND time < ? ORDER BY time LIMIT ?`
	// The index is named explicitly because the index of all events has the same
	// columns.
	sqlPendingOf = `SELECT ` + pendingColumns + ` FROM messages INDEXED BY messages_pending_of
	WHERE turn_state = 'pending' AND tenant = ? AND session = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?`

	sqlCreate = `INSERT INTO sessions (tenant, head, ended, holder, owner_name, issued, ` + sessionColumns + `)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlTouch = `UPDATE sessions SET head = ?, ended = ?, holder = ?, holder_name = ?, state = ?,
	last_activity = coalesce(?, last_activity) WHERE tenant = ? AND session = ? AND head < ?`
	sqlName        = `UPDATE sessions SET name = ? WHERE tenant = ? AND session = ? AND erased = 0`
	sqlNameIfEmpty = sqlName + ` AND name IS NULL`
	sqlHeld        = `SELECT tenant, session, holder, coalesce(json_extract(state, '$.answerable_from'), 0) FROM sessions WHERE holder <> ''`
	sqlLoad        = `SELECT ` + storedColumns + ` FROM sessions WHERE tenant = ? AND session = ?`
	sqlWithdraw    = `INSERT INTO withdrawals (tenant, user, before, until) VALUES (?, ?, ?, ?)
	ON CONFLICT DO UPDATE SET before = max(before, excluded.before), until = max(until, excluded.until)`
	sqlWithdrawn = `SELECT tenant, user, before, until FROM withdrawals
		WHERE before >= ? AND (tenant, user) > (?, ?) ORDER BY tenant, user LIMIT ?`
	sqlList = `SELECT ` + storedColumns + ` FROM sessions
	WHERE tenant = ?1 AND owner = ?2 AND last_activity <= ?3
	AND (last_activity < ?3 OR session > ?4) AND erased = 0 AND (?5 < 0 OR ended = ?5)
	ORDER BY last_activity DESC, session LIMIT ?6`

	sqlEraseRange = `DELETE FROM messages WHERE tenant = ? AND session = ? AND seq BETWEEN ? AND ?`
	sqlBury       = `UPDATE sessions SET erased = 1, name = NULL, owner_name = NULL, holder_name = NULL, rating = NULL, rating_comment = NULL,
	tags = NULL, assigned = NULL, assigned_name = NULL
	WHERE tenant = ? AND session = ? AND erased = 0`
	sqlEntomb  = `INSERT INTO tombstones (tenant, session, erased_at, sweep_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlUnswept = `SELECT tenant, session, erased_at FROM tombstones WHERE sweep_at < ? ORDER BY sweep_at LIMIT ?`
	sqlSweep   = `UPDATE tombstones SET sweep_at = ? WHERE tenant = ? AND session = ?`
	sqlSwept   = `DELETE FROM tombstones WHERE tenant = ? AND session = ?`

	sqlAddShare    = `INSERT INTO shares (digest, tenant, session, name, head, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)`
	sqlCountShares = `SELECT count(*) FROM shares WHERE tenant = ? AND session = ? AND expires >= ?`
	//nolint:gosec // the token is a digest, and no secret
	sqlByToken = `SELECT digest, tenant, session, name, head, created, expires FROM shares
	WHERE digest IN (SELECT value FROM json_each(?))`
	sqlRevoke = `DELETE FROM shares WHERE tenant = ? AND session = ?`
	sqlExpire = `DELETE FROM shares WHERE expires < ?`
)

func (s *statements) prepare(ctx context.Context, writer, reader *sql.DB) error {
	for _, p := range []struct {
		to  **sql.Stmt
		on  *sql.DB
		sql string
	}{
		{&s.append, writer, sqlAppend},
		{&s.claim, writer, sqlClaim},
		{&s.claimed, writer, sqlRange},
		{&s.settle, writer, sqlSettle},
		{&s.retry, writer, sqlRetry},
		{&s.create, writer, sqlCreate},
		{&s.created, writer, sqlLoad},
		{&s.touch, writer, sqlTouch},
		{&s.name, writer, sqlName},
		{&s.nameIfEmpty, writer, sqlNameIfEmpty},
		{&s.eraseRange, writer, sqlEraseRange},
		{&s.bury, writer, sqlBury},
		{&s.entomb, writer, sqlEntomb},
		{&s.sweep, writer, sqlSweep},
		{&s.swept, writer, sqlSwept},
		{&s.addShare, writer, sqlAddShare},
		{&s.countShares, writer, sqlCountShares},
		{&s.revoke, writer, sqlRevoke},
		{&s.expire, writer, sqlExpire},
		{&s.withdraw, writer, sqlWithdraw},
		{&s.index, writer, sqlIndex},
		{&s.indexWords, writer, sqlIndexWords},
		{&s.unindex, writer, sqlUnindex},
		{&s.unindexWords, writer, sqlUnindexWords},
		{&s.indexName, writer, sqlIndexName},
		{&s.unindexName, writer, sqlUnindexName},
		{&s.withdrawn, reader, sqlWithdrawn},
		{&s.byKey, reader, sqlByKey},
		{&s.byRange, reader, sqlRange},
		{&s.pending, reader, sqlPending},
		{&s.pendingOf, reader, sqlPendingOf},
		{&s.load, reader, sqlLoad},
		{&s.list, reader, sqlList},
		{&s.unswept, reader, sqlUnswept},
		{&s.byToken, reader, sqlByToken},
		{&s.held, reader, sqlHeld},
	} {
		stmt, err := p.on.PrepareContext(ctx, p.sql)
		if err != nil {
			return fmt.Errorf("prepare %.40q: %w", p.sql, err)
		}
		*p.to = stmt
		s.all = append(s.all, stmt)
	}
	return nil
}

func (s *statements) close() error {
	var err error
	for _, stmt := range s.all {
		err = errors.Join(err, stmt.Close())
	}
	return err
}
