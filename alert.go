package chatbox

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"
)

// AlertState is where the telling of staff stands.
type AlertState string

// The alert states.
const (
	AlertPending AlertState = "pending"
	AlertDone    AlertState = "done"   // every channel has taken it
	AlertFailed  AlertState = "failed" // given up: a channel would not take it
)

// Alert is an event's claim to be told to staff outside its session. It is
// stored in the same insert as the event, so no crash can separate them, and
// is read by whoever tells it, never with the event.
type Alert struct {
	State AlertState
	Due   time.Time // to be tried then; while somebody tries it, when another may
	Tries int       // how often it was claimed
	Token string    // of who claimed it last
	Sent  []string  // the channels that have taken it
}

// AlertKey names an alert by its event.
type AlertKey struct {
	Session SessionKey
	Seq     int64
}

// ID is how receivers know the alert: the same however often, and by whichever
// pod, it is sent.
func (k AlertKey) ID() string {
	sum := sha256.Sum256([]byte("alert\x00" + k.Session.String() + "\x00" + strconv.FormatInt(k.Seq, 10)))
	return "alert_" + strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:26]
}

// AlertTask is an alert with what there is to tell: whose session it is, and
// since when they wait.
type AlertTask struct {
	Key   AlertKey
	Owner string
	Since time.Time
	Alert Alert
}

// Ways by which staff is told, the label in metrics.
const (
	ViaStaff   = "staff" // open sockets of admins
	ViaEmail   = "email"
	ViaSMS     = "sms"
	ViaWebhook = "webhook"
	ViaNotify  = "notify" // chat services
)

// AlertMessage is what is said outside the cluster. It holds no word of any
// conversation.
type AlertMessage struct {
	ID        string // the same for every repeat
	Event     string // NoticeHelp
	Tenant    string
	SessionID string
	UserID    string // whose session
	Time      time.Time
}

// What notices are about, by their names on the wire.
const (
	NoticeHelp  = "help_requested"
	NoticeRated = "rated" // a user has rated a talk with one of them
	// NoticeAssigned is for the sockets of the colleague to whom the session was
	// assigned. A pod of a version that does not know it shows it to all of the
	// tenant's admins, who may see the session anyhow.
	NoticeAssigned    = "assigned"
	NoticeTransferred = "transferred"   // the same, of a session that the colleague now holds
	NoticeAlertFailed = "notify_failed" // a help request did not reach staff by one of the channels
)

// Notice is what connected staff is told beside any session: at most once, and
// without a word of what was said there.
type Notice struct {
	Tenant    string    `json:"t,omitempty"`
	Event     string    `json:"event"`
	SessionID string    `json:"s"`
	UserID    string    `json:"user"`              // the session's owner
	Score     int       `json:"score,omitempty"`   // of NoticeRated
	Channel   string    `json:"channel,omitempty"` // of NoticeAlertFailed: email, sms, webhook or notify
	Time      time.Time `json:"time"`              // of the event that it is about
	AdminID   string    `json:"admin,omitempty"`   // who did it
	To        string    `json:"to,omitempty"`      // whose sockets are told; empty: all admins'
}
