package embedded

import (
	"database/sql"

	"chatbox/persistence/internal/record"
)

// collect reads each of a query's rows, in their order, and closes them. It
// takes the query's failure, too.
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
