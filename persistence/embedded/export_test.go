package embedded

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Pragma is a setting as the writer's and the readers' connections have it.
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

// Plan is how the server would run one of the statements.
func Plan(t *testing.T, s *Store, name string) []string {
	t.Helper()
	text := map[string]string{
		"range": sqlRange, "by key": sqlByKey, "pending": sqlPending, "load": sqlLoad, "list": sqlList, "claim": sqlClaim, "held": sqlHeld,
	}[name]
	args := make([]any, strings.Count(text, "?"))
	if name == "list" {
		args = make([]any, 6) // numbered, used more than once
	}
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
