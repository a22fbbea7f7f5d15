package embedded

import (
	"context"
	"database/sql"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"
)

// Concurrency stores how many sessions were open on each pod in each minute.
type Concurrency struct{ s *Store }

// Concurrency returns the counts of open sessions.
func (s *Store) Concurrency() *Concurrency { return &Concurrency{s} }

const (
	sqlTally = `INSERT INTO crowds (id, tenant, minute, pod, since, seconds, peak) VALUES (?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET seconds = excluded.seconds, peak = excluded.peak`
	// A pod that restarted within the minute has two rows; its sessions must not
	// be counted twice.
	sqlConcurrency = `SELECT coalesce(min(since), 0), coalesce(sum(seconds), 0), coalesce(max(peak), 0) FROM (
		SELECT min(since) AS since, sum(seconds) AS seconds, sum(peak) AS peak FROM (
			SELECT minute, pod, min(coalesce(since, minute)) AS since, sum(seconds) AS seconds, max(peak) AS peak FROM crowds
			WHERE tenant = ? AND minute >= ? AND minute < ? GROUP BY minute, pod
		) GROUP BY minute)`
	sqlForgetSamples = `DELETE FROM crowds WHERE minute < ?`
)

// Tally stores the pod's counts of a minute so far, for its tenants.
func (c *Concurrency) Tally(ctx context.Context, samples []helpdesk.ConcurrencySample) error {
	return c.s.do(ctx, "tally", len(samples)*smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		for _, w := range samples {
			since := sql.NullInt64{Int64: record.Millis(w.Since), Valid: !w.Since.IsZero()}
			_, err := tx.ExecContext(ctx, sqlTally, record.SampleID(w), w.Tenant, record.Millis(w.Minute), string(w.Pod), since, w.Seconds, w.Peak)
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// Total sums the pods' counts for each minute with from ≤ minute < to and
// then aggregates the minutes.
func (c *Concurrency) Total(ctx context.Context, tenant string, from, to time.Time) (helpdesk.Concurrency, error) {
	var out helpdesk.Concurrency
	var since int64
	err := c.s.reader.QueryRowContext(ctx, sqlConcurrency, tenant, record.Millis(from), record.Millis(to)).
		Scan(&since, &out.Seconds, &out.Peak)
	if err != nil {
		return out, record.Failed("sum up concurrency", err)
	}
	if since != 0 {
		out.Since = record.Time(since)
	}
	return out, nil
}

// Forget deletes the counts of minutes before the given time, for all tenants.
func (c *Concurrency) Forget(ctx context.Context, before time.Time) error {
	return c.s.do(ctx, "forget concurrency samples", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, sqlForgetSamples, record.Millis(before))
		return err
	})
}
