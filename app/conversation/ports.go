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
	// EraseRange removes the events with from ≤ seq ≤ to for good; its cost is
	// that of the events which are there.
	EraseRange(ctx context.Context, s chatbox.SessionKey, from, to int64) error
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
	// Held lists the sessions that people hold, as far as their folds were
	// stored.
	Held(ctx context.Context) ([]chatbox.Holding, error)
	// List pages through a user's sessions, newest activity first.
	List(ctx context.Context, q chatbox.SessionQuery) (chatbox.SessionPage, error)
}

// Tombstones are the sessions that were erased: their ids are burnt for ever.
type Tombstones interface {
	// Bury marks the session as erased at the time and takes its name away;
	// one that is buried stays as it is. chatbox.NotFound: there is none.
	Bury(ctx context.Context, s chatbox.SessionKey, at time.Time) error
	// Unswept finds the tombstones whose traces were to be looked for before
	// the time, the longest overdue first; one that was just made is due.
	Unswept(ctx context.Context, before time.Time, limit int) ([]chatbox.Tombstone, error)
	// Sweep says when traces are looked for again; the zero time: never.
	Sweep(ctx context.Context, s chatbox.SessionKey, again time.Time) error
}

// ShareStore keeps the links by which anyone may read a session as it was. Of
// a token it keeps a keyed digest alone.
type ShareStore interface {
	// Add stores the share under its token. chatbox.Full: the session
	// has as many as it may have.
	Add(ctx context.Context, token string, sh chatbox.Share) error
	// ByToken finds the share, expired or not; chatbox.NotFound.
	ByToken(ctx context.Context, token string) (chatbox.Share, error)
	// Revoke removes all shares of the session.
	Revoke(ctx context.Context, s chatbox.SessionKey) error
	// Expire removes shares that expired before the time, of all sessions.
	Expire(ctx context.Context, before time.Time) error
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
	// RetryTurn makes the turn of a generation that has ended pending again, as
	// the next run, asked for at the head from; false where the message's turn
	// is in another run by now.
	RetryTurn(ctx context.Context, s chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error)
	// PendingTurns finds turns of messages with from ≤ time < before, oldest
	// first, over all sessions: what a lost Redis forgot.
	PendingTurns(ctx context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error)
	// PendingOf finds the session's turns of messages with from ≤ seq ≤ to, by
	// seq; its cost is that of what it finds.
	PendingOf(ctx context.Context, s chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error)
}

// Log is the hot copy of sessions' logs: heads, folds and the latest events,
// and what makes an event visible to all pods.
type Log interface {
	// Begin opens an append: it reads the session's head and fold, answers a
	// repeat it knows, counts the frame against its user's limit, and leaves
	// an intent that Publish or a sweeper removes. One round trip.
	Begin(ctx context.Context, b chatbox.Beginning) (chatbox.Begun, error)
	// Abandon withdraws a begun append that came to nothing: its intent, and
	// its frame from the user's count.
	Abandon(ctx context.Context, b chatbox.Beginning, intent string) error
	// Publish makes the event at head+1 visible together with the fold after
	// it; anything else changes nothing and says why.
	Publish(ctx context.Context, p chatbox.Publication) (chatbox.Published, error)
	// Read returns what is hot of the session beyond a place. One round trip.
	Read(ctx context.Context, s chatbox.SessionKey, after int64) (chatbox.Tail, error)
	// Seed sets head, fold and pending turns of a session whose copy is absent
	// or behind, in one act, and tells all pods the head. Where the oldest turn
	// had been claimed, its lease is kept for whoever is answering (Leases.Renew),
	// and others may claim it when one lease's time is over.
	Seed(ctx context.Context, s chatbox.Seed) error
	// Heads returns the heads of many sessions, -1 where absent, in order.
	Heads(ctx context.Context, keys []chatbox.SessionKey) ([]int64, error)
}

// Traces are what Redis has of an erased session.
type Traces interface {
	// Erase leaves nothing of the session but that it was erased, by the fold
	// with its last event, for as long as its traces are looked for.
	Erase(ctx context.Context, s chatbox.SessionKey, owner string, st chatbox.State) error
}

