package chatbox

import (
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
	return "a:" + strconv.FormatInt(messageSeq, 10) + ":" + strconv.Itoa(run)
}

// AnswerID returns the id under which clients know an answer. It is a hash of
// the session, message and run, so it is the same on every pod and for every
// attempt.
func AnswerID(s SessionKey, messageSeq int64, run int) string {
	sum := sha256.Sum256([]byte(s.String() + "\x00" + AnswerKey(messageSeq, run)))
	return answerPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}
