package embedded

import (
	"context"
	"database/sql"
	"errors"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// schemaFeedback follows the columns that it names.
const schemaFeedback = `
CREATE INDEX IF NOT EXISTS messages_feedback ON messages (tenant, session, feedback) WHERE feedback IS NOT NULL;
`

const (
	sqlFeedback = `SELECT feedback, feedback_at, feedback_comment FROM messages
	WHERE tenant = ? AND session = ? AND seq = ? AND type = '` + string(chatbox.TypeAnswer) + `'`
	sqlSetFeedback = `UPDATE messages SET feedback = ?, feedback_at = ?, feedback_comment = ? WHERE tenant = ? AND session = ? AND seq = ?`
	withFeedback   = `EXISTS (SELECT 1 FROM messages f WHERE f.tenant = sessions.tenant AND f.session = sessions.session
	AND f.feedback = ? AND f.feedback IS NOT NULL)`
)

// feedbackRow is the owner's feedback on an answer, as its row has it.
type feedbackRow struct {
	value   sql.NullString
	at      sql.NullInt64
	comment []byte // sealed
}

// SetFeedback replaces the feedback of the answer at seq and returns the feedback
// before; nil is none. It returns chatbox.NotFound if there is no such answer.
func (m *Messages) SetFeedback(ctx context.Context, k chatbox.SessionKey, seq int64, f *chatbox.Feedback) (before *chatbox.Feedback, err error) {
	const act = "store feedback"
	var value, at, comment any
	if f != nil {
		box, err := record.SealText(m.s.keys, k, record.PartFeedback(seq), f.Comment)
		if err != nil {
			return nil, record.Failed(act, err)
		}
		value, at, comment = string(f.Opinion), record.Millis(f.Time), nullable(box)
	}
	return doFor(ctx, m.s, act, smallWrite, func(ctx context.Context, tx *sql.Tx) (*chatbox.Feedback, error) {
		var row feedbackRow
		err := tx.QueryRowContext(ctx, sqlFeedback, k.Tenant, k.ID, seq).Scan(&row.value, &row.at, &row.comment)
		if errors.Is(err, sql.ErrNoRows) {
			return nil, &settled{record.NoEvent(k)}
		}
		if err != nil {
			return nil, err
		}
		_, err = tx.ExecContext(ctx, sqlSetFeedback, value, at, comment, k.Tenant, k.ID, seq)
		return m.s.decodeFeedback(k, seq, row), err
	})
}

func (s *Store) decodeFeedback(k chatbox.SessionKey, seq int64, row feedbackRow) *chatbox.Feedback {
	if !row.value.Valid {
		return nil
	}
	return record.OpenFeedback(s.keys, k, seq, row.value.String, row.comment, row.at.Int64)
}
