package embedded

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"chatbox/internal/outage"
	"chatbox/persistence/internal/record"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

const (
	// provenFor is how long a successful write counts as proof that the file is
	// writable. It limits how often frequent readiness checks write.
	provenFor = time.Second
	// filling is the number of bytes that Ping writes after a write was refused.
	// On a nearly full disk a few bytes may still fit although messages do not.
	filling = 64 << 10
)

// schemaProof has one row, which Ping updates.
const schemaProof = `
CREATE TABLE IF NOT EXISTS proof (
	one INTEGER PRIMARY KEY CHECK (one = 1), filling BLOB NOT NULL
) STRICT;
`

// proof is the outcome of the latest write. It is safe for concurrent use.
type proof struct {
	at      atomic.Int64 // when the write reached the disk, in nanoseconds since 1970
	refused atomic.Bool  // the write failed
}

func (p *proof) note(err error) {
	p.refused.Store(err != nil)
	if err == nil {
		p.at.Store(time.Now().UnixNano())
	}
}

func (p *proof) fresh() bool {
	since := time.Since(time.Unix(0, p.at.Load()))
	return !p.refused.Load() && since >= 0 && since < provenFor
}

// Ping checks that the file can be read and written. Kind classifies its error.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.reader.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return record.Failed("ping", err)
	}
	if s.proof.fresh() {
		return nil
	}
	size := 1
	if s.proof.refused.Load() {
		size = filling
	}
	return s.do(ctx, "ping", size, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO proof (one, filling) VALUES (1, zeroblob(?)) ON CONFLICT DO UPDATE SET filling = excluded.filling", size)
		return err
	})
}

// Kind classifies an error of this package by why the file could not do the
// operation.
func Kind(err error) outage.Kind {
	switch primary, extended := codes(err); {
	case extended == lib.SQLITE_IOERR_NOMEM:
		return outage.Memory
	case primary == lib.SQLITE_FULL, primary == lib.SQLITE_IOERR:
		return outage.Disk
	case primary == lib.SQLITE_READONLY:
		return outage.ReadOnlyFile
	case primary == lib.SQLITE_PERM, primary == lib.SQLITE_AUTH, primary == lib.SQLITE_CANTOPEN:
		return outage.Permission
	case primary == lib.SQLITE_NOMEM:
		return outage.Memory
	default:
		return outage.KindOf(err)
	}
}

// spoils reports whether SQLite may have ended the transaction because of the
// error.
func spoils(err error) bool {
	switch primary, _ := codes(err); primary {
	case lib.SQLITE_FULL, lib.SQLITE_IOERR, lib.SQLITE_NOMEM, lib.SQLITE_BUSY, lib.SQLITE_INTERRUPT, lib.SQLITE_READONLY,
		lib.SQLITE_CORRUPT, lib.SQLITE_CANTOPEN:
		return true
	default:
		return false
	}
}

// codes returns SQLite's primary and extended error code; the primary code is the
// extended code's last byte. Both are 0 if the error is not from SQLite.
func codes(err error) (primary, extended int) {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff, e.Code()
	}
	return 0, 0
}