// Leases decides which pod answers. A lease lives a few seconds unless renewed.
// Under a lease, chatbox.NotOwner means that it is lost: another's, revoked or
// expired; chatbox.NotFound that Redis knows nothing of the session, so that
// nobody can have it: it may be claimed anew.
type Leases interface {
	// Claim takes the session's lease for its oldest pending turn.
	Claim(ctx context.Context, s chatbox.SessionKey) (chatbox.Claim, error)
	// Renew prolongs the lease, or takes it back where a seed has kept it.
	Renew(ctx context.Context, l chatbox.Lease) error
	// Release gives the lease back with its turn still pending, due at once:
	// another pod takes it without waiting for the expiry.
	Release(ctx context.Context, l chatbox.Lease) error
	// Drop gives the lease back and removes the turn, publishing the failure
	// if there is one, in one atomic act.
	Drop(ctx context.Context, l chatbox.Lease, f *chatbox.Failure) error
	// Revoke takes the lease away from whoever has it, keeps others from
	// claiming for a few seconds, and returns the answer that was being given;
	// running is its generation also before it was announced.
	Revoke(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *chatbox.OpenAnswer, err error)
}

// Interrupts stop a running answer and nothing else.
type Interrupts interface {
	// Interrupt is Leases.Revoke where an answer is running and has no effect
	// where none is. chatbox.Unavailable while a seed keeps the lease for whoever
	// is answering: what they have shown is known in a moment.
	Interrupt(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *chatbox.OpenAnswer, err error)
	// Allow lets turns be claimed again before Interrupt's ban ends by itself; a
	// ban of Revoke stays.
	Allow(ctx context.Context, s chatbox.SessionKey) error
}

// Pieces is the log of a running answer's text. Everything it accepts under a
// lease is published in the same atomic act; chatbox.NotOwner means that the
// lease is gone and nothing was accepted.
type Pieces interface {
	// Start announces the answer: Loading for a first attempt, an empty
	// snapshot for a restart.
	Start(ctx context.Context, l chatbox.Lease, o chatbox.OpenAnswer) error
	// Append adds the next piece; one that is already there is accepted again
	// without effect. A snapshot replaces what is there. chatbox.Clash: Redis
	// does not have the text before this piece; a snapshot mends that.
	Append(ctx context.Context, l chatbox.Lease, p chatbox.Piece) error
}

// Schedule is what is due, found by any pod.
type Schedule interface {
	// Due takes sessions whose turns want a claim, and sessions whose append
	// was begun and not published in time. What is taken comes again later
	// unless it is dealt with.
	Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error)
	// Enqueue enters a pending turn that counts from the place at (Turn.At):
	// chatbox.NotFound where the session is not known as far as its message.
	Enqueue(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, at int64) error
	// Revive is Enqueue for many turns in one round trip; it says of each, in
	// order, what became of it, and enters none of a session that a person holds.
	Revive(ctx context.Context, turns []chatbox.PendingTurn) ([]chatbox.TurnFate, error)
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
	Pods(ctx context.Context) ([]chatbox.PodInfo, error)
}

// Presence knows who is connected, on whatever pod.
type Presence interface {
	// Present reports, for each user in order, whether a live pod has a socket
	// of theirs.
	Present(ctx context.Context, users []chatbox.UserKey) ([]bool, error)
}

// Colleagues are the admins who are connected, on whatever pod.
type Colleagues interface {
	Staff(ctx context.Context, tenant string) ([]chatbox.StaffMember, error)
}

// Watchers are admins and the sessions they watch, over their reconnects.
type Watchers interface {
	// Watch notes that the admin watches the session, for a few minutes unless
	// it is called again; Unwatch takes that back, Watches reports it.
	Watch(ctx context.Context, s chatbox.SessionKey, adminID string) error
	Unwatch(ctx context.Context, s chatbox.SessionKey, adminID string) error
	Watches(ctx context.Context, s chatbox.SessionKey, adminID string) (bool, error)
	// Watched reports whether anybody does.
	Watched(ctx context.Context, s chatbox.SessionKey) (bool, error)
}

// LLM answers prompts.
type LLM interface {
	// Models lists what users may choose, in configured order.
	Models() []chatbox.Model
	// Default is the id of the model that answers where none was chosen.
	Default() string
	// Continues reports whether the model takes up an answer at a prefix.
	Continues(modelID string) bool
	// Budget is how many tokens a prompt for the model may have, as
	// chatbox.TokensOf counts them, so that its window has room for the answer.
	Budget(modelID string) int
	// Stream yields the answer step by step; the consumer's break ends the
	// provider's request. An error ends the sequence. The last delta of a
	// whole answer carries Finish. A prompt that is longer than the budget of
	// the model that is asked in the end is cut to it.
	Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error]
}

