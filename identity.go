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

// SessionKey names one session. Everything lives inside a tenant: the same ID
// in two tenants is two sessions that know nothing of each other.
type SessionKey struct {
	Tenant string `json:"t,omitempty"`
	ID     string `json:"s"`
}

// String is for logs and maps in memory; it escapes both parts, so two
// different keys never print alike.
func (k SessionKey) String() string {
	return url.QueryEscape(k.Tenant) + "/" + url.QueryEscape(k.ID)
}

// UserKey names one person inside a tenant.
type UserKey struct{ Tenant, ID string }

// String escapes both parts, so two different keys never print alike.
func (k UserKey) String() string {
	return url.QueryEscape(k.Tenant) + "/" + url.QueryEscape(k.ID)
}

// ConnID names one socket across the cluster.
type ConnID string

// PodID names one running process.
type PodID string

// Roles that carry rights beyond those of a user.
const (
	RoleAdmin     = "admin"
	RoleChatAdmin = "chat_admin"
	// RoleChatViewer may read what admins read and watch sessions, and change
	// nothing.
	RoleChatViewer = "chat_viewer"
)

// Actor is an authenticated subject. It is made from a credential only, never
// from what a client claims.
type Actor struct {
	Tenant    string
	UserID    string
	Name      string
	Roles     []string
	IssuedAt  time.Time
	ExpiresAt time.Time // zero: the credential does not expire
}

// Staff reports whether the actor may read what staff reads: an admin, or one
// who may do nothing else.
func (a Actor) Staff() bool { return a.Admin() || slices.Contains(a.Roles, RoleChatViewer) }

// Admin reports whether the actor may act as staff.
func (a Actor) Admin() bool {
	return slices.Contains(a.Roles, RoleAdmin) || slices.Contains(a.Roles, RoleChatAdmin)
}

// User is the actor's place in the tenant.
func (a Actor) User() UserKey { return UserKey{Tenant: a.Tenant, ID: a.UserID} }

// Session names a session of the actor's tenant.
func (a Actor) Session(id string) SessionKey { return SessionKey{Tenant: a.Tenant, ID: id} }

// Limits of names on the wire (docs/protocol/contract.md).
const (
	maxSessionID = 128
	maxMessageID = 64
	maxUserID    = 256
	maxTenant    = 255
	answerPrefix = "ans_"
)

// ValidSessionID reports whether id may name a session.
func ValidSessionID(id string) bool {
	return len(id) >= 1 && len(id) <= maxSessionID && only(id, "._-")
}

// NameableSession reports whether a client may name a session so. No path can
// have the id . or .., which clients take out of addresses.
func NameableSession(id string) bool {
	return ValidSessionID(id) && id != "." && id != ".."
}

// BadSessionID is the refusal of what NameableSession does not accept.
func BadSessionID() *Error {
	return Invalid("session_id", "must be 1-128 of A-Z a-z 0-9 . _ -, and not . or ..")
}

// ValidMessageID reports whether a client may give id to a frame. Ids that
// begin like an answer's are the server's.
func ValidMessageID(id string) bool {
	return len(id) >= 1 && len(id) <= maxMessageID && only(id, "._:-") && !strings.HasPrefix(id, answerPrefix)
}

// ValidUserID reports whether a credential's subject can be used: it becomes
// part of keys and of documents.
func ValidUserID(id string) bool {
	return len(id) >= 1 && len(id) <= maxUserID && utf8.ValidString(id) && !strings.ContainsRune(id, 0)
}

// ValidTenant reports whether a credential's tenant can be used: it becomes part
// of keys, of documents and of the names of lists. "" is a tenant.
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

// ClientKey is the idempotency key of a frame that a client named: unique per
// sender and session. The user is escaped, so neither part can imitate the
// other's separator.
func ClientKey(userID, id string) string { return "c:" + url.QueryEscape(userID) + ":" + id }

// ServerKey is the key of an event nobody named; id must be unique.
func ServerKey(id string) string { return "s:" + id }

// AnswerKey admits one final per message and run, whoever writes it.
func AnswerKey(messageSeq int64, run int) string {
	return "a:" + strconv.FormatInt(messageSeq, 10) + ":" + strconv.Itoa(run)
}

// AnswerID is the id by which clients know an answer: stable over pods,
// attempts and time, since it is a hash of what makes the answer unique.
func AnswerID(s SessionKey, messageSeq int64, run int) string {
	sum := sha256.Sum256([]byte(s.String() + "\x00" + AnswerKey(messageSeq, run)))
	return answerPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}
