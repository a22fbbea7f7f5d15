package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"chatbox"
	"chatbox/persistence/internal/chain"
	"chatbox/persistence/internal/record"
)

// schemaAudit is idempotent. The log names people by pseudonym; the table people
// maps pseudonyms to people.
const schemaAudit = `
CREATE TABLE IF NOT EXISTS audit (
	tenant TEXT NOT NULL, n INTEGER NOT NULL, time INTEGER NOT NULL, action TEXT NOT NULL, actor TEXT NOT NULL,
	session TEXT NOT NULL, user TEXT NOT NULL, hash BLOB NOT NULL, seal BLOB NOT NULL,
	PRIMARY KEY (tenant, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit_heads (tenant TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
	tenant TEXT NOT NULL, user TEXT NOT NULL, pseudonym TEXT NOT NULL, key BLOB NOT NULL,
	PRIMARY KEY (tenant, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS people_pseudonym ON people (tenant, pseudonym);
`

const (
	auditColumns = `n, time, action, actor, session, user, hash, seal`
	sqlAuditEnd  = `SELECT ` + auditColumns + ` FROM audit WHERE tenant = ? ORDER BY n DESC LIMIT 1`
	sqlAuditAdd  = `INSERT INTO audit (tenant, ` + auditColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`
	sqlAuditHead = `INSERT INTO audit_heads (tenant, n) VALUES (?, ?) ON CONFLICT (tenant) DO UPDATE SET n = excluded.n`
	sqlAuditLast = `SELECT n FROM audit_heads WHERE tenant = ?`
	sqlAuditPage = `SELECT ` + auditColumns + ` FROM audit WHERE tenant = ?1 AND n BETWEEN ?2 AND ?3
	AND (?4 = '' OR actor = ?4) AND (?5 = '' OR action = ?5) AND (?6 = '' OR session = ?6)
	AND (?8 = '' OR user = ?8) ORDER BY n DESC LIMIT ?7`
	sqlAuditBefore = `SELECT time FROM audit WHERE tenant = ? AND n = ?`
	sqlAuditWalk   = `SELECT ` + auditColumns + ` FROM audit WHERE tenant = ? AND n > ? ORDER BY n LIMIT 500`
	sqlPerson      = `SELECT pseudonym, key FROM people WHERE tenant = ? AND user = ?`
	sqlPersonAdd   = `INSERT INTO people (tenant, user, pseudonym, key) VALUES (?, ?, ?, ?)`
	sqlPersonBy    = `SELECT user, key FROM people WHERE tenant = ? AND pseudonym = ?`
	sqlPersonGone  = `DELETE FROM people WHERE tenant = ? AND user = ?`
)

// Audit is the audit log: one chain of hashes per tenant, append-only.
type Audit struct{ s *Store }

// Audit returns the audit log.
func (s *Store) Audit() *Audit { return &Audit{s} }

// Record appends an entry and returns once it is on disk. After any error the
// entry may be missing, so the audited act must not be carried out.
func (a *Audit) Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error {
	return a.s.do(ctx, "audit", 2*smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		d := chain.Draft{Tenant: actor.Tenant, At: time.Now(), Action: action, Session: about.SessionID}
		var err error
		if d.Actor, err = a.pseudonym(ctx, tx, actor.User()); err != nil {
			return err
		}
		if about.UserID != "" {
			if d.User, err = a.pseudonym(ctx, tx, chatbox.UserKey{Tenant: actor.Tenant, ID: about.UserID}); err != nil {
				return err
			}
		}
		return a.link(ctx, tx, d)
	})
}

// link appends the draft. If the last entry was deleted, it fails and the log
// accepts no more entries: appending would hide the deletion.
func (a *Audit) link(ctx context.Context, tx *sql.Tx, d chain.Draft) error {
	prev, err := scanLink(d.Tenant, tx.QueryRowContext(ctx, sqlAuditEnd, d.Tenant).Scan)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	var last int64
	if err := tx.QueryRowContext(ctx, sqlAuditLast, d.Tenant).Scan(&last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if prev.N != last {
		return fmt.Errorf("entry %d of the audit log cannot be read", last)
	}
	e, err := chain.After(a.s.keys, prev, d)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, sqlAuditAdd, e.Tenant, e.N, e.Millis, e.Action, e.Actor, e.Session, e.User, e.Hash, e.Seal); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, sqlAuditHead, e.Tenant, e.N)
	return err
}

func (a *Audit) pseudonym(ctx context.Context, tx *sql.Tx, u chatbox.UserKey) (string, error) {
	var name string
	var key []byte
	err := tx.QueryRowContext(ctx, sqlPerson, u.Tenant, u.ID).Scan(&name, &key)
	if !errors.Is(err, sql.ErrNoRows) {
		return name, err
	}
	p, err := chain.NewPerson(a.s.keys, u)
	if err != nil {
		return "", err
	}
	_, err = tx.ExecContext(ctx, sqlPersonAdd, u.Tenant, u.ID, p.Pseudonym, p.Key)
	return p.Pseudonym, err
}

func scanLink(tenant string, scan func(...any) error) (chain.Entry, error) {
	e := chain.Entry{Tenant: tenant}
	err := scan(&e.N, &e.Millis, &e.Action, &e.Actor, &e.Session, &e.User, &e.Hash, &e.Seal)
	if err != nil {
		return chain.Entry{}, err
	}
	return e, nil
}

// links decodes rows of auditColumns.
func (a *Audit) links(ctx context.Context, tenant, query string, args ...any) ([]chain.Entry, error) {
	rows, err := a.s.reader.QueryContext(ctx, query, args...)
	return collect("read the audit log", rows, err, func(scan func(...any) error) (chain.Entry, error) {
		return scanLink(tenant, scan)
	})
}

// Entries returns one page of the log, newest first.
func (a *Audit) Entries(ctx context.Context, q chatbox.AuditQuery) (chatbox.AuditPage, error) {
	lo, hi, err := a.bounds(ctx, q)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	actor, err := a.pseudonymOf(ctx, q.Tenant, q.Actor)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	user, err := a.pseudonymOf(ctx, q.Tenant, q.UserID)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	found, err := a.links(ctx, q.Tenant, sqlAuditPage, q.Tenant, lo, hi, actor, string(q.Action), q.SessionID, q.Limit+1, user)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	var page chatbox.AuditPage
	if len(found) > q.Limit {
		found = found[:q.Limit]
		page.Next = chain.Cursor(found[q.Limit-1].N)
	}
	known, err := a.known(ctx, q.Tenant, found)
	if err != nil {
		return chatbox.AuditPage{}, err
	}
	for _, e := range found {
		page.Entries = append(page.Entries, chain.Show(e, known))
	}
	return page, nil
}

// pseudonymOf returns the user's pseudonym. An id that no user of the tenant has
// is taken to be a pseudonym itself.
func (a *Audit) pseudonymOf(ctx context.Context, tenant, id string) (string, error) {
	if id == "" {
		return "", nil
	}
	name, key := id, []byte(nil)
	err := a.s.reader.QueryRowContext(ctx, sqlPerson, tenant, id).Scan(&name, &key)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", record.Failed("read people", err)
	}
	return name, nil
}

func (a *Audit) bounds(ctx context.Context, q chatbox.AuditQuery) (lo, hi int64, err error) {
	end, err := a.links(ctx, q.Tenant, sqlAuditEnd, q.Tenant)
	if err != nil {
		return 0, 0, err
	}
	last := int64(0)
	if len(end) > 0 {
		last = end[0].N
	}
	return chain.Window(q, last, func(lo, hi int64, t time.Time) (int64, error) {
		return a.before(ctx, q.Tenant, lo, hi, t)
	})
}

// before returns the last place of the range whose entry is older than t.
func (a *Audit) before(ctx context.Context, tenant string, lo, hi int64, t time.Time) (int64, error) {
	return chain.Bisect(lo, hi, func(ns []int64) (int64, error) {
		best := int64(0)
		for _, n := range ns {
			var at int64
			err := a.s.reader.QueryRowContext(ctx, sqlAuditBefore, tenant, n).Scan(&at)
			switch {
			case errors.Is(err, sql.ErrNoRows):
			case err != nil:
				return 0, record.Failed("read the audit log", err)
			case at < record.Millis(t):
				best = n
			}
		}
		return best, nil
	})
}

// known returns the people behind the entries' pseudonyms, as far as their keys
// still exist.
func (a *Audit) known(ctx context.Context, tenant string, entries []chain.Entry) (map[string]string, error) {
	out := map[string]string{}
	for _, name := range chain.Pseudonyms(entries) {
		p := chain.Person{User: chatbox.UserKey{Tenant: tenant}, Pseudonym: name}
		err := a.s.reader.QueryRowContext(ctx, sqlPersonBy, tenant, name).Scan(&p.User.ID, &p.Key)
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return nil, record.Failed("read people", err)
		case p.Proves(a.s.keys):
			out[name] = p.User.ID
		}
	}
	return out, nil
}

// Forget deletes the person's key. After that nothing links the person to their
// entries. It is idempotent.
func (a *Audit) Forget(ctx context.Context, u chatbox.UserKey) error {
	return a.s.do(ctx, "forget a person", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlPersonGone, u.Tenant, u.ID)
		return err
	})
}

// Verify checks the tenant's whole chain.
func (a *Audit) Verify(ctx context.Context, tenant string) (chatbox.AuditVerdict, error) {
	v := chain.NewVerifier(a.s.keys)
	for at := int64(0); ; {
		some, err := a.links(ctx, tenant, sqlAuditWalk, tenant, at)
		if err != nil {
			return chatbox.AuditVerdict{}, err
		}
		if len(some) == 0 {
			break
		}
		if !v.Take(some) {
			return v.Verdict(), nil
		}
		at = some[len(some)-1].N
	}
	var last int64
	if err := a.s.reader.QueryRowContext(ctx, sqlAuditLast, tenant).Scan(&last); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return chatbox.AuditVerdict{}, record.Failed("read the audit log", err)
	}
	v.Reached(last)
	return v.Verdict(), nil
}
