package chatbox

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// FileKey identifies an uploaded file. Every id belongs to a tenant.
type FileKey struct{ Tenant, ID string }

// File is the record of an uploaded file. The record is written after the
// content, so a file with a record is complete.
type File struct {
	Key         FileKey
	Owner       string // the uploader; empty: that person was erased
	Name        string // see CleanFileName
	ContentType string // what the content is; never what the uploader claimed
	Size        int64  // bytes of the stored content
	Width       int    // pixels, as shown; 0: not a picture
	Height      int
	Duration    time.Duration // of sound and video; 0: unknown
	CreatedAt   time.Time
	UsedAt      time.Time // of its first use by a session; zero: never used
	Sessions    []string  // ids of the sessions that use it, sorted
	Blob        string    // where the content is stored; random
	Gone        bool      // released by its last session, expired or erased: it is served to nobody
	Unreadable  bool      // no key opens name, type and size, which are empty
}

// Picture reports whether the file is a picture.
func (f File) Picture() bool { return strings.HasPrefix(f.ContentType, "image/") }

// AttachedFile is what an event says of a file, as it was when the event was
// stored. Whether the file may still be read is in its record.
type AttachedFile struct {
	ID          string        `json:"id"`
	Name        string        `json:"name"`
	ContentType string        `json:"type"`
	Size        int64         `json:"size"` // bytes
	Width       int           `json:"width,omitempty"`
	Height      int           `json:"height,omitempty"`
	Duration    time.Duration `json:"duration,omitempty"`
}

// Attached returns what an event says of the file.
func (f File) Attached() AttachedFile {
	return AttachedFile{
		ID: f.Key.ID, Name: f.Name, ContentType: f.ContentType, Size: f.Size, Width: f.Width, Height: f.Height, Duration: f.Duration,
	}
}

// Picture reports whether the file is a picture.
func (f AttachedFile) Picture() bool { return strings.HasPrefix(f.ContentType, "image/") }

// UsedIn reports whether the session uses the file.
func (f File) UsedIn(sessionID string) bool { return slices.Contains(f.Sessions, sessionID) }

// File returns the key of a file of the actor's tenant.
func (a Actor) File(id string) FileKey { return FileKey{Tenant: a.Tenant, ID: id} }

// User returns the key of a user of the file's tenant.
func (k FileKey) User(id string) UserKey { return UserKey{Tenant: k.Tenant, ID: id} }

const (
	filePrefix = "file_"
	fileDigits = 26
)

// FileID makes the id of a file from a random text of at least 26 letters and
// digits 2-7, such as that of crypto/rand.Text.
func FileID(random string) string { return filePrefix + strings.ToLower(random[:fileDigits]) }

// RepeatableFileID returns the id of the file that a user uploads with an
// idempotency key. It is the same on every pod, so a repeat finds the first
// upload.
func RepeatableFileID(u UserKey, key string) string {
	sum := sha256.Sum256([]byte(u.String() + "\x00" + key))
	return FileID(base32.StdEncoding.EncodeToString(sum[:]))
}

// FetchedFileID returns the id of the file that a pod fetches from the address in a
// user's message. It is the same on every pod, so a repeat of the message finds the
// first file. No idempotency key gives the same text: a key is not empty and has no
// NUL.
func FetchedFileID(u UserKey, session, message, address string) string {
	sum := sha256.Sum256([]byte(u.String() + "\x00\x00" + session + "\x00" + message + "\x00" + address))
	return FileID(base32.StdEncoding.EncodeToString(sum[:]))
}

// ValidFileID reports whether id may be the id of a file.
func ValidFileID(id string) bool {
	digits, ok := strings.CutPrefix(id, filePrefix)
	if !ok || len(digits) != fileDigits {
		return false
	}
	for _, r := range []byte(digits) {
		if (r < 'a' || r > 'z') && (r < '2' || r > '7') {
			return false
		}
	}
	return true
}

// maxFileName is the maximum length of a file's name in bytes.
const maxFileName = 255

// CleanFileName returns a name without folders, control characters, characters
// that change the direction of text, and invalid UTF-8. It is cut to 255 bytes
// between characters and keeps a short ending. A name of which nothing remains
// becomes "file".
func CleanFileName(name string) string {
	if at := strings.LastIndexAny(name, `/\`); at >= 0 {
		name = name[at+1:]
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError, unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Zl, r), unicode.Is(unicode.Zp, r):
			return -1
		case unicode.IsSpace(r):
			return ' '
		case strings.ContainsRune(`:*?"<>|`, r):
			return '-'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimSpace(name), ". ")
	if strings.Trim(name, ".- ") == "" {
		return "file"
	}
	return cutFileName(name)
}

func cutFileName(name string) string {
	if len(name) <= maxFileName {
		return name
	}
	ending := ""
	if at := strings.LastIndexByte(name, '.'); at > 0 && len(name)-at <= 16 {
		ending = name[at:]
	}
	stem := name[:maxFileName-len(ending)]
	for !utf8.ValidString(stem) {
		stem = stem[:len(stem)-1]
	}
	return stem + ending
}

// NoSuchFile is the error for a file that does not exist, that is gone, or that
// the caller may not see.
func NoSuchFile() *Error { return NewError(NotFound, "no such file", nil) }

// String escapes both parts, so different keys give different strings.
func (k FileKey) String() string { return UserKey(k).String() }

// MaxFileSessions is the maximum number of sessions that use one file.
const MaxFileSessions = 100

// SpeechFileID returns the id of the file with the speech of an answer. It is the
// same on every pod, and no upload can have it.
func SpeechFileID(s SessionKey, answerID string) string {
	sum := sha256.Sum256([]byte("speech\x00" + s.String() + "\x00" + answerID))
	return FileID(base32.StdEncoding.EncodeToString(sum[:]))
}
