// Package embedded keeps the history in one SQLite file: the same promises as
// package persistence, for one process that needs nothing installed. Several
// pods of the process share one *Store.
package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"chatbox/persistence"
	"chatbox/persistence/internal/group"
	"chatbox/persistence/internal/record"

	_ "modernc.org/sqlite" // the driver called sqlite
)

// Bounds of a group of writes: one transaction, one fsync.
const (
	groupItems   = 512
	groupBytes   = 8 << 20
	groupTimeout = 10 * time.Second
	busyTimeout  = 5 * time.Second // another process has the file
	readers      = 4
)

// Store is an open file. All writes go through one connection, those that meet
// in one transaction, and are on disk (WAL, synchronous FULL) before they
// return; reads have connections of their own and see whatever was
// acknowledged before they began. Safe for concurrent use.
type Store struct {
	noWords bool

	keys   *persistence.Keyring
	writer *sql.DB
	reader *sql.DB
	stmts  statements
	writes *group.Committer[write]
	proof  proof
}

// write is one act inside a group's transaction.
type write func(ctx context.Context, tx *sql.Tx) error

// Open opens or makes the file and its folder; both are readable by their
// owner alone. It starts one goroutine, which Close stops.
func Open(ctx context.Context, path string, keys *persistence.Keyring) (*Store, error) {
	return OpenConfig(ctx, Config{Path: path}, keys)
}

// Config says where the history is kept, and what of it.
type Config struct {
	Path    string
	NoWords bool // as persistence.Config has it
}

// OpenConfig is Open with all that can be said.
func OpenConfig(ctx context.Context, cfg Config, keys *persistence.Keyring) (*Store, error) {
	path := cfg.Path
	if err := create(path); err != nil {
		return nil, fmt.Errorf("embedded: %w", err)
	}
	s := &Store{keys: keys, noWords: cfg.NoWords}
	if err := s.open(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("embedded: open %s: %w", path, err), s.closeFiles())
	}
	s.writes = group.New(ctx, group.Config{
		Flights: 1, MaxItems: groupItems, MaxBytes: groupBytes, Timeout: groupTimeout,
	}, s.commit)
	return s, nil
}

// Messages is the log of every session.
func (s *Store) Messages() *Messages { return &Messages{s} }

// Sessions is what is known of sessions beside their events.
func (s *Store) Sessions() *Sessions { return &Sessions{s} }

// Turns is which messages still want an answer.
func (s *Store) Turns() *Turns { return &Turns{s} }

// Shares is the links by which anyone may read a session as it was.
func (s *Store) Shares() *Shares { return &Shares{s} }

// Search finds messages and sessions by words.
func (s *Store) Search() *Search { return &Search{s} }

// Withdrawals is whose credentials were withdrawn.
func (s *Store) Withdrawals() *Withdrawals { return &Withdrawals{s} }

// Close lets the writes that wait be written, then closes the file. Writes and
// reads that come later fail with chatbox.StoreFailed.
func (s *Store) Close(ctx context.Context) error {
	s.writes.Close(ctx)
	return s.closeFiles()
}

// create makes the file with narrow rights, since SQLite would not.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	return f.Close()
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if s.writer, err = sql.Open("sqlite", dsn(path, "_txlock=immediate&_pragma=secure_delete(1)")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	s.writer.SetConnMaxIdleTime(0)
	if _, err := s.writer.ExecContext(ctx, schema+alertSchema+schemaAudit+schemaStaff+schemaErasures+schemaCards+schemaWords+schemaBlocks+schemaKeys+schemaProof); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	if err := addColumns(ctx, s.writer); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	if _, err := s.writer.ExecContext(ctx, schemaLabels); err != nil {
		return fmt.Errorf("make the tables: %w", err)
	}
	if s.reader, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return err
	}
	s.reader.SetMaxOpenConns(readers)
	s.reader.SetMaxIdleConns(readers)
	return s.stmts.prepare(ctx, s.writer, s.reader)
}

func dsn(path, extra string) string {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	return u.String() + fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&%s",
		busyTimeout.Milliseconds(), extra)
}

func (s *Store) closeFiles() error {
	err := s.stmts.close()
	for _, db := range []*sql.DB{s.reader, s.writer} {
		if db != nil {
			err = errors.Join(err, db.Close())
		}
	}
	return err
}

// do runs the write in the next group and returns when it is on disk.
func (s *Store) do(ctx context.Context, act string, size int, w write) error {
	err := s.writes.Do(ctx, "", size, w)
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*settled)):
		return errors.Unwrap(err)
	default:
		return record.Failed(act, err)
	}
}

// settled is a write's own answer, not a failure of the store: its group is
// committed all the same.
type settled struct{ error }

func (s *settled) Unwrap() error { return s.error }

// commit runs the writes one after another in one transaction. A write that
// fails leaves its neighbours alone, unless the file is what fails: SQLite may
// have undone the transaction then, and what came behind would stand alone. A
// commit that fails fails them all.
func (s *Store) commit(ctx context.Context, writes []write) []error {
	errs := make([]error, len(writes))
	err := s.transact(ctx, writes, errs)
	if err != nil {
		for i := range errs {
			errs[i] = err
		}
	}
	s.proof.note(err)
	return errs
}

func (s *Store) transact(ctx context.Context, writes []write, errs []error) error {
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for i, w := range writes {
		if errs[i] = w(ctx, tx); spoils(errs[i]) {
			_ = tx.Rollback() // the transaction may be gone already
			return errs[i]
		}
	}
	return tx.Commit()
}

// atomically undoes what f wrote where f fails, if it is asked to: the group's
// other writes stay.
func atomically(ctx context.Context, tx *sql.Tx, asked bool, f func() error) error {
	if !asked {
		return f()
	}
	if _, err := tx.ExecContext(ctx, "SAVEPOINT act"); err != nil {
		return err
	}
	err := f()
	end := "RELEASE act"
	if err != nil {
		end = "ROLLBACK TO act; RELEASE act"
	}
	if _, eerr := tx.ExecContext(ctx, end); eerr != nil {
		return errors.Join(err, eerr)
	}
	return err
}
