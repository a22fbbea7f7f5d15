package embedded

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// Alerts stores alerts that staff have not received yet. An alert is written in
// its event's transaction and erased with the event.
type Alerts struct{ s *Store }

// Alerts returns the store of pending alerts.
func (s *Store) Alerts() *Alerts { return &Alerts{s} }

// alertSchema is idempotent. The column sent holds names of channels, one per
// line.
const alertSchema = `
CREATE TABLE IF NOT EXISTS alerts (
	tenant TEXT NOT NULL, session TEXT NOT NULL, seq INTEGER NOT NULL,
	state TEXT NOT NULL, due INTEGER NOT NULL, tries INTEGER NOT NULL, token TEXT NOT NULL, sent TEXT NOT NULL,
	PRIMARY KEY (tenant, session, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS alerts_due ON alerts (due) WHERE state = 'pending';
CREATE TRIGGER IF NOT EXISTS alerts_go AFTER DELETE ON messages BEGIN
	DELETE FROM alerts WHERE tenant = OLD.tenant AND session = OLD.session AND seq = OLD.seq;
END;
`

// Alerts are rare, so their statements are not prepared.
const (
	sqlAlertAdd = `INSERT INTO alerts (tenant, session, seq, state, due, tries, token, sent) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`
	sqlAlertDue = `SELECT tenant, session, seq FROM alerts WHERE state = 'pending' AND due < ? ORDER BY due LIMIT ?`
	sqlAlertGet = `SELECT a.state, a.due, a.tries, a.token, a.sent, m.owner, m.time FROM alerts a
	JOIN messages m ON m.tenant = a.tenant AND m.session = a.session AND m.seq = a.seq
	WHERE a.tenant = ? AND a.session = ? AND a.seq = ?`
	sqlAlertClaim = `UPDATE alerts SET token = ?, due = ?, tries = tries + 1
	WHERE tenant = ? AND session = ? AND seq = ?`
	sqlAlertSent   = `UPDATE alerts SET sent = ? WHERE tenant = ? AND session = ? AND seq = ?`
	sqlAlertSettle = `UPDATE alerts SET state = ?, due = ?, token = ''
	WHERE tenant = ? AND session = ? AND seq = ? AND state = 'pending' AND token = ?`
)

// addAlert writes the event's alert, if it has one. If that fails, the event is
// not written either.
func addAlert(ctx context.Context, tx *sql.Tx, e chatbox.Event) error {
	a := e.Alert
	if a == nil {
		return nil
	}
	_, err := tx.ExecContext(ctx, sqlAlertAdd, e.Session.Tenant, e.Session.ID, e.Seq,
		string(a.State), record.Millis(a.Due), a.Tries, a.Token, strings.Join(a.Sent, "\n"))
	return err
}

// DueAlerts returns pending alerts due before the given time, over all sessions,
// oldest first.
func (a *Alerts) DueAlerts(ctx context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error) {
	const act = "find due alerts"
	rows, err := a.s.reader.QueryContext(ctx, sqlAlertDue, record.Millis(before), limit)
	return collect(act, rows, err, func(scan func(...any) error) (helpdesk.AlertKey, error) {
		var k helpdesk.AlertKey
		err := scan(&k.Session.Tenant, &k.Session.ID, &k.Seq)
		return k, err
	})
}

// ClaimAlert assigns the alert to the token until the given time and counts the
// attempt. It fails with chatbox.NotOwner if the alert is settled or not due at
// now, and with chatbox.NotFound if there is no such alert.
func (a *Alerts) ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error) {
	return doFor(ctx, a.s, "claim an alert", smallWrite, func(ctx context.Context, tx *sql.Tx) (helpdesk.AlertTask, error) {
		t, err := readAlert(ctx, tx, k)
		if err != nil {
			return t, err
		}
		if t.Alert.State != chatbox.AlertPending || t.Alert.Due.After(record.Time(record.Millis(now))) {
			return t, &settled{record.NotClaimed("an alert")}
		}
		t.Alert.Token, t.Alert.Due, t.Alert.Tries = token, record.Time(record.Millis(until)), t.Alert.Tries+1
		_, err = tx.ExecContext(ctx, sqlAlertClaim, token, record.Millis(until), k.Session.Tenant, k.Session.ID, k.Seq)
		return t, err
	})
}

// readAlert returns one alert with the facts of its event.
func readAlert(ctx context.Context, tx *sql.Tx, k helpdesk.AlertKey) (helpdesk.AlertTask, error) {
	t := helpdesk.AlertTask{Key: k}
	var due, since int64
	var sent string
	err := tx.QueryRowContext(ctx, sqlAlertGet, k.Session.Tenant, k.Session.ID, k.Seq).
		Scan(&t.Alert.State, &due, &t.Alert.Tries, &t.Alert.Token, &sent, &t.Owner, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return t, &settled{record.NoEvent(k.Session)}
	}
	t.Alert.Due, t.Since = record.Time(due), record.Time(since)
	if sent != "" {
		t.Alert.Sent = strings.Split(sent, "\n")
	}
	return t, err
}

// MarkAlert records that the channel has accepted the alert.
func (a *Alerts) MarkAlert(ctx context.Context, k helpdesk.AlertKey, channel string) error {
	return a.s.do(ctx, "mark an alert", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		t, err := readAlert(ctx, tx, k)
		if err != nil {
			if errors.As(err, new(*settled)) {
				return nil // it is erased, and nobody sends it again
			}
			return err
		}
		if slices.Contains(t.Alert.Sent, channel) {
			return nil
		}
		_, err = tx.ExecContext(ctx, sqlAlertSent, strings.Join(append(t.Alert.Sent, channel), "\n"),
			k.Session.Tenant, k.Session.ID, k.Seq)
		return err
	})
}

// SettleAlert ends the token's claim. It does nothing if another token holds the
// claim by now.
func (a *Alerts) SettleAlert(ctx context.Context, k helpdesk.AlertKey, token string, to chatbox.AlertState, due time.Time) error {
	return a.s.do(ctx, "settle an alert", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlAlertSettle, string(to), record.Millis(due), k.Session.Tenant, k.Session.ID, k.Seq, token)
		return err
	})
}
