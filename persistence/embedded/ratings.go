package embedded

import (
	"context"
	"database/sql"
	"encoding/json"

	"chatbox"
	"chatbox/persistence/internal/record"
)

const sqlRate = `UPDATE sessions SET rating = ?1, rating_comment = ?2 WHERE tenant = ?3 AND session = ?4 AND erased = 0
	AND coalesce(json_extract(rating, '$.talk'), 0) <= ?5`

// ratingRow is the content of the column rating, which contains no text from
// people.
type ratingRow struct {
	Score int    `json:"score"`
	Time  int64  `json:"time"`
	Talk  int64  `json:"talk"`
	Admin string `json:"admin"`
}

// Rate stores the rating unless the session has one of a later talk, and returns
// the rating that is stored afterwards. It returns chatbox.NotFound if there is
// no such session or it is erased.
func (m *Sessions) Rate(ctx context.Context, k chatbox.SessionKey, r chatbox.Rating) (chatbox.Rating, error) {
	const act = "rate a talk"
	comment, err := record.SealText(m.s.keys, k, record.PartRating, r.Comment)
	if err != nil {
		return chatbox.Rating{}, record.Failed(act, err)
	}
	row, err := json.Marshal(ratingRow{Score: r.Score, Time: record.Millis(r.Time), Talk: r.Talk, Admin: r.AdminID})
	if err != nil {
		return chatbox.Rating{}, record.Failed(act, err)
	}
	err = m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlRate, string(row), nullable(comment), k.Tenant, k.ID, r.Talk)
		return err
	})
	if err != nil {
		return chatbox.Rating{}, err
	}
	s, err := m.Load(ctx, k)
	if err == nil && s.Rating == nil {
		err = record.NoSession(k) // erased
	}
	if err != nil {
		return chatbox.Rating{}, err
	}
	return *s.Rating, nil
}

// decodeRating returns nil if the session is not rated.
func decodeRating(o *record.Opener, row string, comment []byte) *chatbox.Rating {
	if row == "" {
		return nil
	}
	var r ratingRow
	if err := json.Unmarshal([]byte(row), &r); err != nil {
		o.Unreadable = true
		return nil
	}
	return &chatbox.Rating{
		Score: r.Score, Comment: o.Text(record.PartRating, comment), Time: record.Time(r.Time), Talk: r.Talk, AdminID: r.Admin,
	}
}
