// Package embedded stores the history in one SQLite file. It gives the same
// guarantees as package persistence, for a single process and without a server to
// install. Several pods of the process share one *Store.
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

	_ "modernc.org/sqlite" // registers the driver sqlite
)

// Limits of a group of writes: one transaction and one fsync.
const (
	groupItems   = 512
	groupBytes   = 8 << 20
	groupTimeout = 10 * time.Second
	busyTimeout  = 5 * time.Second // how long to wait for a lock of another process
	readers      = 4
)

// Store is an open file. All writes use one connection; concurrent writes share a
// transaction and are on disk (WAL, synchronous FULL) before they return. Reads
// use connections of their own and see every write that was acknowledged before
// they began. It is safe for concurrent use.
type Store struct {
	noWords bool

	keys   *persistence.Keyring
	writer *sql.DB
	reader *sql.DB
	stmts  statements
	writes *group.Committer[write]
	proof  proof
}

// write is one write inside a group's transaction.
type write func(ctx context.Context, tx *sql.Tx) error

// Open opens the file, creating it and its directory if needed; only their owner
// can read them. It starts one goroutine, which Close stops.
func Open(ctx context.Context, path string, keys *persistence.Keyring) (*Store, error) {
	return OpenConfig(ctx, Config{Path: path}, keys)
}

// Config describes where the history is stored and what of it.
type Config struct {
	Path    string
	NoWords bool // see persistence.Config
}

// OpenConfig is Open with all settings.
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

// Messages returns the log of every session.
func (s *Store) Messages() *Messages { return &Messages{s} }

// Sessions returns the store of sessions.
func (s *Store) Sessions() *Sessions { return &Sessions{s} }

// Turns returns the store of messages that still need an answer.
func (s *Store) Turns() *Turns { return &Turns{s} }

// Shares returns the store of links by which anyone may read a session.
func (s *Store) Shares() *Shares { return &Shares{s} }

// Search returns the search for messages and sessions by words.
func (s *Store) Search() *Search { return &Search{s} }

// Withdrawals returns the store of withdrawn credentials.
func (s *Store) Withdrawals() *Withdrawals { return &Withdrawals{s} }

// Close finishes pending writes and closes the file. Later calls fail with
// chatbox.StoreFailed.
func (s *Store) Close(ctx context.Context) error {
	s.writes.Close(ctx)
	return s.closeFiles()
}

// create creates the file readable by its owner only, which SQLite would not do.
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("create the directory: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the file
	if err != nil {
		return fmt.Errorf("create the file: %w", err)
	}
	return f.Close()
}

func (s *Store) open(ctx context.Context, path string) (err error) {
	if s.writer, err = sql.Open("sqlite", dsn(path, "_txlock=immediate&_pragma=secure_delete(1)")); err != nil {
		return err
	}
	s.writer.SetMaxOpenConns(1)
	s.writer.SetConnMaxIdleTime(0)
	if _, err := s.writer.ExecContext(ctx, schema+alertSchema+schemaTranscripts+schemaAudit+schemaStaff+schemaErasures+schemaCards+schemaFiles+schemaWords+schemaBlocks+schemaKeys+schemaProof+schemaPeers+schemaRotation); err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	if err := addColumns(ctx, s.writer); err != nil {
		return fmt.Errorf("create the tables: %w", err)
	}
	if _, err := s.writer.ExecContext(ctx, schemaLabels+schemaFeedback); err != nil {
		return fmt.Errorf("create the tables: %w", err)
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

// doFor is do for a write with a result. ctx may end before the write, which may
// still set the result then. So the result belongs to the write until that has
// returned, and the caller gets it only without an error.
func doFor[T any](ctx context.Context, s *Store, act string, size int, w func(ctx context.Context, tx *sql.Tx) (T, error)) (T, error) { //nolint:ireturn // T is no interface
	var result T
	err := s.do(ctx, act, size, func(ctx context.Context, tx *sql.Tx) (err error) {
		result, err = w(ctx, tx)
		return err
	})
	if err != nil {
		var none T
		return none, err
	}
	return result, nil
}

// settled is the result of a write that is not a failure of the store, so its
// group is committed.
type settled struct{ error }

func (s *settled) Unwrap() error { return s.error }

// commit runs the writes one after another in one transaction. If one fails, the
// others are still committed, unless the file itself failed: SQLite may have
// rolled back the transaction then, and later writes would be committed without
// the earlier ones. If the commit fails, all of them fail.
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
			_ = tx.Rollback() // the transaction may have ended already
			return errs[i]
		}
	}
	return tx.Commit()
}

// atomically rolls back the writes of f if f fails and asked is set. The group's
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
