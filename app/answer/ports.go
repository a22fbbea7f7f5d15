package answer

import (
	"context"
	"iter"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// Turns stores the turns of messages that require an answer, in the history.
type Turns interface {
	// ClaimTurn increments the claims of the pending turn of the message at seq. It
	// returns the message with the updated turn. It returns a turn that is not
	// pending unchanged, and chatbox.NotFound if the message does not exist.
	ClaimTurn(ctx context.Context, s chatbox.SessionKey, seq int64) (chatbox.Event, error)
	// SettleTurn ends the turn of the generation if the turn is still pending in
	// that run.
	SettleTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error
	// RetryTurn makes the turn of an ended generation pending again, as the next
	// run, requested at the head from. It returns false if the message's turn is
	// already in another run.
	RetryTurn(ctx context.Context, s chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error)
	// PendingTurns returns up to limit pending turns of messages with from ≤ time <
	// before, oldest first, of all sessions. It finds the turns that a lost Redis
	// has forgotten.
	PendingTurns(ctx context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error)
}

// Holdings lists the sessions that people hold, according to the stored states of
// sessions.
type Holdings interface {
	Held(ctx context.Context) ([]chatbox.Holding, error)
}

// Leases determine which pod answers. A lease expires after a few seconds unless
// it is renewed. A method that requires a lease returns chatbox.NotOwner if the
// lease was lost: another pod has it, or it was revoked, or it has expired. It
// returns chatbox.NotFound if Redis does not know the session. Then no pod can
// have the lease, and it may be claimed again.
type Leases interface {
	// Claim acquires the session's lease for its oldest pending turn.
	Claim(ctx context.Context, s chatbox.SessionKey) (cluster.Claim, error)
	// Renew extends the lease. If a seed has reserved the lease for the pod, Renew
	// takes it back.
	Renew(ctx context.Context, l cluster.Lease) error
	// Release gives the lease back. Its turn stays pending and is due at once, so
	// that another pod can claim it without waiting for the expiry.
	Release(ctx context.Context, l cluster.Lease) error
	// Drop gives the lease back, removes the turn, and publishes the failure if f is
	// not nil, in one atomic step.
	Drop(ctx context.Context, l cluster.Lease, f *cluster.Failure) error
	// Revoke revokes the lease of the answering pod and prevents claims for a few
	// seconds. It returns the running answer. running is the generation of that
	// answer, even if the answer was not announced yet.
	Revoke(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *cluster.OpenAnswer, err error)
}

// Interrupts stop a running answer without other effects.
type Interrupts interface {
	// Interrupt is Leases.Revoke if an answer is running, and otherwise has no
	// effect. It returns chatbox.Unavailable while a seed reserves the lease for the
	// answering pod, since the published text is then known only a moment later.
	Interrupt(ctx context.Context, s chatbox.SessionKey) (running chatbox.Gen, open *cluster.OpenAnswer, err error)
	// Allow ends the ban of Interrupt early, so that turns can be claimed again. It
	// does not end a ban of Revoke.
	Allow(ctx context.Context, s chatbox.SessionKey) error
}

// Pieces is the log of a running answer's text. Its methods publish accepted text
// in the same atomic step. They return chatbox.NotOwner and accept nothing if the
// lease was lost.
type Pieces interface {
	// Start announces the answer: Loading for a first attempt, an empty snapshot for
	// a restart.
	Start(ctx context.Context, l cluster.Lease, o cluster.OpenAnswer) error
	// Append adds the next piece. A piece that is already present is accepted
	// without effect. A snapshot replaces the text. Append returns chatbox.Clash if
	// Redis lacks the text before the piece; the caller must then send a snapshot.
	Append(ctx context.Context, l cluster.Lease, p cluster.Piece) error
}

// Schedule is the list of due work, which any pod may take.
type Schedule interface {
	// Due returns sessions with turns to claim, and sessions with appends to heal,
	// which were begun and not published in time. A session is returned again later
	// unless its work is done.
	Due(ctx context.Context) (turns, heal []chatbox.SessionKey, err error)
	// Revive schedules many pending turns in one round trip. It returns the outcome
	// of each turn, in order. It does not schedule a turn of a session that a person
	// holds.
	Revive(ctx context.Context, turns []chatbox.PendingTurn) ([]cluster.TurnFate, error)
}

// Lives notices the death of other pods.
type Lives interface {
	// Orphans shows that this pod is alive. It returns sessions whose turns a dead pod
	// was answering, and whose leases it has released.
	Orphans(ctx context.Context) ([]chatbox.SessionKey, error)
}

// LLM answers prompts.
type LLM interface {
	// Models returns the models that users may select, in configured order.
	Models() []chatbox.Model
	// Default returns the ID of the model for prompts that select none.
	Default() string
	// Continues reports whether the model can continue an answer from a prefix.
	Continues(modelID string) bool
	// Sees reports whether the model accepts pictures. To one that does not, a
	// prompt's pictures are not sent.
	Sees(modelID string) bool
	// Budget returns the maximum number of tokens of a prompt for the model, as
	// chatbox.TokensOf counts them. The rest of the model's window is reserved for
	// the answer.
	Budget(modelID string) int
	// Stream yields the answer step by step. The request to the provider ends if the
	// consumer breaks off. An error ends the sequence. The last delta of a complete
	// answer has Finish set. A prompt longer than the budget of the model that
	// finally answers is cut to that budget.
	Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error]
}

// Attachments reads the files of events for prompts. An error means that the file
// is gone, or that it cannot be read at the moment or at all. A call may take longer
// than ctx allows. The caller then does not wait for it.
type Attachments interface {
	// ForModel returns a picture that the session uses, bounded in pixels and bytes.
	ForModel(ctx context.Context, s chatbox.SessionKey, fileID string) (chatbox.PromptPicture, error)
	// Text returns the text of a document that the session uses, bounded in bytes.
	// cut says that there is more.
	Text(ctx context.Context, s chatbox.SessionKey, fileID string) (text string, cut bool, err error)
}

// Transcripts are made of recordings before they are answered.
type Transcripts interface {
	// Await returns when the transcript of a recording is in the session's log, with
	// its seq, or when the recording needs none, with 0. The error of a transcript
	// that cannot be made has a code of chatbox and a text for users.
	Await(ctx context.Context, k chatbox.RecordingKey) (seq int64, err error)
}

// Ephemerals are updates that are delivered at most once and not stored.
type Ephemerals interface {
	// PublishEphemeral sends the update to every pod with sockets of the session.
	PublishEphemeral(ctx context.Context, u cluster.Update) error
}

// Observer counts events for operators. It must not block.
type Observer interface {
	// FirstPiece counts the first piece of an answer: after the claim of its turn,
	// and after the model was asked.
	FirstPiece(modelID string, claimed, asked time.Duration)
	Generation(outcome string) // a chatbox.Finish, "lost", "released" or "failed"
	// Spent counts the tokens of an answer that this pod has stored.
	Spent(modelID string, u chatbox.Usage)
	// ModelFailed counts an answer that a model's failure has ended.
	ModelFailed(modelID string, code chatbox.Code)
}
