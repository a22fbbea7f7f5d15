package live

import (
	"context"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// Heads are the places of sessions' latest events, from Redis.
type Heads interface {
	// Heads returns the heads of many sessions in order, -1 where Redis does not
	// know the session.
	Heads(ctx context.Context, keys []chatbox.SessionKey) ([]int64, error)
}

// Bus brings the updates of subscribed sessions to this pod.
type Bus interface {
	// Subscribe returns when the server has confirmed. Every later message
	// arrives, unless the connection is lost.
	Subscribe(ctx context.Context, s chatbox.SessionKey) error
	Unsubscribe(s chatbox.SessionKey)
}

// Registry knows which sockets and pods are alive, through its own leases.
type Registry interface {
	// Connect registers a socket: chatbox.LimitExceeded at the user's cap, and
	// then nothing is left behind.
	Connect(ctx context.Context, u chatbox.UserKey, c chatbox.ConnID) error
	// Disconnect forgets the socket; nothing depends on its being called.
	Disconnect(ctx context.Context, u chatbox.UserKey, c chatbox.ConnID) error
	// Reserve keeps a free session id for the user for a while; it returns the
	// user who has the id.
	Reserve(ctx context.Context, s chatbox.SessionKey, userID string) (holder string, err error)
	// Pods lists the pods that gave a sign of life lately.
	Pods(ctx context.Context) ([]cluster.PodInfo, error)
}

// Watchers are admins and the sessions they watch, over their reconnects.
type Watchers interface {
	// Watch notes that the admin watches the session, for a few minutes unless
	// it is called again; Unwatch removes the note, and Watches reports it.
	Watch(ctx context.Context, s chatbox.SessionKey, adminID string) error
	Unwatch(ctx context.Context, s chatbox.SessionKey, adminID string) error
	Watches(ctx context.Context, s chatbox.SessionKey, adminID string) (bool, error)
	// Watched reports whether any admin watches the session.
	Watched(ctx context.Context, s chatbox.SessionKey) (bool, error)
}

// Attachments are which sessions this pod's sockets are attached to.
type Attachments interface {
	// Enter attaches the socket, which receives nothing before Join; fresh where
	// it was not attached. chatbox.LimitExceeded: it is attached to as many
	// sessions as allowed.
	Enter(c chatbox.ConnID, s chatbox.SessionKey) (fresh bool, err error)
	// Join replays, and then continues live without gap or repeat. After
	// chatbox.Clash the caller reads the newer events and joins again.
	Join(ctx context.Context, c chatbox.ConnID, s chatbox.SessionKey, j cluster.Join) error
	// Leave and LeaveAll detach the socket.
	Leave(c chatbox.ConnID, s chatbox.SessionKey) bool
	LeaveAll(c chatbox.ConnID) []chatbox.SessionKey
	// Attached reports whether the socket is attached, and the seq up to which it
	// was sent events.
	Attached(c chatbox.ConnID, s chatbox.SessionKey) (sent int64, ok bool)
}

// Rights record why a socket may receive another user's session, and what the
// socket may do there.
type Rights interface {
	// Reap detaches the sockets whose right to the session has ended, and
	// returns how many there were.
	Reap(s chatbox.SessionKey) int
	// Dismiss is Leave for a socket that is attached as a member of staff; an
	// attachment to the user's own session stays.
	Dismiss(c chatbox.ConnID, s chatbox.SessionKey) bool
	// Guest lists the sessions that the socket is attached to as a member of staff.
	Guest(c chatbox.ConnID) []chatbox.SessionKey
	// Speaks returns the sender that the socket may write as; ok is false if the
	// attachment does not determine that.
	Speaks(c chatbox.ConnID, s chatbox.SessionKey) (as chatbox.Sender, ok bool)
	// Watching reports whether the socket is attached by watching the session.
	Watching(c chatbox.ConnID, s chatbox.SessionKey) bool
	// WatchedBy reports whether any of the admin's sockets here does.
	WatchedBy(adminID string, s chatbox.SessionKey) bool
}

// Currents are the sessions that frames without a session_id mean: the session
// that the socket was attached to, or created, last.
type Currents interface {
	Current(c chatbox.ConnID) string
	SetCurrent(c chatbox.ConnID, sessionID string)
}

// Acks are the acks that sockets are owed for their frames.
type Acks interface {
	// Expect says that the event with the key is the socket's own: it comes as
	// an ack, or not at all where acks is false.
	Expect(c chatbox.ConnID, s chatbox.SessionKey, key string, acks bool)
	// AckDetached acks a repeat to a socket that is not attached to the session.
	AckDetached(c chatbox.ConnID, e chatbox.Event)
	// Await waits until the socket was sent everything up to seq.
	Await(ctx context.Context, c chatbox.ConnID, s chatbox.SessionKey, seq int64) bool
}

// Feed gives sessions' updates to this pod's sockets.
type Feed interface {
	// Deliver applies one update; false where something before it is missing.
	Deliver(u cluster.Update) bool
	// CatchUp delivers what was read from where BeginCatchUp said.
	CatchUp(s chatbox.SessionKey, events []chatbox.Event, open *cluster.OpenAnswer) bool
	// BeginCatchUp makes the caller the only reader of the session; EndCatchUp
	// reports whether another catch-up was asked for meanwhile.
	BeginCatchUp(s chatbox.SessionKey) (after int64, mine bool)
	EndCatchUp(s chatbox.SessionKey) (again bool)
	// Answering is the answer whose end the session's sockets here wait for;
	// zero where they wait for none.
	Answering(s chatbox.SessionKey) chatbox.Gen
	// Positions lists how far every session with sockets here was delivered.
	Positions() []cluster.Position
}

// TypingLeases end typing that a socket has not ended itself.
type TypingLeases interface {
	// MayType counts a socket's typing frame and tells how long to wait where it
	// comes too soon.
	MayType(c chatbox.ConnID, s chatbox.SessionKey, on bool, at time.Time) (wait time.Duration)
	ExpireTyping(at time.Time)
}

// Ephemerals are updates that are sent at most once and are not stored.
type Ephemerals interface {
	// PublishEphemeral tells every pod that has sockets of the session.
	PublishEphemeral(ctx context.Context, u cluster.Update) error
}

// Audit is the append-only record of staff's acts. A use case calls Record before
// it acts, and does not act where that fails: an entry may stand for an act that
// failed afterwards, and no act lacks an entry.
type Audit interface {
	// Record appends to the chain of the actor's tenant and returns when the
	// entry is durable. Every call is an entry.
	Record(ctx context.Context, actor chatbox.Actor, action chatbox.AuditAction, about chatbox.AuditSubject) error
}

// Observer counts for operators. It must not block.
type Observer interface {
	CaughtUp(events int) // events read because this pod had missed them
}
