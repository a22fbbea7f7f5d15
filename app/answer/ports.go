package answer

import (
	"context"
	"iter"
	"time"

	"chatbox"
)

// Turns are the messages that want an answer, in the history.
type Turns interface {
	// ClaimTurn counts one more claim of the pending turn of the message at
	// seq and returns the message with its turn as it is then. A turn that is
	// not pending is returned unchanged. chatbox.NotFound: no such message.
	ClaimTurn(ctx context.Context, s chatbox.SessionKey, seq int64) (chatbox.Event, error)
	// SettleTurn ends the turn of the generation, if the turn is still pending
	// in that run.
	SettleTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error
	// RetryTurn makes the turn of a generation that has ended pending again, as
	// the next run, asked for at the head from; false where the message's turn
	// is in another run by now.
	RetryTurn(ctx context.Context, s chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error)
	// PendingTurns finds turns of messages with from ≤ time < before, oldest
	// first, over all sessions: those that a lost Redis has forgotten.
	PendingTurns(ctx context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error)
}

// Holdings are the sessions that people hold, as far as sessions' states were
// stored.
type Holdings interface {
	Held(ctx context.Context) ([]chatbox.Holding, error)
}

// Leases decide which pod answers. A lease lives a few seconds unless renewed.
// Under a lease, chatbox.NotOwner means that the lease is lost: it is another
// pod's, revoked or expired. chatbox.NotFound means that Redis knows nothing of
// the session, so that no pod can have the lease: it may be claimed anew.
type Leases interface {
	// Claim takes the session's lease for its oldest pending turn.
	Claim(ctx context.Context, s chatbox.SessionKey) (chatbox.Claim, error)
	// Renew prolongs the lease, or takes it back where a seed has kept it.
	Renew(ctx context.Context, l chatbox.Lease) error
	// Release gives the lease back with its turn still pending and due at once:
	// another pod takes it without waiting for the expiry.
	Release(ctx context.Context, l chatbox.Lease) error
	// Drop gives the lease back, removes the turn, and publishes the failure if
	// there is one, in one atomic step.
	Drop(ctx context.Context, l chatbox.Lease, f *chatbox.Failure) error
	// Revoke takes the lease away from the pod that has it, keeps pods from
	// claiming for a few seconds, and returns the answer that was being given;
	// running is its generation, also before the answer was announced.
	Revoke(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *chatbox.OpenAnswer, err error)
}

// Interrupts stop a running answer and nothing else.
type Interrupts interface {
	// Interrupt is Leases.Revoke where an answer is running and has no effect
	// where none is. chatbox.Unavailable while a seed keeps the lease for the pod
	// that is answering: the text that it has shown is known in a moment.
	Interrupt(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *chatbox.OpenAnswer, err error)
	// Allow lets turns be claimed again before Interrupt's ban ends by itself; a
	// ban of Revoke stays.
	Allow(ctx context.Context, s chatbox.SessionKey) error
}

// Pieces is the log of a running answer's text. Everything that it accepts under
// a lease is published in the same atomic step; chatbox.NotOwner means that the
// lease is gone and nothing was accepted.
type Pieces interface {
	// Start announces the answer: Loading for a first attempt, an empty
	// snapshot for a restart.
	Start(ctx context.Context, l chatbox.Lease, o chatbox.OpenAnswer) error
	// Append adds the next piece; a piece that is there already is accepted again
	// without effect. A snapshot replaces the text that is there. chatbox.Clash:
	// Redis does not have the text before this piece, and needs a snapshot.
	Append(ctx context.Context, l chatbox.Lease, p chatbox.Piece) error
}

// Schedule is the due work, which any pod may take.
type Schedule interface {
	// Due takes sessions whose turns want a claim, and sessions whose append
	// was begun and not published in time. They come again later unless they
	// are dealt with.
	Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error)
	// Revive enters many pending turns in one round trip; it says of each, in
	// order, what became of it, and enters no turn of a session that a person
	// holds.
	Revive(ctx context.Context, turns []chatbox.PendingTurn) ([]chatbox.TurnFate, error)
}

// LLM answers prompts.
type LLM interface {
	// Models lists what users may choose, in configured order.
	Models() []chatbox.Model
	// Default is the id of the model that answers where the user chose none.
	Default() string
	// Continues reports whether the model can continue an answer from a prefix.
	Continues(modelID string) bool
	// Budget is how many tokens a prompt for the model may have, as
	// chatbox.TokensOf counts them, so that its window has room for the answer.
	Budget(modelID string) int
	// Stream yields the answer step by step; the consumer's break ends the
	// provider's request. An error ends the sequence. The last delta of a
	// complete answer carries Finish. A prompt that is longer than the budget of
	// the model that is asked in the end is cut to it.
	Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error]
}

// Ephemerals are updates that are told at most once and stored nowhere.
type Ephemerals interface {
	// PublishEphemeral tells every pod that has sockets of the session.
	PublishEphemeral(ctx context.Context, u chatbox.Update) error
}

// Observer counts for operators. It must not block.
type Observer interface {
	FirstPiece(d time.Duration) // from the claim to the first piece
	Generation(outcome string)  // a chatbox.Finish, "lost", "released" or "failed"
}
