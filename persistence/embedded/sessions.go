package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Sessions stores the data of sessions other than their events.
type Sessions struct{ s *Store }

// Create stores the session, or returns the existing one with its key.
func (m *Sessions) Create(ctx context.Context, s chatbox.Session) (chatbox.Session, bool, error) {
	row, err := m.s.encodeState(s.Key, s.State)
	if err != nil {
		return chatbox.Session{}, false, record.Failed("encode a session", err)
	}
	name, err := record.SealText(m.s.keys, s.Key, record.PartName, s.Name)
	if err != nil {
		return chatbox.Session{}, false, record.Failed("encode a session", err)
	}
	tokens, err := m.s.nameTokens(s.Key, s.Name)
	if err != nil {
		return chatbox.Session{}, false, record.Failed("encode a session", err)
	}
	ownerName, err := record.SealText(m.s.keys, s.Key, record.PartOwner, s.OwnerName)
	if err != nil {
		return chatbox.Session{}, false, record.Failed("encode a session", err)
	}
	var stored chatbox.Session // belongs to the write until that has returned
	var created bool
	err = m.s.do(ctx, "create a session", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.StmtContext(ctx, m.s.stmts.create).ExecContext(ctx,
			s.Key.Tenant, row.Head, row.Ended, row.HolderID, nullable(ownerName), issued(s),
			s.Key.ID, s.Owner, nullable(name), record.Millis(s.CreatedAt), s.Erased, record.Activity(s.State, s.CreatedAt),
			nullable(row.holderName), row.json)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if err != nil {
			return err
		}
		if created = n == 1; created {
			if err := m.s.indexName(ctx, tx, s.Key, tokens); err != nil {
				return err
			}
		}
		found := tx.StmtContext(ctx, m.s.stmts.created).QueryRowContext(ctx, s.Key.Tenant, s.Key.ID)
		stored, _, err = m.s.scanSession(s.Key.Tenant, found.Scan)
		return err
	})
	if err != nil {
		return chatbox.Session{}, false, err
	}
	return stored, created, nil
}

// Load returns the session, or chatbox.NotFound.
func (m *Sessions) Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	s, _, err := m.s.scanSession(k.Tenant, m.s.stmts.load.QueryRowContext(ctx, k.Tenant, k.ID).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return chatbox.Session{}, record.NoSession(k)
	case err != nil:
		return chatbox.Session{}, record.Failed("load a session", err)
	}
	return s, nil
}

// SaveState stores the fold unless a later one is stored already or there is no
// such session. The fold of an erased session is the last, so it also replaces one
// that cannot be read.
func (m *Sessions) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	row, err := m.s.encodeState(k, st)
	if err != nil {
		return record.Failed("encode a session", err)
	}
	var activity any // null: a fold without events has no last activity
	if !st.LastActivity.IsZero() {
		activity = record.Millis(st.LastActivity)
	}
	below := row.Head
	if st.Erased {
		below++
	}
	return m.s.do(ctx, "touch a session", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.StmtContext(ctx, m.s.stmts.touch).ExecContext(ctx,
			row.Head, row.Ended, row.HolderID, nullable(row.holderName), row.json, activity, k.Tenant, k.ID, below)
		return err
	})
}

// SetName names the session; an empty name removes the name. With onlyIfEmpty an
// existing name stays. Without onlyIfEmpty it returns chatbox.NotFound if there
// is no such session or it is erased.
func (m *Sessions) SetName(ctx context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error {
	box, err := record.SealText(m.s.keys, k, record.PartName, name)
	if err != nil {
		return record.Failed("encode a session", err)
	}
	tokens, err := m.s.nameTokens(k, name)
	if err != nil {
		return record.Failed("encode a session", err)
	}
	stmt := m.s.stmts.name
	if onlyIfEmpty {
		stmt = m.s.stmts.nameIfEmpty
	}
	return m.s.do(ctx, "name a session", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.StmtContext(ctx, stmt).ExecContext(ctx, nullable(box), k.Tenant, k.ID)
		if err != nil {
			return err
		}
		switch n, err := done.RowsAffected(); {
		case err != nil:
			return err
		case n > 0:
			return m.s.indexName(ctx, tx, k, tokens)
		case onlyIfEmpty:
			return nil
		}
		return &settled{record.NoSession(k)}
	})
}

