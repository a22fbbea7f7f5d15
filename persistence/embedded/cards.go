package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// Cards stores the records that staff keep beside the log, such as notes and
// canned replies.
type Cards struct{ s *Store }

// Cards returns the store of staff's records.
func (s *Store) Cards() *Cards { return &Cards{s} }

const schemaCards = `
CREATE TABLE IF NOT EXISTS cards (
	tenant TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, id TEXT NOT NULL, box BLOB NOT NULL,
	author TEXT NOT NULL, author_name BLOB, created INTEGER NOT NULL, updated INTEGER NOT NULL, revision INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS cards_id ON cards (tenant, kind, subject, id);
CREATE INDEX IF NOT EXISTS cards_pile ON cards (tenant, kind, subject, created, id);
CREATE INDEX IF NOT EXISTS cards_author ON cards (tenant, author) WHERE author <> '';
`

const (
	sqlPile    = ` tenant = ? AND kind = ? AND subject = ?`
	sqlCard    = sqlPile + ` AND id = ?`
	sqlAddCard = `INSERT INTO cards (tenant, kind, subject, id, box, author, author_name, created, updated, revision)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) ON CONFLICT DO NOTHING`
	sqlReplaceCard = `UPDATE cards SET box = ?, author = ?, author_name = ?, updated = ?, revision = revision + 1
	WHERE` + sqlCard + ` AND revision = ?`
	sqlCountCards  = `SELECT count(*) FROM (SELECT 1 FROM cards WHERE` + sqlPile + ` LIMIT ?)`
	sqlCountCard   = `SELECT count(*) FROM cards WHERE` + sqlCard
	sqlGetCards    = `SELECT id, box, author, author_name, created, updated, revision FROM cards WHERE`
	sqlListCards   = sqlGetCards + sqlPile + ` AND (created, id) > (?, ?) ORDER BY created, id LIMIT ?`
	sqlDeleteCard  = `DELETE FROM cards WHERE` + sqlCard
	sqlForgetCards = `DELETE FROM cards WHERE tenant = ? AND subject = ? AND kind IN (SELECT value FROM json_each(?))`
	sqlDisownCards = `UPDATE cards SET author = '', author_name = NULL WHERE tenant = ? AND author = ? AND author <> ''`
)

// Add stores a new card; see desk.Cards.
func (m *Cards) Add(ctx context.Context, c helpdesk.Card, most int) error {
	const act = "add a card"
	body, author, err := record.SealCard(m.s.keys, c)
	if err != nil {
		return record.Failed(act, err)
	}
	p, made := c.Pile, record.Millis(c.CreatedAt)
	return m.s.do(ctx, act, smallWrite+len(body), func(ctx context.Context, tx *sql.Tx) error {
		var there, others int
		if err := tx.QueryRowContext(ctx, sqlCountCard, p.Tenant, p.Kind, p.Subject, c.ID).Scan(&there); err != nil {
			return err
		}
		if there > 0 {
			return &settled{record.CardClash(p)}
		}
		if most > 0 {
			if err := tx.QueryRowContext(ctx, sqlCountCards, p.Tenant, p.Kind, p.Subject, most).Scan(&others); err != nil {
				return err
			}
			if others >= most {
				return &settled{record.TooManyCards(p, most)}
			}
		}
		_, err := tx.ExecContext(ctx, sqlAddCard, p.Tenant, p.Kind, p.Subject, c.ID, body, c.AuthorID, nullable(author), made, made)
		return err
	})
}

