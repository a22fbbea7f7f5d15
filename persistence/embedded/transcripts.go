package embedded

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Transcripts stores which recordings still need a transcript. The transcripts
// are events.
type Transcripts struct{ s *Store }

// Transcripts returns the store of recordings that need a transcript.
func (s *Store) Transcripts() *Transcripts { return &Transcripts{s} }

// schemaTranscripts is idempotent.
const schemaTranscripts = `
CREATE TABLE IF NOT EXISTS transcripts (
	tenant TEXT NOT NULL, session TEXT NOT NULL, seq INTEGER NOT NULL,
	state TEXT NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL, token TEXT NOT NULL,
	PRIMARY KEY (tenant, session, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS transcripts_due ON transcripts (due) WHERE state = 'pending';
CREATE TRIGGER IF NOT EXISTS transcripts_go AFTER DELETE ON messages BEGIN
	DELETE FROM transcripts WHERE tenant = OLD.tenant AND session = OLD.session AND seq = OLD.seq;
END;
`

// Recordings are rare, so their statements are not prepared.
const (
	sqlTranscriptAdd = `INSERT INTO transcripts (tenant, session, seq, state, due, tries, token) VALUES (?, ?, ?, 'pending', ?, 0, '')`
	sqlTranscriptDue = `SELECT tenant, session, seq FROM transcripts WHERE state = 'pending' AND due < ? ORDER BY due LIMIT ?`
	sqlTranscriptGet = `SELECT tries FROM transcripts WHERE tenant = ? AND session = ? AND seq = ? AND state <> 'done'`
	// The last placeholders say whether failed work may be claimed, and when.
	sqlTranscriptClaim = `UPDATE transcripts SET state = 'pending', token = ?, due = ?, tries = tries + 1
	WHERE tenant = ? AND session = ? AND seq = ? AND (state = 'pending' AND (token = '' OR due <= ?) OR state = 'failed' AND ? AND due <= ?)`
	sqlTranscriptRenew = `UPDATE transcripts SET due = ?
	WHERE tenant = ? AND session = ? AND seq = ? AND state = 'pending' AND token = ?`
	sqlTranscriptRevive = `UPDATE transcripts SET state = 'pending', token = 'revived'
	WHERE tenant = ? AND session = ? AND seq = ? AND state = 'failed'`
	sqlTranscriptSettle = `UPDATE transcripts SET state = ?, due = ?, token = '', tries = 0
	WHERE tenant = ? AND session = ? AND seq = ? AND state = 'pending' AND token = ?`
)

// addTranscript records that the event needs a transcript, if it does. If that
// fails, the event is not written either.
func addTranscript(ctx context.Context, tx *sql.Tx, e chatbox.Event) error {
	if e.ToTranscribe == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, sqlTranscriptAdd, e.Session.Tenant, e.Session.ID, e.Seq, record.Millis(*e.ToTranscribe))
	return err
}

// DueTranscripts returns recordings whose transcript is pending and due before the
// given time, over all sessions, oldest first.
func (t *Transcripts) DueTranscripts(ctx context.Context, before time.Time, limit int) ([]chatbox.RecordingKey, error) {
	rows, err := t.s.reader.QueryContext(ctx, sqlTranscriptDue, record.Millis(before), limit)
	return collect("find due transcripts", rows, err, func(scan func(...any) error) (chatbox.RecordingKey, error) {
		var k chatbox.RecordingKey
		err := scan(&k.Session.Tenant, &k.Session.ID, &k.Seq)
		return k, err
	})
}

// ClaimTranscript assigns the work to the token until the given time, and returns
// how often it was claimed since it was settled last. It fails with
// chatbox.NotOwner if the work is another token's until after now, or failed and
// not again or not due. It fails with chatbox.NotFound if the recording needs no
// transcript, or needs none any more.
func (t *Transcripts) ClaimTranscript(
	ctx context.Context, k chatbox.RecordingKey, token string, now, until time.Time, again bool,
) (tries int, err error) {
	return doFor(ctx, t.s, "claim a transcript", smallWrite, func(ctx context.Context, tx *sql.Tx) (tries int, err error) {
		claimed, err := changed(tx.ExecContext(ctx, sqlTranscriptClaim, token, record.Millis(until),
			k.Session.Tenant, k.Session.ID, k.Seq, record.Millis(now), again, record.Millis(now)))
		if err != nil {
			return 0, err
		}
		err = tx.QueryRowContext(ctx, sqlTranscriptGet, k.Session.Tenant, k.Session.ID, k.Seq).Scan(&tries)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return 0, &settled{record.NoEvent(k.Session)}
		case err == nil && !claimed:
			return 0, &settled{record.NotClaimed("a transcript")}
		}
		return tries, err
	})
}

// ReviveTranscript makes failed work pending, to be claimed when it is due. It
// fails with chatbox.NotFound if the work has not failed.
func (t *Transcripts) ReviveTranscript(ctx context.Context, k chatbox.RecordingKey) error {
	return t.s.do(ctx, "revive a transcript", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		revived, err := changed(tx.ExecContext(ctx, sqlTranscriptRevive, k.Session.Tenant, k.Session.ID, k.Seq))
		if err == nil && !revived {
			err = &settled{record.NoEvent(k.Session)}
		}
		return err
	})
}

// RenewTranscript extends the token's claim. It fails with chatbox.NotOwner if the
// token has lost it.
func (t *Transcripts) RenewTranscript(ctx context.Context, k chatbox.RecordingKey, token string, until time.Time) error {
	return t.s.do(ctx, "renew a transcript", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		renewed, err := changed(tx.ExecContext(ctx, sqlTranscriptRenew, record.Millis(until), k.Session.Tenant, k.Session.ID, k.Seq, token))
		if err == nil && !renewed {
			err = &settled{record.NotClaimed("a transcript")}
		}
		return err
	})
}

// SettleTranscript ends the token's claim. It does nothing if another token holds
// the claim by now.
func (t *Transcripts) SettleTranscript(
	ctx context.Context, k chatbox.RecordingKey, token string, to chatbox.TranscriptState, due time.Time,
) error {
	return t.s.do(ctx, "settle a transcript", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlTranscriptSettle, string(to), record.Millis(due), k.Session.Tenant, k.Session.ID, k.Seq, token)
		return err
	})
}