// Held returns the sessions that people hold, according to the stored folds.
func (m *Sessions) Held(ctx context.Context) ([]chatbox.Holding, error) {
	rows, err := m.s.stmts.held.QueryContext(ctx)
	return collect("list held sessions", rows, err, func(scan func(...any) error) (chatbox.Holding, error) {
		var h chatbox.Holding
		err := scan(&h.Session.Tenant, &h.Session.ID, &h.Holder, &h.Since)
		return h, err
	})
}

// List returns one page of a user's sessions, by newest activity and then by id.
// Erased sessions are not listed.
func (m *Sessions) List(ctx context.Context, q chatbox.SessionQuery) (chatbox.SessionPage, error) {
	after := record.Cursor{Activity: math.MaxInt64}
	if q.Cursor != "" {
		var err error
		if after, err = record.ParseCursor(q.Cursor); err != nil {
			return chatbox.SessionPage{}, err
		}
	}
	ended := map[string]int{"": -1, "active": 0, "ended": 1}
	want, known := ended[q.Status]
	if !known {
		return chatbox.SessionPage{}, chatbox.Invalid("status", "must be active or ended")
	}
	rows, err := m.s.stmts.list.QueryContext(ctx, q.User.Tenant, q.User.ID, after.Activity, after.ID, want, q.Limit+1)
	if err != nil {
		return chatbox.SessionPage{}, record.Failed("list sessions", err)
	}
	defer rows.Close()
	var page chatbox.SessionPage
	var last record.Cursor
	for rows.Next() {
		s, activity, err := m.s.scanSession(q.User.Tenant, rows.Scan)
		if err != nil {
			return chatbox.SessionPage{}, record.Failed("list sessions", err)
		}
		if len(page.Sessions) == q.Limit {
			page.Next = last.String()
			break
		}
		page.Sessions = append(page.Sessions, s)
		last = record.Cursor{Activity: activity, ID: s.Key.ID}
	}
	if err := rows.Err(); err != nil {
		return chatbox.SessionPage{}, record.Failed("list sessions", err)
	}
	return page, nil
}

// stateRow is a fold as stored in its columns.
type stateRow struct {
	chatbox.State
	holderName []byte
	json       string
}

// nullable returns nil for an empty box, which is stored as NULL.
func nullable(box []byte) any {
	if box == nil {
		return nil
	}
	return box
}

func (s *Store) encodeState(k chatbox.SessionKey, st chatbox.State) (stateRow, error) {
	box, err := record.SealText(s.keys, k, record.PartHolder, st.HolderName)
	if err != nil {
		return stateRow{}, err
	}
	plain := record.Normal(st)
	plain.HolderName = ""
	text, err := json.Marshal(plain)
	if err != nil {
		return stateRow{}, fmt.Errorf("encode the fold: %w", err)
	}
	return stateRow{State: st, holderName: box, json: string(text)}, nil
}

// issued returns the column of the credential's time.
func issued(s chatbox.Session) sql.NullInt64 {
	return sql.NullInt64{Int64: record.Millis(s.IssuedAt), Valid: !s.IssuedAt.IsZero()}
}

// scanSession decodes one row of storedColumns and returns the activity that
// lists sort by. A field that no key opens is left empty and the session is
// marked unreadable.
func (s *Store) scanSession(tenant string, scan func(...any) error) (out chatbox.Session, activity int64, err error) {
	var (
		name, holder, comment []byte
		ownerName             []byte
		created               int64
		issued                sql.NullInt64
		state                 string
		rating                sql.NullString
		on                    labels
	)
	out.Key.Tenant = tenant
	if err := scan(&out.Key.ID, &out.Owner, &name, &created, &out.Erased, &activity, &holder, &state, &rating, &comment,
		&on.tags, &on.assigned, &on.assignedName, &ownerName, &issued); err != nil {
		return chatbox.Session{}, 0, err
	}
	out.CreatedAt = record.Time(created)
	if issued.Valid {
		out.IssuedAt = record.Time(issued.Int64)
	}
	o := &record.Opener{Cipher: s.keys, Session: out.Key}
	if err := json.Unmarshal([]byte(state), &out.State); err != nil {
		out.State, o.Unreadable = chatbox.State{}, true // the caller folds the log again
	}
	out.Name = o.Text(record.PartName, name)
	out.OwnerName = o.Text(record.PartOwner, ownerName)
	out.State.HolderName = o.Text(record.PartHolder, holder)
	out.Rating = decodeRating(o, rating.String, comment)
	on.open(o, &out)
	out.Unreadable = o.Unreadable
	return out, activity, nil
}
