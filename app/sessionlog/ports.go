package sessionlog

import (
	"context"

	"chatbox"
	"chatbox/cluster"
)

// Reader reads the durable log of every session. It reads what a majority of the
// history's servers has, so what it returns may be acked. It is safe for
// concurrent use and answers within the context's deadline.
type Reader interface {
	// ByKey finds the event with the key, or chatbox.NotFound.
	ByKey(ctx context.Context, s chatbox.SessionKey, key string) (chatbox.Event, error)
	// Range returns the events with from ≤ seq ≤ to in order; the range is
	// closed, so its cost does not depend on the session's length.
	Range(ctx context.Context, s chatbox.SessionKey, from, to int64) ([]chatbox.Event, error)
}

// Messages is the durable log of every session. It is the truth; Redis holds
// copies.
type Messages interface {
	Reader
	// Append inserts the event at its Seq and returns nil once it is durable
	// (on a replica set: with a majority). chatbox.Clash means that the place
	// or the key is taken, and nothing was written; any other error means that
	// the outcome is unknown.
	Append(ctx context.Context, e chatbox.Event) error
}

// Sessions are the records of sessions beside their events.
type Sessions interface {
	// Create makes the session, or returns the one that has its key already;
	// one operation, atomic across pods.
	Create(ctx context.Context, s chatbox.Session) (stored chatbox.Session, created bool, err error)
	// Load returns the session, chatbox.NotFound where there is none.
	Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error)
	// SaveState stores the state unless a later one is stored already, and
	// returns when the state is durable. Calls that arrive together are grouped.
	SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error
}

// Turns are the messages that want an answer. A turn is stored with its message
// by Messages.Append.
type Turns interface {
	// PendingOf returns up to limit pending turns of the session's messages with
	// from ≤ seq ≤ to, in order of seq. Its cost grows with the turns found, not
	// with the length of the log.
	PendingOf(ctx context.Context, s chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error)
	// SettleTurn ends the turn of the generation, if the turn is still pending
	// in that run.
	SettleTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error
}

// Hot is the copy of sessions' logs in Redis: heads, states and the latest
// events. Publishing an event makes it visible to all pods.
type Hot interface {
	// Begin opens an append: it reads the session's head and state, answers a
	// repeat that it knows, counts the frame against its user's limit, and leaves
	// an intent that Publish, Abandon or a sweeper removes. One round trip.
	Begin(ctx context.Context, b cluster.Beginning) (cluster.Begun, error)
	// Abandon withdraws an append that failed after Begin: its intent, and its
	// frame from the user's count. Without a user it removes only the intents,
	// which may be many.
	Abandon(ctx context.Context, b cluster.Beginning, intents ...string) error
	// Publish makes the event at head+1 visible together with the state after
	// it. Any other event changes nothing, and the outcome tells why.
	Publish(ctx context.Context, p cluster.Publication) (cluster.Published, error)
	// Read returns the state and the latest events after a place. One round trip.
	Read(ctx context.Context, s chatbox.SessionKey, after int64) (cluster.Tail, error)
	// Seed sets head, state and pending turns of a session whose copy is absent
	// or behind, in one atomic step, and tells all pods the head. Where the
	// oldest turn had been claimed, its lease is kept for the pod that is
	// answering, and other pods may claim it after one lease time.
	Seed(ctx context.Context, s cluster.Seed) error
	// Enqueue enters a pending turn that counts from the place at (Turn.At):
	// chatbox.NotFound if Redis does not know the session up to that message.
	Enqueue(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, at int64) error
}

// Due takes sessions that may want an answer.
type Due interface {
	// Add does not block. Sweeps find the sessions that it drops.
	Add(k chatbox.SessionKey) bool
}

// Observer counts for operators. It must not block.
type Observer interface {
	Healed(events int) // events published because Redis lacked them
	PublishFailed()    // an event whose publication was left to the sweepers
}
