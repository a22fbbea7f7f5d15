package chatbox

import "time"

// AuditAction names the action that an audit entry records.
type AuditAction string

// The audited actions of staff. An entry is written before the action. It
// shows that an authorized person requested the action, not that it succeeded.
const (
	AuditSessionRead     AuditAction = "session.read"     // its messages over REST
	AuditSessionExport   AuditAction = "session.export"   // the same, as a download
	AuditSessionTakeover AuditAction = "session.takeover" // also attempts that lost
	AuditSessionLeave    AuditAction = "session.leave"
	AuditSessionTransfer AuditAction = "session.transfer"
	AuditSessionMessage  AuditAction = "session.message"
	AuditSessionEnd      AuditAction = "session.end"
	AuditSessionErase    AuditAction = "session.erase"
	AuditSessionWatch    AuditAction = "session.watch"
	AuditSessionUnwatch  AuditAction = "session.unwatch"
	AuditSessionSearch   AuditAction = "session.search"  // the words searched for are not recorded
	AuditSessionNote     AuditAction = "session.note"    // written, changed or deleted
	AuditSessionNotes    AuditAction = "session.notes"   // all of them read
	AuditSessionPreview  AuditAction = "session.preview" // the latest message of several sessions, for a list
	AuditSessionTag      AuditAction = "session.tag"
	AuditSessionAssign   AuditAction = "session.assign" // or unassign
	AuditFileRead        AuditAction = "file.read"      // a link to a file that the reader's session does not have
	AuditUserSessions    AuditAction = "user.sessions"  // the list of one user's sessions
	AuditUserDisconnect  AuditAction = "user.disconnect"
	AuditUserBlock       AuditAction = "user.block"
	AuditUserUnblock     AuditAction = "user.unblock"
	AuditUserErase       AuditAction = "user.erase"
	AuditReplyChange     AuditAction = "reply.change" // a canned reply was created, changed or deleted
	AuditLogRead         AuditAction = "audit.read"
	AuditSupportChange   AuditAction = "support.change" // the tenant's hours or away message
)

// AuditActions lists all actions, for filters and documents.
func AuditActions() []AuditAction {
	return []AuditAction{
		AuditSessionRead, AuditSessionExport, AuditSessionTakeover, AuditSessionLeave, AuditSessionTransfer, AuditSessionMessage,
		AuditSessionEnd, AuditSessionErase, AuditSessionWatch, AuditSessionUnwatch, AuditSessionSearch, AuditSessionNote, AuditSessionNotes,
		AuditSessionPreview, AuditSessionTag, AuditSessionAssign, AuditFileRead,
		AuditUserSessions, AuditUserDisconnect, AuditUserBlock, AuditUserUnblock, AuditUserErase, AuditReplyChange, AuditLogRead,
		AuditSupportChange,
	}
}

// AuditSubject is the session or user that an action concerned; either may be
// empty.
type AuditSubject struct {
	SessionID string
	UserID    string
}

// AuditEntry is one link of a tenant's chain. It names people by pseudonyms.
// The ids beside the pseudonyms are known only while the person's key exists.
type AuditEntry struct {
	N         int64 // ≥ 1, dense
	Time      time.Time
	Action    AuditAction
	Actor     string // pseudonym
	ActorID   string // empty: erased
	SessionID string
	User      string // pseudonym of the user concerned; empty: none
	UserID    string // empty: none, or erased
	Hash      string // hexadecimal, over the entry and the previous hash
}

// AuditQuery requests one page of a tenant's audit log, newest first.
type AuditQuery struct {
	Tenant    string
	Actor     string // a user's id or a pseudonym
	UserID    string // the user concerned, or a pseudonym
	Action    AuditAction
	SessionID string
	From, To  time.Time // From ≤ time < To; zero: not given
	Limit     int       // 1-500
	Cursor    string    // the previous page's Next
}

// AuditPage is one page of the log. Next is empty on the last page. An earlier
// page may be shorter than its limit, or empty.
type AuditPage struct {
	Entries []AuditEntry
	Next    string
}

// AuditVerdict is the result of verifying a tenant's chain. HeadHash is the
// hash of the last entry. Comparing it with a hash noted earlier shows whether
// the end of the chain was cut off.
type AuditVerdict struct {
	Entries  int64 // intact entries, from the first on
	HeadHash string
	BrokenAt int64 // 0: nowhere
	Why      string
}
