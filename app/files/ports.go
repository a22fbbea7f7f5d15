package files

import (
	"context"
	"io"
	"time"

	"chatbox"
)

// Records are the records of files in the history.
type Records interface {
	RecordUse
	RecordLife
	RecordLists
}

// RecordUse is what uploads and reads ask of the records.
type RecordUse interface {
	// Create stores the record of a new file, durably when it returns. If there is
	// one with its key, it returns that one and false.
	Create(ctx context.Context, f chatbox.File) (first chatbox.File, created bool, err error)
	// Get returns the record, also of a file that is gone, or chatbox.NotFound.
	Get(ctx context.Context, k chatbox.FileKey) (chatbox.File, error)
	// Use records that the session uses the file. A repeat changes nothing.
	// chatbox.NotFound: there is no such file, or it is gone. chatbox.Full: too
	// many sessions use it.
	Use(ctx context.Context, k chatbox.FileKey, sessionID string, at time.Time) (chatbox.File, error)
}

// RecordLife ends files. Each call is atomic and may be repeated.
type RecordLife interface {
	// Release records that the session does not use the file any more. The file
	// is gone if that was its last session.
	Release(ctx context.Context, k chatbox.FileKey, sessionID string) (gone bool, err error)
	// Abandon makes a file gone that no session has ever used.
	Abandon(ctx context.Context, k chatbox.FileKey) (gone bool, err error)
	// Disown removes the uploader's name.
	Disown(ctx context.Context, k chatbox.FileKey) error
	// Remove deletes the record of a file that is gone.
	Remove(ctx context.Context, k chatbox.FileKey) error
}

// RecordLists find files.
type RecordLists interface {
	// OfSession returns up to limit files that the session uses.
	OfSession(ctx context.Context, s chatbox.SessionKey, limit int) ([]chatbox.File, error)
	// OfUser returns up to limit files that the user uploaded until the given
	// time and that are not gone, oldest first.
	OfUser(ctx context.Context, u chatbox.UserKey, by time.Time, limit int) ([]chatbox.File, error)
	// Unused returns up to limit files that were uploaded before the given time
	// and never used.
	Unused(ctx context.Context, before time.Time, limit int) ([]chatbox.File, error)
	// Gone returns up to limit files that are gone.
	Gone(ctx context.Context, limit int) ([]chatbox.File, error)
	// WithBlobs returns those of the names that are the blob of a record.
	WithBlobs(ctx context.Context, names []string) ([]string, error)
}

// Blobs stores sealed contents. part distinguishes a file's content from its
// smaller pictures.
type Blobs interface {
	// Write seals what fill writes. Nothing is stored if fill or Write fails.
	Write(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error
	// Read opens n bytes from the given one on, of a content of size bytes.
	// chatbox.NotFound: there is none. chatbox.Unreadable: it is not what was
	// sealed for the place.
	Read(ctx context.Context, name string, k chatbox.FileKey, part string, size, from, n int64) (io.ReadCloser, error)
	// Size returns the size of the content of a blob, or chatbox.NotFound.
	Size(ctx context.Context, name string) (int64, error)
	// Delete removes the blob and every blob whose name begins with it and a dot.
	// A repeat is no error.
	Delete(ctx context.Context, name string) error
	// Each visits every blob, with the time at which it was written.
	Each(ctx context.Context, prefix string, visit func(name string, written time.Time) error) error
}

// Fetcher fetches files from addresses that clients have given.
type Fetcher interface {
	// Fetch opens the file at the address and returns its size; -1: unknown. It
	// contacts public addresses only, also after redirects, and ends with ctx. No
	// error contains the address.
	Fetch(ctx context.Context, address string) (body io.ReadCloser, size int64, err error)
}

// Quota counts the files and bytes of a user's day over all pods.
type Quota interface {
	// ReserveFile reserves a file of at most want bytes for the day and returns
	// how many bytes the user may still upload, at most want. 0: the day's files
	// or bytes are used up, and nothing was reserved. wait is positive if less than
	// want is granted because of uploads under way: the time until the next of their
	// reservations lapses. A reservation lapses within minutes, unless the same id
	// reserves again.
	ReserveFile(ctx context.Context, u chatbox.UserKey, day, id string, want, mostBytes int64, mostFiles int) (granted int64, wait time.Duration, err error)
	// SettleFile replaces the reservation by a file of size bytes; 0: by none.
	SettleFile(ctx context.Context, u chatbox.UserKey, day, id string, size int64) error
}

// Sessions are the records of sessions.
type Sessions interface {
	// Load returns the session, or chatbox.NotFound.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
}

// Watchers knows which staff watches a session.
type Watchers interface {
	Watches(ctx context.Context, s chatbox.SessionKey, adminID string) (bool, error)
}

// Audit is the append-only record of staff's acts.
type Audit interface {
	// Record returns when the entry is durable.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Scanner looks for viruses.
type Scanner interface {
	// Scan returns the name of what it found, or "". An error means that the
	// content was not scanned.
	Scan(ctx context.Context, content io.Reader) (found string, err error)
}

// Texts extracts the text of documents.
type Texts interface {
	// Text returns the text of a document of the type. It bounds its own memory and
	// time. The error of a document whose text cannot be had, now or later, is
	// neither that of ctx nor transient as chatbox.IsTransient says.
	Text(ctx context.Context, contentType string, content io.Reader) (string, error)
}

// Signer signs links. Every key of the cluster gives a digest, the newest first,
// so that a link of one pod is valid on a pod whose keys were rotated already.
type Signer interface {
	Digests(purpose, text string) [][]byte
}

// Observer is notified of outcomes, for metrics.
type Observer interface {
	FileUploaded(outcome string, bytes int64)
	FileScanned(took time.Duration)
}