// Replace stores the next revision of the card; see desk.Cards.
func (m *Cards) Replace(ctx context.Context, c helpdesk.Card) (int64, error) {
	const act = "replace a card"
	body, author, err := record.SealCard(m.s.keys, c)
	if err != nil {
		return 0, record.Failed(act, err)
	}
	p := c.Pile
	err = m.s.do(ctx, act, smallWrite+len(body), func(ctx context.Context, tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, sqlReplaceCard, body, c.AuthorID, nullable(author), record.Millis(c.UpdatedAt),
			p.Tenant, p.Kind, p.Subject, c.ID, c.Revision)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n > 0 {
			return err
		}
		var there int
		if err := tx.QueryRowContext(ctx, sqlCountCard, p.Tenant, p.Kind, p.Subject, c.ID).Scan(&there); err != nil {
			return err
		}
		if there > 0 {
			return &settled{record.CardClash(p)}
		}
		return &settled{record.NoCard(p)}
	})
	if err != nil {
		return 0, err
	}
	return c.Revision + 1, nil
}

// Get returns the card, or chatbox.NotFound.
func (m *Cards) Get(ctx context.Context, p helpdesk.CardPile, id string) (helpdesk.Card, error) {
	c, err := m.scan(p, m.s.reader.QueryRowContext(ctx, sqlGetCards+sqlCard, p.Tenant, p.Kind, p.Subject, id).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return helpdesk.Card{}, record.NoCard(p)
	case err != nil:
		return helpdesk.Card{}, record.Failed("read a card", err)
	}
	return c, nil
}

// List returns one page of the pile, oldest first.
func (m *Cards) List(ctx context.Context, q helpdesk.CardQuery) (helpdesk.CardPage, error) {
	const act = "list cards"
	after, err := record.ParseCardCursor(q.Cursor)
	if err != nil {
		return helpdesk.CardPage{}, err
	}
	p := q.Pile
	rows, err := m.s.reader.QueryContext(ctx, sqlListCards, p.Tenant, p.Kind, p.Subject, after.Created, after.ID, q.Limit+1)
	cards, err := collect(act, rows, err, func(scan func(...any) error) (helpdesk.Card, error) {
		return m.scan(p, scan)
	})
	if err != nil {
		return helpdesk.CardPage{}, err
	}
	return record.CardPage(cards, q.Limit), nil
}

// Count returns the number of cards in the pile, counting no further than most.
func (m *Cards) Count(ctx context.Context, p helpdesk.CardPile, most int) (int, error) {
	var n int
	if err := m.s.reader.QueryRowContext(ctx, sqlCountCards, p.Tenant, p.Kind, p.Subject, most).Scan(&n); err != nil {
		return 0, record.Failed("count cards", err)
	}
	return n, nil
}

// Delete removes the card. It is not an error if there is no such card.
func (m *Cards) Delete(ctx context.Context, p helpdesk.CardPile, id string) error {
	return m.exec(ctx, "delete a card", sqlDeleteCard, p.Tenant, p.Kind, p.Subject, id)
}

// Forget deletes all cards of the given kinds about the subject.
func (m *Cards) Forget(ctx context.Context, tenant, subject string, kinds ...helpdesk.CardKind) error {
	names, err := json.Marshal(kinds)
	if err != nil {
		return record.Failed("forget cards", err)
	}
	return m.exec(ctx, "forget cards", sqlForgetCards, tenant, subject, string(names))
}

// Disown removes the person's name from all cards that they wrote.
func (m *Cards) Disown(ctx context.Context, u chatbox.UserKey) error {
	return m.exec(ctx, "disown cards", sqlDisownCards, u.Tenant, u.ID)
}

func (m *Cards) exec(ctx context.Context, act, query string, args ...any) error {
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	})
}

func (m *Cards) scan(p helpdesk.CardPile, scan func(...any) error) (helpdesk.Card, error) {
	c := helpdesk.Card{Pile: p}
	var (
		box, name        []byte
		created, updated int64
	)
	if err := scan(&c.ID, &box, &c.AuthorID, &name, &created, &updated, &c.Revision); err != nil {
		return helpdesk.Card{}, err
	}
	c.CreatedAt, c.UpdatedAt = record.Time(created), record.Time(updated)
	record.OpenCard(m.s.keys, &c, box, name)
	return c, nil
}
