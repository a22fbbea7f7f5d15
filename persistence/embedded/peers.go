package embedded

import (
	"context"
	"database/sql"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

const schemaPeers = `
CREATE TABLE IF NOT EXISTS pods (
	run TEXT PRIMARY KEY, pod TEXT NOT NULL, redis TEXT NOT NULL, away INTEGER NOT NULL, beat INTEGER NOT NULL, settled INTEGER NOT NULL,
	since INTEGER NOT NULL, at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
`

const (
	sqlMeet = `INSERT INTO pods (run, pod, redis, away, beat, settled, since, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (run) DO UPDATE SET pod = excluded.pod, redis = excluded.redis, away = excluded.away, beat = excluded.beat, settled = excluded.settled,
	since = excluded.since, at = excluded.at`
	sqlPeers       = `SELECT run, pod, redis, away, beat, settled, since FROM pods`
	sqlForgetPeers = `DELETE FROM pods WHERE at < ?`
	sqlLeave       = `DELETE FROM pods WHERE run = ?`
)

// Peers stores what the processes that share the history tell one another.
type Peers struct{ s *Store }

// Peers returns the reports of processes.
func (s *Store) Peers() *Peers { return &Peers{s} }

// Meet stores the process's report in place of its earlier one, and returns the
// reports of all processes with it. It removes reports that are an hour older.
func (m *Peers) Meet(ctx context.Context, p chatbox.Peer) ([]chatbox.Peer, error) {
	now := time.Now()
	since := p.Since
	if since.IsZero() {
		since = now
	}
	err := m.s.do(ctx, "report to other pods", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, sqlForgetPeers, record.Millis(now.Add(-record.PeerKept))); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, sqlMeet, p.Run, string(p.Pod), p.Redis, p.Away, p.Beat, p.Settled, record.Millis(since), record.Millis(now))
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err := m.s.reader.QueryContext(ctx, sqlPeers)
	return collect("read reports of pods", rows, err, func(scan func(...any) error) (chatbox.Peer, error) {
		var p chatbox.Peer
		var since int64
		err := scan(&p.Run, &p.Pod, &p.Redis, &p.Away, &p.Beat, &p.Settled, &since)
		p.Since = record.Time(since)
		return p, err
	})
}

// Leave removes the report of a process that ends.
func (m *Peers) Leave(ctx context.Context, run string) error {
	return m.s.do(ctx, "leave other pods", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlLeave, run)
		return err
	})
}
