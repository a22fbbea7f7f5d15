package chatbox

import "time"

// AuditAction is what an entry of the audit log says was done.
type AuditAction string

// The actions of staff that are audited. An entry is written before the act:
// it says that it was asked for by somebody who may, not that it succeeded.
const (
	AuditSessionRead     AuditAction = "session.read"     // its messages over REST
	AuditSessionExport   AuditAction = "session.export"   // the same, as a download
	AuditSessionTakeover AuditAction = "session.takeover" // or tried to, and lost
	AuditSessionLeave    AuditAction = "session.leave"
	AuditSessionTransfer AuditAction = "session.transfer"
	AuditSessionMessage  AuditAction = "session.message"
	AuditSessionEnd      AuditAction = "session.end"
	AuditSessionErase    AuditAction = "session.erase"
	AuditSessionWatch    AuditAction = "session.watch"
	AuditSessionUnwatch  AuditAction = "session.unwatch"
	AuditSessionSearch   AuditAction = "session.search"  // what was looked for is not on record
	AuditSessionNote     AuditAction = "session.note"    // written, changed or deleted
	AuditSessionNotes    AuditAction = "session.notes"   // all of them read
	AuditSessionPreview  AuditAction = "session.preview" // the last words of some, as a list shows them
	AuditSessionTag      AuditAction = "session.tag"
	AuditSessionAssign   AuditAction = "session.assign" // or unassign
	AuditUserSessions    AuditAction = "user.sessions"  // the list of one person's
	AuditUserDisconnect  AuditAction = "user.disconnect"
	AuditUserBlock       AuditAction = "user.block"
	AuditUserUnblock     AuditAction = "user.unblock"
	AuditUserErase       AuditAction = "user.erase"
	AuditReplyChange     AuditAction = "reply.change" // a canned one, or a new one, or none any more
	AuditLogRead         AuditAction = "audit.read"
	AuditSupportChange   AuditAction = "support.change" // the tenant's hours, and what is said where nobody is there
)

// AuditActions lists all of them, for filters and documents.
func AuditActions() []AuditAction {
	return []AuditAction{
		AuditSessionRead, AuditSessionExport, AuditSessionTakeover, AuditSessionLeave, AuditSessionTransfer, AuditSessionMessage,
		AuditSessionEnd, AuditSessionErase, AuditSessionWatch, AuditSessionUnwatch, AuditSessionSearch, AuditSessionNote, AuditSessionNotes,
		AuditSessionPreview, AuditSessionTag, AuditSessionAssign,
		AuditUserSessions, AuditUserDisconnect, AuditUserBlock, AuditUserUnblock, AuditUserErase, AuditReplyChange, AuditLogRead,
		AuditSupportChange,
	}
}

// AuditSubject is whom or what an act was about; either may be empty.
type AuditSubject struct {
	SessionID string
	UserID    string
}

// AuditEntry is one link of a tenant's chain. People are pseudonyms in it; the
// ids beside them are known only while the person's key is kept.
type AuditEntry struct {
	N         int64 // ≥ 1, dense
	Time      time.Time
	Action    AuditAction
	Actor     string // pseudonym
	ActorID   string // empty: erased
	SessionID string
	User      string // pseudonym of whom it was about; empty: nobody
	UserID    string // empty: nobody, or erased
	Hash      string // hexadecimal, over the entry and the hash before it
}

// AuditQuery asks for one page of a tenant's audit log, newest first.
type AuditQuery struct {
	Tenant    string
	Actor     string // a user's id or a pseudonym
	UserID    string // whom it was about, likewise
	Action    AuditAction
	SessionID string
	From, To  time.Time // From ≤ time < To; zero: not given
	Limit     int       // 1-500
	Cursor    string    // of the page before
}

// AuditPage is one page of the log. Next is empty on the last; a page may be
// shorter than its limit, or empty, and not the last.
type AuditPage struct {
	Entries []AuditEntry
	Next    string
}

// AuditVerdict is what a walk along a tenant's chain found. Head is where it
// ends: whoever noted an earlier head elsewhere can tell that the end was not
// cut off.
type AuditVerdict struct {
	Entries  int64 // that were found whole, from the first on
	HeadHash string
	BrokenAt int64 // 0: nowhere
	Why      string
}
