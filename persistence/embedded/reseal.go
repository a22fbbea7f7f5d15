package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"chatbox/persistence"
	"chatbox/persistence/internal/record"
	"chatbox/persistence/internal/reseal"
)

// schemaRotation has the progress of rotations by the key that they seal with.
const schemaRotation = `
CREATE TABLE IF NOT EXISTS rotations (key TEXT PRIMARY KEY, progress TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

// Reseal is Reseal of persistence.Store.
func (s *Store) Reseal(ctx context.Context, opts persistence.ResealOptions) (persistence.ResealReport, error) {
	return reseal.Run(ctx, s.keys, resealSource{s}, opts)
}

// ResealStatus is ResealStatus of persistence.Store.
func (s *Store) ResealStatus(ctx context.Context) (persistence.ResealReport, error) {
	return reseal.Status(ctx, s.keys, resealSource{s})
}

// resealSource gives the rotation access to the tables.
type resealSource struct{ *Store }

// Progress reads what SaveProgress wrote.
func (s resealSource) Progress(ctx context.Context, key string) (text string, err error) {
	err = s.reader.QueryRowContext(ctx, "SELECT progress FROM rotations WHERE key = ?", key).Scan(&text)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", record.Failed("read a rotation's progress", err)
	}
	return text, nil
}

// SaveProgress stores the text; an empty text removes it.
func (s resealSource) SaveProgress(ctx context.Context, key, text string) error {
	return s.do(ctx, "save a rotation's progress", smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		if text == "" {
			_, err := tx.ExecContext(ctx, "DELETE FROM rotations WHERE key = ?", key)
			return err
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO rotations (key, progress) VALUES (?, ?) ON CONFLICT DO UPDATE SET progress = excluded.progress", key, text)
		return err
	})
}

// Since returns when a pod entered the key's check value.
func (s resealSource) Since(ctx context.Context, key string) (time.Time, error) {
	b, err := keySource(s).ReadBook(ctx)
	return b.Since(key), err
}

// Kinds returns the tables with sealed columns.
func (s resealSource) Kinds() []reseal.Kind {
	var out []reseal.Kind
	for _, t := range sealedTables() {
		out = append(out, reseal.Kind{Name: t.name, Stays: t.stays})
	}
	return out
}

// Estimate counts the rows.
func (s resealSource) Estimate(ctx context.Context, kind string) (n int64, err error) {
	if err = s.reader.QueryRowContext(ctx, "SELECT count(*) FROM "+tableOf(kind).name).Scan(&n); err != nil { // the name is a constant of this package
		return 0, record.Failed("count rows", err)
	}
	return n, nil
}

// Page reads rows in the order of their keys. A place is the keys as JSON.
func (s resealSource) Page(ctx context.Context, kind, after string, limit int) ([]reseal.Doc, error) {
	const act = "read what is sealed"
	t := tableOf(kind)
	keys := strings.Join(t.keys, ", ")
	query, args := "SELECT "+keys+", "+strings.Join(t.columns, ", ")+" FROM "+t.name+" WHERE "+t.only, []any{}
	if strings.Contains(t.only, "?") {
		args = append(args, record.Millis(time.Now()))
	}
	if after != "" {
		place, err := parsePlace(after)
		if err != nil || len(place) != len(t.keys) {
			return nil, record.Failed(act, errors.Join(errors.New("malformed place"), err))
		}
		query += " AND (" + keys + ") > (?" + strings.Repeat(", ?", len(place)-1) + ")"
		args = append(args, place...)
	}
	rows, err := s.reader.QueryContext(ctx, query+" ORDER BY "+keys+" LIMIT ?", append(args, limit)...)
	return collect(act, rows, err, func(scan func(...any) error) (reseal.Doc, error) {
		values := make([]any, len(t.keys)+len(t.columns))
		into := make([]any, len(values))
		for i := range values {
			into[i] = &values[i]
		}
		if err := scan(into...); err != nil {
			return reseal.Doc{}, err
		}
		r := row{}
		for i, name := range append(append([]string{}, t.keys...), t.columns...) {
			r[name] = values[i]
		}
		place, err := json.Marshal(values[:len(t.keys)])
		if err != nil {
			return reseal.Doc{}, err
		}
		d := t.decode(r)
		d.ID, d.Row = string(place), r
		return d, nil
	})
}

// parsePlace decodes the place of a row.
func parsePlace(s string) ([]any, error) {
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber()
	var out []any
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	for i, v := range out {
		if n, ok := v.(json.Number); ok {
			whole, err := n.Int64()
			if err != nil {
				return nil, err
			}
			out[i] = whole
		}
	}
	return out, nil
}

// Swap replaces the boxes of each row by one statement that compares the boxes
// that were read.
func (s resealSource) Swap(ctx context.Context, kind string, docs []reseal.Doc) error {
	t := tableOf(kind)
	size := 0
	for _, d := range docs {
		for _, p := range d.Parts {
			size += len(p.New) + smallWrite
		}
	}
	return s.do(ctx, "seal again", size, func(ctx context.Context, tx *sql.Tx) error {
		return atomically(ctx, tx, true, func() error {
			for _, d := range docs {
				if err := s.swap(ctx, tx, t, d); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (s resealSource) swap(ctx context.Context, tx *sql.Tx, t sealedTable, d reseal.Doc) error {
	r, ok := d.Row.(row)
	if !ok {
		return errors.New("a row of another store")
	}
	changes, err := t.changes(s, d, r)
	if err != nil || len(changes) == 0 {
		return err
	}
	var set, where []string
	var args, same []any
	for column, next := range changes {
		set, args = append(set, column+" = ?"), append(args, next)
		where, same = append(where, column+" IS ?"), append(same, r[column])
	}
	for _, key := range t.keys {
		where, same = append(where, key+" = ?"), append(same, r[key])
	}
	won, err := changed(tx.ExecContext(ctx,
		"UPDATE "+t.name+" SET "+strings.Join(set, ", ")+" WHERE "+strings.Join(where, " AND "), append(args, same...)...)) // the names are constants of this package
	if err != nil || !won || t.derive == nil {
		return err
	}
	return t.derive(ctx, s, tx, d, r)
}
