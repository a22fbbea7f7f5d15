// Package conversation holds the use cases: what happens when a client speaks,
// resumes or ends a session, when a model answers, and what is done about what
// a crash left behind. It speaks to the world through the ports in this file.
package conversation

import (
	"context"
	"iter"
	"time"

	"chatbox"
)

// MessageStore is the durable log of every session. It is the truth; Redis
// holds copies. All methods are safe for concurrent use and answer within the
// context's deadline.
type MessageStore interface {
	// Append inserts the event at its Seq and returns nil once it is durable
	// (on a replica set: with a majority). chatbox.Clash means that the place
	// or the key is taken, and nothing was written; any other error means that
	// the outcome is unknown.
	Append(ctx context.Context, e chatbox.Event) error
	// ByKey finds the event with the key, or chatbox.NotFound. It reads what a
	// majority has, so what it returns may be acked.
	ByKey(ctx context.Context, s chatbox.SessionKey, key string) (chatbox.Event, error)
	// Range returns the events with from ≤ seq ≤ to in order; the range is
	// closed, so its cost does not depend on the session's length. Majority
	// reads, as ByKey.
	Range(ctx context.Context, s chatbox.SessionKey, from, to int64) ([]chatbox.Event, error)
}

// SessionStore keeps what is known of sessions beside their events.
type SessionStore interface {
	// Create makes the session, or returns the one that has its key already;
	// one operation, atomic across pods.
	Create(ctx context.Context, s chatbox.Session) (stored chatbox.Session, created bool, err error)
	// Load returns the session, chatbox.NotFound where there is none.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
	// Touch stores the fold unless a later one is stored already, and returns
	// when it is. Calls that meet are grouped.
	Touch(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error
	// SetName names the session; with onlyIfEmpty a name it has stays.
	SetName(ctx context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error
	// List pages through a user's sessions, newest activity first.
	List(ctx context.Context, q SessionQuery) (SessionPage, error)
}

// SessionQuery asks for one page of a user's sessions.
type SessionQuery struct {
	User   chatbox.UserKey
	Status string // "", "active" or "ended"
	Limit  int    // 1-200
	Cursor string // of the page before; opaque, chatbox.InvalidArgument naming cursor when it is not one of ours
}

// SessionPage is one page of sessions; Next is empty on the last.
type SessionPage struct {
	Sessions []chatbox.Session
	Next     string
}

// TurnStore keeps which messages still want an answer. The turn is stored with
// its message by MessageStore.Append.
type TurnStore interface {
	// ClaimTurn counts one more claim of the pending turn of the message at
	// seq and returns the message with its turn as it is then. A turn that is
	// not pending is returned unchanged. chatbox.NotFound: no such message.
	ClaimTurn(ctx context.Context, s chatbox.SessionKey, seq int64) (chatbox.Event, error)
	// SettleTurn ends the turn of the generation, if it is still pending in
	// that run.
	SettleTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error
	// PendingTurns finds turns that have been pending since before the time,
	// over all sessions: what a lost Redis forgot.
	PendingTurns(ctx context.Context, before time.Time, limit int) ([]PendingTurn, error)
}

// PendingTurn is a message that wants an answer.
type PendingTurn struct {
	Session chatbox.SessionKey
	Gen     chatbox.Gen
}

// Log is the hot copy of sessions' logs: heads, folds and the latest events,
// and what makes an event visible to all pods.
type Log interface {
	// Begin opens an append: it reads the session's head and fold, answers a
	// repeat it knows, counts the frame against its user's limit, and leaves
	// an intent that Publish or a sweeper removes. One round trip.
	Begin(ctx context.Context, b Beginning) (Begun, error)
	// Publish makes the event at head+1 visible together with the fold after
	// it; anything else changes nothing and says why.
	Publish(ctx context.Context, p Publication) (Published, error)
	// Read returns what is hot of the session beyond a place. One round trip.
	Read(ctx context.Context, s chatbox.SessionKey, after int64) (Tail, error)
	// Seed sets head and fold of a session whose copy is absent or behind, and
	// tells all pods the head.
	Seed(ctx context.Context, s chatbox.SessionKey, owner string, st chatbox.State) error
	// Heads returns the heads of many sessions, -1 where absent, in order.
	Heads(ctx context.Context, keys []chatbox.SessionKey) ([]int64, error)
}

// Beginning is the opening of an append.
type Beginning struct {
	Session chatbox.SessionKey
	Key     string          // the event's key
	User    chatbox.UserKey // whose limit counts the frame; zero: nobody's
	Lease   *Lease          // set: refuse with chatbox.NotOwner unless it is still held
}

// Begun is what an append decides on.
type Begun struct {
	Seeded     bool // false: Redis knows nothing of the session
	Owner      string
	State      chatbox.State
	ReservedBy string         // the user for whom a free id is kept, if any
	Repeat     *chatbox.Event // the key's event, where it is still hot
	RetryAfter time.Duration  // > 0: the user's limit is reached
}

// Publication makes one durable event visible.
type Publication struct {
	Event chatbox.Event
	State chatbox.State // the fold after Event
	Fresh bool          // the session is new: absent is as good as head 0
	Lease *Lease        // of the generation that the event finishes; released with it
	// Supersede is set where Published said that the visible answer is not a
	// prefix of this final: the final is shown as this attempt, after a
	// snapshot of its whole text.
	Supersede int
}

// Outcome is how a publication went.
type Outcome int

// The outcomes.
const (
	OutcomeDone     Outcome = iota
	OutcomeAlready          // the place is published; Head says how far
	OutcomeGap              // events before it are missing; Head says from where
	OutcomeUnseeded         // Redis knows nothing of the session
	OutcomeDiverged         // clients were shown something that is no prefix of the final; Attempt says which
)

// Published is the result of a publication.
type Published struct {
	Outcome Outcome
	Head    int64
	Attempt int
}

// Tail is what is hot of a session.
type Tail struct {
	Seeded     bool
	Owner      string
	ReservedBy string
	State      chatbox.State   // State.Head is the head
	Events     []chatbox.Event // contiguous up to the head; may begin later than asked
	Open       *chatbox.OpenAnswer
}

// Lease is the right to answer one session's oldest pending turn. Token is
// compared for equality; it is never ordered.
type Lease struct {
	Session chatbox.SessionKey
	Owner   string
	Token   string
	Gen     chatbox.Gen
}

// Leases decides which pod answers. A lease lives LeaseTTL unless renewed.
type Leases interface {
	// Claim takes the session's lease for its oldest pending turn.
	Claim(ctx context.Context, s chatbox.SessionKey) (Claim, error)
	// Renew prolongs the lease: chatbox.NotOwner when it is another's or gone.
	Renew(ctx context.Context, l Lease) error
	// Release gives the lease back with its turn still pending, due at once:
	// another pod takes it without waiting for the expiry.
	Release(ctx context.Context, l Lease) error
	// Drop gives the lease back and removes the turn, publishing the failure
	// if there is one, in one atomic act.
	Drop(ctx context.Context, l Lease, f *chatbox.Failure) error
	// Revoke takes the lease away from whoever has it, keeps others from
	// claiming for a few seconds, and returns the answer that was being given.
	Revoke(ctx context.Context, s chatbox.SessionKey) (*chatbox.OpenAnswer, error)
}

// ClaimStatus is how a claim went.
type ClaimStatus int

// The statuses of a claim.
const (
	ClaimNone     ClaimStatus = iota // nothing is pending, or a person holds the session
	ClaimBusy                        // another holds the lease
	ClaimUnseeded                    // Redis knows nothing of the session
	ClaimTaken                       // Lease is ours
)

// Claim is the result of claiming.
type Claim struct {
	Status ClaimStatus
	Lease  Lease
	State  chatbox.State
	Open   bool // a generation of the same turn had begun: it is to be recovered
}

// Pieces is the log of a running answer's text. Everything it accepts under a
// lease is published in the same atomic act; chatbox.NotOwner means that the
// lease is gone and nothing was accepted.
type Pieces interface {
	// Start announces the answer: Loading for a first attempt, an empty
	// snapshot for a restart.
	Start(ctx context.Context, l Lease, o chatbox.OpenAnswer) error
	// Append adds the next piece; one that is already there is accepted again
	// without effect. A snapshot replaces what is there.
	Append(ctx context.Context, l Lease, p chatbox.Piece) error
}

// Schedule is what is due, found by any pod.
type Schedule interface {
	// Due takes sessions whose turns want a claim, and sessions whose append
	// was begun and not published in time. What is taken comes again later
	// unless it is dealt with.
	Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error)
	// Enqueue enters a pending turn: chatbox.NotFound where the session is not
	// seeded.
	Enqueue(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen) error
}

// Bus brings the updates of subscribed sessions to this pod.
type Bus interface {
	// Subscribe returns when the server has confirmed: whatever is published
	// afterwards arrives, unless the connection is lost.
	Subscribe(ctx context.Context, s chatbox.SessionKey) error
	Unsubscribe(s chatbox.SessionKey)
}

// Registry knows which sockets and pods are alive, by leases of its own.
type Registry interface {
	// Connect registers a socket: chatbox.LimitExceeded at the user's cap, and
	// then nothing is left behind.
	Connect(ctx context.Context, u chatbox.UserKey, c chatbox.ConnID) error
	// Disconnect forgets the socket; nothing depends on its being called.
	Disconnect(ctx context.Context, u chatbox.UserKey, c chatbox.ConnID) error
	// Reserve keeps a free session id for the user a while; it returns whose
	// it is.
	Reserve(ctx context.Context, s chatbox.SessionKey, userID string) (holder string, err error)
	// Pods lists the pods that gave a sign of life lately.
	Pods(ctx context.Context) ([]PodInfo, error)
}

// PodInfo is one row of the cluster view.
type PodInfo struct {
	ID            chatbox.PodID `json:"id"`
	Version       string        `json:"version"`
	State         string        `json:"state"` // "serving" or "draining"
	Connections   int           `json:"connections"`
	Generations   int           `json:"generations"`
	LastHeartbeat time.Time     `json:"last_heartbeat"`
}

// LLM answers prompts.
type LLM interface {
	// Models lists what users may choose, in configured order; the first is
	// the default.
	Models() []chatbox.Model
	// Continues reports whether the model takes up an answer at a prefix.
	Continues(modelID string) bool
	// Stream yields the answer step by step; the consumer's break ends the
	// provider's request. An error ends the sequence. The last delta of a
	// whole answer carries Finish.
	Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error]
}
