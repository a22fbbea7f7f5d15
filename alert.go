package chatbox

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"
)

// AlertState is the progress of an alert.
type AlertState string

// The alert states.
const (
	AlertPending AlertState = "pending"
	AlertDone    AlertState = "done"   // every channel has accepted it
	AlertFailed  AlertState = "failed" // given up: a channel did not accept it
)

// Alert is the request to notify staff of an event outside its session. It is
// stored in the same insert as the event, so no crash can separate them.
// Reading the event does not read its alert.
type Alert struct {
	State AlertState
	Due   time.Time // when to try next; while a pod tries, when another pod may
	Tries int       // how often it was claimed
	Token string    // of the latest claim
	Sent  []string  // the channels that have accepted it
}

// AlertKey names an alert by its event.
type AlertKey struct {
	Session SessionKey
	Seq     int64
}

// ID returns the id under which receivers recognize the alert. It is the same
// for every repeat and on every pod.
func (k AlertKey) ID() string {
	sum := sha256.Sum256([]byte("alert\x00" + k.Session.String() + "\x00" + strconv.FormatInt(k.Seq, 10)))
	return "alert_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

// AlertTask is an alert with the facts to report: the session's owner and the
// time since which they wait.
type AlertTask struct {
	Key   AlertKey
	Owner string
	Since time.Time
	Alert Alert
}

// Channels that notify staff; the label in metrics.
const (
	ViaStaff   = "staff" // open sockets of admins
	ViaEmail   = "email"
	ViaSMS     = "sms"
	ViaWebhook = "webhook"
	ViaNotify  = "notify" // chat services
)

// AlertMessage is sent to receivers outside the cluster. It contains no text
// of any conversation.
type AlertMessage struct {
	ID        string // the same for every repeat
	Event     string // NoticeHelp
	Tenant    string
	SessionID string
	UserID    string // the session's owner
	Time      time.Time
}

// Subjects of notices, by their names on the wire.
const (
	NoticeHelp  = "help_requested"
	NoticeRated = "rated" // a user has rated a talk with a member of staff
	// NoticeAssigned goes to the sockets of the admin to whom the session was
	// assigned. A pod of an older version shows it to all of the tenant's
	// admins, who may see the session anyway.
	NoticeAssigned    = "assigned"
	NoticeTransferred = "transferred"   // likewise, for a session that the admin now holds
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
