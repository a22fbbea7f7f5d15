package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Messages is the durable log of every session.
type Messages struct{ s *Store }

// Append inserts the event at its Seq and returns nil once it is on disk. It
// returns chatbox.Clash if the seq or the key is taken; nothing was written then.
// After any other error the outcome is unknown. Times are stored in milliseconds.
func (m *Messages) Append(ctx context.Context, e chatbox.Event) error {
	args, size, err := m.s.eventArgs(e)
	if err != nil {
		return record.Failed("encode an event", err)
	}
	tokens, err := m.s.messageTokens(e)
	if err != nil {
		return record.Failed("encode an event", err)
	}
	size += wordSize * len(tokens)
	return m.s.do(ctx, "append", size, func(ctx context.Context, tx *sql.Tx) error {
		several := e.Alert != nil || e.ToTranscribe != nil || len(tokens) > 0
		return atomically(ctx, tx, several, func() error {
			done, err := tx.StmtContext(ctx, m.s.stmts.append).ExecContext(ctx, args...)
			if err != nil {
				return err
			}
			n, err := done.RowsAffected()
			switch {
			case err != nil:
				return err
			case n != 1:
				return &settled{record.Clash(e)}
			}
			if err := m.s.indexWords(ctx, tx, e, tokens); err != nil {
				return err
			}
			if err := addTranscript(ctx, tx, e); err != nil {
				return err
			}
			return addAlert(ctx, tx, e)
		})
	})
}

// ByKey returns the event with the key, or chatbox.NotFound.
func (m *Messages) ByKey(ctx context.Context, k chatbox.SessionKey, key string) (chatbox.Event, error) {
	e, err := m.s.scanEvent(k, m.s.stmts.byKey.QueryRowContext(ctx, k.Tenant, k.ID, key).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return chatbox.Event{}, record.NoEvent(k)
	case err != nil:
		return chatbox.Event{}, record.Failed("find by key", err)
	}
	return e, nil
}

// Range returns the events with from ≤ seq ≤ to in order.
func (m *Messages) Range(ctx context.Context, k chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	if from > to {
		return nil, nil
	}
	rows, err := m.s.stmts.byRange.QueryContext(ctx, k.Tenant, k.ID, from, to)
	return collect("read a range", rows, err, func(scan func(...any) error) (chatbox.Event, error) {
		return m.s.scanEvent(k, scan)
	})
}

// EraseRange permanently deletes the events with from ≤ seq ≤ to. Their bytes are
// overwritten in the file. The journal that contained them is emptied unless a
// reader prevents it.
func (m *Messages) EraseRange(ctx context.Context, k chatbox.SessionKey, from, to int64) error {
	if from > to {
		return nil
	}
	const act = "erase a range"
	erased, err := doFor(ctx, m.s, act, smallWrite, func(ctx context.Context, tx *sql.Tx) (bool, error) {
		if err := m.s.unindexWords(ctx, tx, k, from, to); err != nil {
			return false, err
		}
		return changed(tx.StmtContext(ctx, m.s.stmts.eraseRange).ExecContext(ctx, k.Tenant, k.ID, from, to))
	})
	if err != nil || !erased {
		return err
	}
	if _, err := m.s.writer.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return record.Failed(act, err)
	}
	return nil
}

// eventArgs returns the values of sqlAppend and their approximate size in bytes.
func (s *Store) eventArgs(e chatbox.Event) (args []any, size int, err error) {
	box, err := record.SealEvent(s.keys, e)
	if err != nil {
		return nil, 0, err
	}
	var answer, state, run, claims, from any
	if e.Answer != nil {
		text, err := json.Marshal(e.Answer)
		if err != nil {
			return nil, 0, fmt.Errorf("encode the answer: %w", err)
		}
		answer = string(text)
	}
	if t := e.Turn; t != nil {
		state, run, claims, from = string(t.State), t.Run, t.Claims, t.From
	}
	return []any{
		e.Session.Tenant, e.Session.ID, e.Seq, e.Key, e.ID, e.Named, string(e.Type), string(e.Sender),
		e.UserID, e.Owner, e.ModelID, string(e.Status), record.Millis(e.Time), box, answer, state, run, claims, from,
	}, len(box) + 512, nil
}

// scanEvent decodes one row of readColumns. If no key opens its box, the event
// is marked unreadable.
func (s *Store) scanEvent(k chatbox.SessionKey, scan func(...any) error) (chatbox.Event, error) {
	e := chatbox.Event{Session: k}
	var (
		ms          int64
		box         []byte
		answer      sql.NullString
		state       sql.NullString
		run, claims sql.NullInt64
		from        sql.NullInt64
		opinion     feedbackRow
	)
	err := scan(&e.Seq, &e.Key, &e.ID, &e.Named, &e.Type, &e.Sender, &e.UserID, &e.Owner, &e.ModelID, &e.Status,
		&ms, &box, &answer, &state, &run, &claims, &from, &opinion.value, &opinion.at, &opinion.comment)
	if err != nil {
		return chatbox.Event{}, err
	}
	e.Time = record.Time(ms)
	if answer.Valid {
		if err := json.Unmarshal([]byte(answer.String), &e.Answer); err != nil {
			e.Answer, e.Unreadable = nil, true
		}
	}
	if state.Valid {
		e.Turn = &chatbox.Turn{
			State: chatbox.TurnState(state.String), Run: int(run.Int64), Claims: int(claims.Int64), From: from.Int64,
		}
	}
	record.OpenEvent(s.keys, box, &e)
	e.Feedback = s.decodeFeedback(k, e.Seq, opinion)
	return e, nil
}
