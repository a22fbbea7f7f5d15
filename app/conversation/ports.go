package conversation

import (
	"context"
	"time"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Sessions are the records of sessions.
type Sessions interface {
	// SetName names the session; with onlyIfEmpty a name that it has stays.
	SetName(ctx context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error
	// Held lists the sessions that people hold, as far as sessions' states were
	// stored.
	Held(ctx context.Context) ([]chatbox.Holding, error)
}

// Attachments are which sessions this pod's sockets are attached to.
type Attachments interface {
	// Enter attaches the socket, which receives nothing before it is joined;
	// fresh where it was not attached. chatbox.LimitExceeded: it is attached to
	// as many sessions as allowed.
	Enter(c chatbox.ConnID, s chatbox.SessionKey) (fresh bool, err error)
	// Leave detaches the socket.
	Leave(c chatbox.ConnID, s chatbox.SessionKey) bool
	// Attached reports whether the socket is attached, and the seq up to which it
	// was sent events.
	Attached(c chatbox.ConnID, s chatbox.SessionKey) (sent int64, ok bool)
}

// Acks are the acks that sockets are owed for their frames.
type Acks interface {
	// Expect says that the event with the key is the socket's own: it comes as
	// an ack, or not at all where acks is false.
	Expect(c chatbox.ConnID, s chatbox.SessionKey, key string, acks bool)
	// Forget withdraws Expect.
	Forget(c chatbox.ConnID, s chatbox.SessionKey, key string)
	// AckAgain acks a repeat at once where its event was sent to the socket
	// already; false: the ack will come in its place.
	AckAgain(c chatbox.ConnID, e chatbox.Event) bool
	// AckDetached acks a repeat to a socket that is not attached to the session.
	AckDetached(c chatbox.ConnID, e chatbox.Event)
}

// Audit is the append-only record of staff's acts. A use case that is audited
// calls Record before it acts, and does not act where that fails: an entry may
// stand for an act that failed afterwards, and no act lacks an entry.
type Audit interface {
	// Record appends to the chain of the actor's tenant and returns when the
	// entry is durable. Every call is an entry.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Alerts tell staff of requests for help.
type Alerts interface {
	// Raise says that the event's alert is in the history. It does not block. If
	// it does nothing, a sweep finds the alert.
	Raise(e chatbox.Event)
}

// HelpLimits bound how often a user may ask for help.
type HelpLimits interface {
	// CountHelp counts one request by its key, the same one once. Where the
	// request comes too early it returns how long to wait, and did not count it.
	CountHelp(ctx context.Context, u chatbox.UserKey, key string) (wait time.Duration, err error)
}

// Files are uploaded files.
type Files interface {
	// Usable returns the files, in order, if the caller may put all of them into
	// the session, which may not exist yet. It changes nothing. chatbox.NotFound
	// names the field.
	Usable(ctx context.Context, a chatbox.Actor, session chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error)
	// Use is Usable, and records that the session uses the files. A repeat
	// changes nothing. It is called before the event that shows them is stored.
	Use(ctx context.Context, a chatbox.Actor, session chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error)
}

// Transcripts are made of recordings.
type Transcripts interface {
	// Due returns when another pod looks for the transcript of a new recording, if
	// this pod has not made it.
	Due() time.Time
	// Raise says that a recording is in the history of which no answer makes the
	// transcript. It does not block. If it does nothing, a sweep finds the recording.
	Raise(k chatbox.RecordingKey)
	// Again has a transcript made that failed. chatbox.NotFound: it did not.
	Again(ctx context.Context, k chatbox.RecordingKey) error
}

// Fetches get files from addresses that users name in their messages.
type Fetches interface {
	// Fetch stores the file at the address as an upload of the caller with the id.
	// A repeat with the id returns the first file and fetches nothing. fit may
	// refuse the file by its type. Errors name the field file_url.
	Fetch(ctx context.Context, a chatbox.Actor, id, address string, fit func(contentType string) error) (chatbox.File, error)
}

// Ratings are the owners' ratings of talks with people, kept with the sessions.
type Ratings interface {
	// Rate stores the rating unless a later talk is rated already, and returns
	// the stored rating. chatbox.NotFound: no such session, or an erased one.
	Rate(ctx context.Context, k chatbox.SessionKey, r chatbox.Rating) (stands chatbox.Rating, err error)
}

// StaffBus tells a tenant's connected admins, at most once.
type StaffBus interface {
	NotifyStaff(ctx context.Context, n helpdesk.Notice) error
}

// Colleagues are the admins who are connected, on any pod.
type Colleagues interface {
	Staff(ctx context.Context, tenant string) ([]helpdesk.StaffMember, error)
}

// Presence knows which users are connected, on any pod.
type Presence interface {
	// Present reports, for each user in order, whether a live pod has a socket
	// of theirs.
	Present(ctx context.Context, users []chatbox.UserKey) ([]bool, error)
}

// Ephemerals are updates that are sent at most once and are not stored.
type Ephemerals interface {
	// PublishEphemeral sends the update to every pod that has sockets of the session.
	PublishEphemeral(ctx context.Context, u cluster.Update) error
}

// Observer counts for operators. It must not block.
type Observer interface {
	Posted(d time.Duration) // a frame, from its start to its ack
}