// Seats are the places that this pod's sockets have in sessions.
type Seats interface {
	// Enter gives the socket a place that hears nothing until Join; fresh where
	// it had none. chatbox.LimitExceeded at a socket's most sessions.
	Enter(c chatbox.ConnID, s chatbox.SessionKey) (fresh bool, err error)
	// Join replays and goes live without hole or repeat. chatbox.Clash: more
	// has happened than was read; read on from where the socket is, and again.
	Join(ctx context.Context, c chatbox.ConnID, s chatbox.SessionKey, j chatbox.Join) error
	// Leave and LeaveAll take the socket out again.
	Leave(c chatbox.ConnID, s chatbox.SessionKey) bool
	LeaveAll(c chatbox.ConnID) []chatbox.SessionKey
	// Attached reports whether the socket has a place, and what it was sent.
	Attached(c chatbox.ConnID, s chatbox.SessionKey) (sent int64, ok bool)
}

// Rights are why sockets hear sessions that are not their user's own, and what
// they may do there.
type Rights interface {
	// Reap takes out the sockets whose right to hear the session has ended,
	// and returns how many.
	Reap(s chatbox.SessionKey) int
	// Dismiss is Leave for a socket that is there for its admin's sake; its
	// user's own place stays.
	Dismiss(c chatbox.ConnID, s chatbox.SessionKey) bool
	// Guest are the sessions that the socket hears for its admin's sake.
	Guest(c chatbox.ConnID) []chatbox.SessionKey
	// Speaks says as whom the socket may speak in the session, as far as its
	// place shows it.
	Speaks(c chatbox.ConnID, s chatbox.SessionKey) (as chatbox.Sender, ok bool)
	// Watching reports whether the socket hears the session by watching it.
	Watching(c chatbox.ConnID, s chatbox.SessionKey) bool
	// WatchedBy reports whether any of the admin's sockets here does.
	WatchedBy(adminID string, s chatbox.SessionKey) bool
}

// Currents are the sessions that sockets' frames without one mean: what each
// attached to or created last.
type Currents interface {
	Current(c chatbox.ConnID) string
	SetCurrent(c chatbox.ConnID, sessionID string)
}

// Acks are owed to the sockets whose frames caused events.
type Acks interface {
	// Expect says that the event with the key is the socket's own: it comes as
	// an ack, or not at all where acks is false.
	Expect(c chatbox.ConnID, s chatbox.SessionKey, key string, acks bool)
	// Forget withdraws Expect.
	Forget(c chatbox.ConnID, s chatbox.SessionKey, key string)
	// AckAgain acks a repeat at once where its event was sent to the socket
	// already; false: the ack will come in its place.
	AckAgain(c chatbox.ConnID, e chatbox.Event) bool
	// AckDetached acks a repeat to a socket that has no place in the session.
	AckDetached(c chatbox.ConnID, e chatbox.Event)
	// Await waits until the socket was sent everything up to seq.
	Await(ctx context.Context, c chatbox.ConnID, s chatbox.SessionKey, seq int64) bool
}

// Feed gives sessions' updates to this pod's sockets.
type Feed interface {
	// Deliver applies one update; false where something before it is missing.
	Deliver(u chatbox.Update) bool
	// CatchUp delivers what was read from where BeginCatchUp said.
	CatchUp(s chatbox.SessionKey, events []chatbox.Event, open *chatbox.OpenAnswer) bool
	// BeginCatchUp makes the caller the one who reads; EndCatchUp reports
	// whether somebody asked for more meanwhile.
	BeginCatchUp(s chatbox.SessionKey) (after int64, mine bool)
	EndCatchUp(s chatbox.SessionKey) (again bool)
	// Answering is the answer whose end the session's sockets here wait for;
	// zero where they wait for none.
	Answering(s chatbox.SessionKey) chatbox.Gen
	// Positions lists how far every session with sockets here was delivered.
	Positions() []chatbox.Position
}

// Whispers are what is told at most once and kept nowhere.
type Whispers interface {
	// Whisper tells every pod with sockets of the session.
	Whisper(ctx context.Context, u chatbox.Update) error
}

// TypingLeases end by themselves what sockets have said and not taken back.
type TypingLeases interface {
	// MayType counts a socket's typing frame and says how long to wait where
	// it comes too soon.
	MayType(c chatbox.ConnID, s chatbox.SessionKey, on bool, at time.Time) (wait time.Duration)
	ExpireTyping(at time.Time)
}

// Observer counts what operators watch. It must not block.
type Observer interface {
	Posted(d time.Duration)     // a frame, from its start to its ack
	FirstPiece(d time.Duration) // from the claim to the first piece
	Generation(outcome string)  // a chatbox.Finish, "lost", "released" or "failed"
	Healed(events int)          // published because a gap was met
	PublishFailed()             // left to the sweepers
	CaughtUp(events int)        // read because this pod had missed them
}
