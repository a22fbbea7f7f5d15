package chatbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// SessionKey identifies a session. Every id belongs to a tenant: the same ID
// in two tenants names two unrelated sessions.
type SessionKey struct {
	Tenant string `json:"t,omitempty"`
	ID     string `json:"s"`
}

// String returns the key for logs and maps in memory. It escapes both parts,
// so different keys give different strings.
func (k SessionKey) String() string {
	return url.QueryEscape(k.Tenant) + "/" + url.QueryEscape(k.ID)
}

// UserKey identifies a person within a tenant.
type UserKey struct{ Tenant, ID string }

// String escapes both parts, so different keys give different strings.
func (k UserKey) String() string {
	return url.QueryEscape(k.Tenant) + "/" + url.QueryEscape(k.ID)
}

// ConnID identifies a socket across the cluster.
type ConnID string

// PodID identifies a running process.
type PodID string

// Roles with more rights than a user.
const (
	RoleAdmin     = "admin"
	RoleChatAdmin = "chat_admin"
	// RoleChatViewer may read what admins read and watch sessions. It may
	// change nothing.
	RoleChatViewer = "chat_viewer"
)

// Actor is an authenticated subject. It is made from a credential only, never
// from a client's claims.
type Actor struct {
	Tenant    string
	UserID    string
	Name      string
	Roles     []string
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: the credential does not expire
}

// Staff reports whether the actor may read as staff: as an admin or as a
// viewer.
func (a Actor) Staff() bool { return a.Admin() || slices.Contains(a.Roles, RoleChatViewer) }

// Admin reports whether the actor may act as staff.
func (a Actor) Admin() bool {
	return slices.Contains(a.Roles, RoleAdmin) || slices.Contains(a.Roles, RoleChatAdmin)
}

// User returns the key of the actor.
func (a Actor) User() UserKey { return UserKey{Tenant: a.Tenant, ID: a.UserID} }

// Session returns the key of a session of the actor's tenant.
func (a Actor) Session(id string) SessionKey { return SessionKey{Tenant: a.Tenant, ID: id} }

// Limits of names on the wire (docs/protocol/contract.md).
const (
	maxSessionID = 128
	maxMessageID = 64
	maxUserID    = 256
	maxTenant    = 255
	answerPrefix = "ans_"
)

// ValidSessionID reports whether id is a valid session id.
func ValidSessionID(id string) bool {
	return len(id) >= 1 && len(id) <= maxSessionID && only(id, "._-")
}

// NameableSession reports whether a client may use id for a session. The ids .
// and .. are excluded, as clients remove them from paths.
func NameableSession(id string) bool {
	return ValidSessionID(id) && id != "." && id != ".."
}

// BadSessionID rejects an id that NameableSession does not accept.
func BadSessionID() *Error {
	return Invalid("session_id", "must be 1-128 of A-Z a-z 0-9 . _ -, and not . or ..")
}

// ValidMessageID reports whether a client may use id for a frame. Ids with the
// prefix of answers are reserved for the server.
func ValidMessageID(id string) bool {
	return len(id) >= 1 && len(id) <= maxMessageID && only(id, "._:-") && !strings.HasPrefix(id, answerPrefix)
}

// ValidUserID reports whether a credential's subject is valid. It becomes part
// of keys and documents.
func ValidUserID(id string) bool {
	return len(id) >= 1 && len(id) <= maxUserID && utf8.ValidString(id) && !strings.ContainsRune(id, 0)
}

// ValidTenant reports whether a credential's tenant is valid. It becomes part
// of keys, documents and names of lists. "" is valid.
func ValidTenant(t string) bool {
	return len(t) <= maxTenant && utf8.ValidString(t) && !strings.ContainsFunc(t, unicode.IsControl)
}

func only(s, extra string) bool {
	for _, r := range []byte(s) {
		alnum := r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
		if !alnum && !strings.ContainsRune(extra, rune(r)) {
			return false
		}
	}
	return true
}

// ClientKey returns the idempotency key of a frame with a client's id. It is
// unique per sender and session. The user is escaped, so that no part can
// contain the separator.
func ClientKey(userID, id string) string { return "c:" + url.QueryEscape(userID) + ":" + id }

// ServerKey returns the key of an event without a client's id; id must be
// unique.
func ServerKey(id string) string { return "s:" + id }

// AnswerKey returns the key of the final of a message's run. It admits one
// final per message and run, whichever pod writes it.
func AnswerKey(messageSeq int64, run int) string {
	return string(appendAnswerKey(nil, messageSeq, run))
}

func appendAnswerKey(b []byte, messageSeq int64, run int) []byte {
	b = strconv.AppendInt(append(b, "a:"...), messageSeq, 10)
	return strconv.AppendInt(append(b, ':'), int64(run), 10)
}

// answerDigits is the length of an answer's id without its prefix.
const answerDigits = 26

// AnswerID returns the id under which clients know an answer. It is a hash of
// the session, message and run, so it is the same on every pod and for every
// attempt.
func AnswerID(s SessionKey, messageSeq int64, run int) string {
	sum := sha256.Sum256(appendAnswerKey(append([]byte(s.String()), 0), messageSeq, run))
	return answerPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:answerDigits]
}

// beginOfSum returns the first bytes of the hash in an answer's id. ok is false if id
// does not have the form of one.
func beginOfSum(id string) (sum []byte, ok bool) {
	digits, ok := strings.CutPrefix(id, answerPrefix)
	if !ok || len(digits) != answerDigits {
		return nil, false
	}
	sum, err := base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding).DecodeString(digits)
	return sum, err == nil && len(sum) == answerDigits*5/8 // shorter: there were line breaks
}

const (
	answerRuns  = 8    // of a message, which FindAnswer tries
	answerBatch = 4096 // hashes between two looks at the context
)

// FindAnswer returns the key of the answer with the id. Its message has a seq of
// at most head; the newest are tried first. It returns NotFound for any other id, and
// for the answer to a message that was retried more often than users do. It reads
// nothing. An id that has the form of an answer's, but is none, costs one hash for
// each message and run, which is much for a long session: callers bound how many
// searches run at once. If ctx ends, FindAnswer returns its cause.
func FindAnswer(ctx context.Context, s SessionKey, id string, head int64) (key string, err error) {
	want, ok := beginOfSum(id)
	if !ok {
		return "", NotFound
	}
	text := append([]byte(s.String()), 0)
	place, tried := len(text), 0
	for run := 1; run <= answerRuns; run++ {
		for seq := head; seq > 0; seq-- {
			if tried++; tried%answerBatch == 0 && ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			text = appendAnswerKey(text[:place], seq, run)
			sum := sha256.Sum256(text)
			if bytes.HasPrefix(sum[:], want) && AnswerID(s, seq, run) == id { // want lacks the id's last bits
				return string(text[place:]), nil
			}
		}
	}
	return "", NotFound
}
