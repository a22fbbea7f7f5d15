package helpdesk

import (
	"crypto/sha256"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	"chatbox"
)

// AlertKey names an alert by its event.
type AlertKey struct {
	Session chatbox.SessionKey
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
	Alert chatbox.Alert
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
