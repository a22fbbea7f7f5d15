package embedded

import (
	"database/sql"

	"chatbox/persistence/internal/record"
)

// collect decodes all rows of a query in order and closes them. It accepts the
// query's error, so that a call can be passed to it directly.
func collect[T any](act string, rows *sql.Rows, err error, read func(scan func(...any) error) (T, error)) ([]T, error) {
	if err != nil {
		return nil, record.Failed(act, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		one, err := read(rows.Scan)
		if err != nil {
			return nil, record.Failed(act, err)
		}
		out = append(out, one)
	}
	if err := rows.Err(); err != nil {
		return nil, record.Failed(act, err)
	}
	return out, nil
}
