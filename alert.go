package chatbox

import "time"

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
