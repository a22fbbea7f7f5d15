package helpdesk

import "time"

// Subjects of notices, by their names on the wire.
const (
	NoticeHelp  = "help_requested"
	NoticeRated = "rated" // a user has rated a talk with a member of staff
	// NoticeAssigned goes to the sockets of the admin to whom the session was
	// assigned. A pod of an older version shows it to all of the tenant's
	// admins, who may see the session anyway.
	NoticeAssigned    = "assigned"
	NoticeTransferred = "transferred"   // the same for a session that the admin now holds
	NoticeAlertFailed = "notify_failed" // a help request could not be sent to staff through one of the channels
)

// Notice is sent to connected staff outside any session, at most once. It
// contains no text of the session.
type Notice struct {
	Tenant    string    `json:"t,omitempty"`
	Event     string    `json:"event"`
	SessionID string    `json:"s"`
	UserID    string    `json:"user"`              // the session's owner
	Score     int       `json:"score,omitempty"`   // of NoticeRated
	Channel   string    `json:"channel,omitempty"` // of NoticeAlertFailed: email, sms, webhook or notify
	Time      time.Time `json:"time"`              // of the event that it reports
	AdminID   string    `json:"admin,omitempty"`   // the admin who acted
	To        string    `json:"to,omitempty"`      // the recipient; empty: all of the tenant's admins
}
