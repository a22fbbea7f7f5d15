package embedded

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"
)

// Files stores the records of uploaded files.
type Files struct{ s *Store }

// Files returns the store of the records of files.
func (s *Store) Files() *Files { return &Files{s} }

const schemaFiles = `
CREATE TABLE IF NOT EXISTS files (
	tenant TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, blob TEXT NOT NULL, box BLOB NOT NULL,
	created INTEGER NOT NULL, used INTEGER, gone INTEGER NOT NULL, PRIMARY KEY (tenant, id)
) STRICT;
CREATE INDEX IF NOT EXISTS files_owner ON files (tenant, owner, created);
CREATE INDEX IF NOT EXISTS files_blob ON files (blob);
CREATE INDEX IF NOT EXISTS files_idle ON files (created) WHERE used IS NULL AND gone = 0;
CREATE INDEX IF NOT EXISTS files_gone ON files (gone) WHERE gone = 1;
CREATE TABLE IF NOT EXISTS file_sessions (
	tenant TEXT NOT NULL, file TEXT NOT NULL, session TEXT NOT NULL, PRIMARY KEY (tenant, file, session)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS file_sessions_session ON file_sessions (tenant, session);
`

const (
	sqlFile       = ` WHERE tenant = ? AND id = ?`
	sqlCreateFile = `INSERT INTO files (tenant, id, owner, blob, box, created, gone) VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT DO NOTHING`
	sqlGetFiles   = `SELECT tenant, id, owner, blob, box, created, used, gone,
	(SELECT coalesce(json_group_array(session ORDER BY session), '[]') FROM file_sessions s WHERE s.tenant = files.tenant AND s.file = files.id)
	FROM files`
	sqlCountUses     = `SELECT count(*), count(*) FILTER (WHERE session = ?) FROM file_sessions WHERE tenant = ? AND file = ?`
	sqlUseFile       = `INSERT INTO file_sessions (tenant, file, session) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	sqlUsedFile      = `UPDATE files SET used = min(coalesce(used, ?1), ?1) WHERE tenant = ?2 AND id = ?3`
	sqlReleaseFile   = `DELETE FROM file_sessions WHERE tenant = ? AND file = ? AND session = ?`
	sqlReleasedFile  = `UPDATE files SET gone = 1 WHERE tenant = ?1 AND id = ?2 AND NOT EXISTS (SELECT 1 FROM file_sessions WHERE tenant = ?1 AND file = ?2)`
	sqlAbandonFile   = `UPDATE files SET gone = 1` + sqlFile + ` AND used IS NULL AND gone = 0`
	sqlDisownFile    = `UPDATE files SET owner = ''` + sqlFile
	sqlRemoveFile    = `DELETE FROM files` + sqlFile + ` AND gone = 1`
	sqlSessionFiles  = sqlGetFiles + ` WHERE tenant = ?1 AND id IN (SELECT file FROM file_sessions WHERE tenant = ?1 AND session = ?2) ORDER BY id LIMIT ?3`
	sqlUserFiles     = sqlGetFiles + ` WHERE tenant = ? AND owner = ? AND created <= ? AND gone = 0 ORDER BY created LIMIT ?`
	sqlUnusedFiles   = sqlGetFiles + ` WHERE used IS NULL AND gone = 0 AND created < ? ORDER BY created LIMIT ?`
	sqlGoneFiles     = sqlGetFiles + ` WHERE gone = 1 LIMIT ?`
	sqlFilesWithBlob = `SELECT blob FROM files WHERE blob IN (SELECT value FROM json_each(?))`
)

// Create stores the record of a new file. If there is one with its key, Create
// returns that one and false.
func (m *Files) Create(ctx context.Context, f chatbox.File) (chatbox.File, bool, error) {
	const act = "create a file"
	box, err := record.SealFile(m.s.keys, f)
	if err != nil {
		return chatbox.File{}, false, record.Failed(act, err)
	}
	created, err := doFor(ctx, m.s, act, smallWrite+len(box), func(ctx context.Context, tx *sql.Tx) (bool, error) {
		return changed(tx.ExecContext(ctx, sqlCreateFile, f.Key.Tenant, f.Key.ID, f.Owner, f.Blob, box, record.Millis(f.CreatedAt)))
	})
	if err != nil || created {
		return f, created, err
	}
	first, err := m.Get(ctx, f.Key)
	return first, false, err
}

// changed reports whether a statement changed a row.
func changed(done sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := done.RowsAffected()
	return n > 0, err
}

// Get returns the record, also of a file that is gone, or chatbox.NotFound.
func (m *Files) Get(ctx context.Context, k chatbox.FileKey) (chatbox.File, error) {
	f, err := m.scan(m.s.reader.QueryRowContext(ctx, sqlGetFiles+sqlFile, k.Tenant, k.ID).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return chatbox.File{}, chatbox.NoSuchFile()
	case err != nil:
		return chatbox.File{}, record.Failed("read a file's record", err)
	}
	return f, nil
}

// Use records that the session uses the file. A repeat changes nothing. It
// returns chatbox.NotFound if there is no such file or it is gone, and
// chatbox.Full if too many sessions use it.
func (m *Files) Use(ctx context.Context, k chatbox.FileKey, sessionID string, at time.Time) (chatbox.File, error) {
	return doFor(ctx, m.s, "use a file", smallWrite, func(ctx context.Context, tx *sql.Tx) (chatbox.File, error) {
		f, err := m.scan(tx.QueryRowContext(ctx, sqlGetFiles+sqlFile, k.Tenant, k.ID).Scan)
		if errors.Is(err, sql.ErrNoRows) || err == nil && f.Gone {
			return f, &settled{chatbox.NoSuchFile()}
		}
		if err != nil {
			return f, err
		}
		var all, mine int
		if err := tx.QueryRowContext(ctx, sqlCountUses, sessionID, k.Tenant, k.ID).Scan(&all, &mine); err != nil {
			return f, err
		}
		if mine == 0 && all >= chatbox.MaxFileSessions {
			return f, &settled{record.InTooManySessions()}
		}
		if _, err := tx.ExecContext(ctx, sqlUseFile, k.Tenant, k.ID, sessionID); err != nil {
			return f, err
		}
		if _, err := tx.ExecContext(ctx, sqlUsedFile, record.Millis(at), k.Tenant, k.ID); err != nil {
			return f, err
		}
		return m.scan(tx.QueryRowContext(ctx, sqlGetFiles+sqlFile, k.Tenant, k.ID).Scan)
	})
}

// Release records that the session does not use the file any more. The file is
// gone if that was its last session. A repeat changes nothing.
func (m *Files) Release(ctx context.Context, k chatbox.FileKey, sessionID string) (gone bool, err error) {
	return doFor(ctx, m.s, "release a file", smallWrite, func(ctx context.Context, tx *sql.Tx) (bool, error) {
		was, err := changed(tx.ExecContext(ctx, sqlReleaseFile, k.Tenant, k.ID, sessionID))
		if err != nil || !was {
			return false, err
		}
		return changed(tx.ExecContext(ctx, sqlReleasedFile, k.Tenant, k.ID))
	})
}

// Abandon makes the file gone if no session uses it.
func (m *Files) Abandon(ctx context.Context, k chatbox.FileKey) (gone bool, err error) {
	return doFor(ctx, m.s, "abandon a file", smallWrite, func(ctx context.Context, tx *sql.Tx) (bool, error) {
		return changed(tx.ExecContext(ctx, sqlAbandonFile, k.Tenant, k.ID))
	})
}

// Disown removes the uploader's name from the record.
func (m *Files) Disown(ctx context.Context, k chatbox.FileKey) error {
	return m.exec(ctx, "disown a file", sqlDisownFile, k)
}

// Remove deletes the record of a file that is gone.
func (m *Files) Remove(ctx context.Context, k chatbox.FileKey) error {
	return m.exec(ctx, "remove a file's record", sqlRemoveFile, k)
}

func (m *Files) exec(ctx context.Context, act, query string, k chatbox.FileKey) error {
	return m.s.do(ctx, act, smallWrite, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, k.Tenant, k.ID)
		return err
	})
}

// OfSession returns up to limit files that the session uses.
func (m *Files) OfSession(ctx context.Context, s chatbox.SessionKey, limit int) ([]chatbox.File, error) {
	return m.list(ctx, sqlSessionFiles, s.Tenant, s.ID, limit)
}

// OfUser returns up to limit files that the user uploaded until the given time
// and that are not gone, oldest first.
func (m *Files) OfUser(ctx context.Context, u chatbox.UserKey, by time.Time, limit int) ([]chatbox.File, error) {
	return m.list(ctx, sqlUserFiles, u.Tenant, u.ID, record.Millis(by), limit)
}

// Unused returns up to limit files that were uploaded before the given time and
// that no session has ever used.
func (m *Files) Unused(ctx context.Context, before time.Time, limit int) ([]chatbox.File, error) {
	return m.list(ctx, sqlUnusedFiles, record.Millis(before), limit)
}

// Gone returns up to limit files that are gone.
func (m *Files) Gone(ctx context.Context, limit int) ([]chatbox.File, error) {
	return m.list(ctx, sqlGoneFiles, limit)
}

func (m *Files) list(ctx context.Context, query string, args ...any) ([]chatbox.File, error) {
	rows, err := m.s.reader.QueryContext(ctx, query, args...)
	return collect("list files", rows, err, m.scan)
}

// WithBlobs returns those of the names that are the blob of a record.
func (m *Files) WithBlobs(ctx context.Context, names []string) ([]string, error) {
	wanted, err := json.Marshal(names)
	if err != nil {
		return nil, record.Failed("look for blobs", err)
	}
	rows, err := m.s.reader.QueryContext(ctx, sqlFilesWithBlob, string(wanted))
	return collect("look for blobs", rows, err, func(scan func(...any) error) (name string, err error) {
		err = scan(&name)
		return name, err
	})
}

func (m *Files) scan(scan func(...any) error) (chatbox.File, error) {
	var (
		f        chatbox.File
		box      []byte
		created  int64
		used     sql.NullInt64
		sessions []byte
	)
	if err := scan(&f.Key.Tenant, &f.Key.ID, &f.Owner, &f.Blob, &box, &created, &used, &f.Gone, &sessions); err != nil {
		return f, err
	}
	if err := json.Unmarshal(sessions, &f.Sessions); err != nil {
		return f, err
	}
	if len(f.Sessions) == 0 {
		f.Sessions = nil
	}
	f.CreatedAt = record.Time(created)
	if used.Valid {
		f.UsedAt = record.Time(used.Int64)
	}
	record.OpenFile(m.s.keys, &f, box)
	return f, nil
}
