package embedded

import (
	"database/sql"
	"strings"
	"testing"
	"time"

	"chatbox/helpdesk"
	"chatbox/persistence/internal/record"

	"github.com/stretchr/testify/require"
)

// Pragma returns a setting of the writer's and the readers' connections.
func Pragma(t *testing.T, s *Store, name string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for where, db := range map[string]*sql.DB{"writer": s.writer, "reader": s.reader} {
		var v string
		require.NoError(t, db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&v))
		out[where] = v
	}
	return out
}

// Plan returns SQLite's plan of one of the statements.
func Plan(t *testing.T, s *Store, name string) []string {
	t.Helper()
	text := map[string]string{
		"range": sqlRange, "by key": sqlByKey, "pending": sqlPending, "pending of": sqlPendingOf, "load": sqlLoad, "list": sqlList, "claim": sqlClaim, "held": sqlHeld,
		"queue": sqlQueue, "waiting": sqlWaiting, "tags": sqlTagsInUse, "held by": sqlHolding, "assigned": sqlAssigned,
	}[name]
	args := make([]any, strings.Count(text, "?"))
	if name == "list" {
		args = make([]any, 6) // numbered, used more than once
	}
	return plan(t, s, text, args)
}

func plan(t *testing.T, s *Store, text string, args []any) []string {
	t.Helper()
	rows, err := s.reader.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	require.NoError(t, err)
	defer rows.Close()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}

// StaffPlan returns SQLite's plan of staff's list.
func StaffPlan(t *testing.T, s *Store, q helpdesk.StaffQuery, after *record.StaffCursor) []string {
	t.Helper()
	text, args := staffSQL(record.Marked(s.keys, q), after)
	return plan(t, s, text, args)
}

// SummaryPlan returns SQLite's plan of a period's summary.
func SummaryPlan(t *testing.T, s *Store, from, to time.Time) []string {
	t.Helper()
	c := staffConditions(record.StaffQuery{StaffQuery: helpdesk.StaffQuery{Tenant: "t", From: from, To: to}})
	return plan(t, s, "SELECT count(*) FROM sessions WHERE "+c.String(), c.args)
}

// AuditPlan returns SQLite's plan of a page of the audit log.
func AuditPlan(t *testing.T, s *Store) []string {
	t.Helper()
	return plan(t, s, sqlAuditPage, make([]any, 8))
}

// SetPragma changes the writer's connection.
func SetPragma(t *testing.T, s *Store, name, value string) {
	t.Helper()
	_, err := s.writer.ExecContext(t.Context(), "PRAGMA "+name+" = "+value)
	require.NoError(t, err)
}
