package transcribe

import (
	"context"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// Store stores which recordings need a transcript, with their events. Its methods
// are idempotent and safe for concurrent use by all pods.
type Store interface {
	// DueTranscripts returns recordings whose transcript is pending and due before
	// the given time, oldest first.
	DueTranscripts(ctx context.Context, before time.Time, limit int) ([]chatbox.RecordingKey, error)
	// ClaimTranscript assigns the work to the token until the given time. It returns
	// how often the work was claimed, including this claim. It is one compare-and-set, so
	// only one of several concurrent callers gets the work. Failed work is claimed
	// only if again is true and once it is due. It fails with chatbox.NotOwner if the
	// work cannot be claimed now, and with chatbox.NotFound if the recording needs no
	// transcript, has one, or does not exist.
	ClaimTranscript(ctx context.Context, k chatbox.RecordingKey, token string, now, until time.Time, again bool) (tries int, err error)
	// RenewTranscript extends the token's claim. It fails with chatbox.NotOwner if
	// the token has lost it.
	RenewTranscript(ctx context.Context, k chatbox.RecordingKey, token string, until time.Time) error
	// SettleTranscript ends the claim and sets the state and the time when the work
	// is due. Pending work may be claimed at once. The count of claims is 0 again,
	// because it counts only claims that were not settled. SettleTranscript does
	// nothing if another token holds the claim by now.
	SettleTranscript(ctx context.Context, k chatbox.RecordingKey, token string, to chatbox.TranscriptState, due time.Time) error
	// ReviveTranscript makes failed work pending. It may be claimed when it is due. It
	// fails with chatbox.NotFound if the work has not failed.
	ReviveTranscript(ctx context.Context, k chatbox.RecordingKey) error
}

// Transcriber turns sound into text. It bounds its own time. An error has a code
// of chatbox and a text for users.
type Transcriber interface {
	Transcribe(ctx context.Context, r chatbox.Recording) (chatbox.Transcript, error)
}

// Recordings are the files of recordings.
type Recordings interface {
	// Transcript returns the transcript of a recording that the session uses. It calls
	// transcribe if there is none, and keeps the transcript with the file, so that the
	// same recording is transcribed once. chatbox.NotFound: the session uses no such file, or it is
	// gone. Otherwise the error is that of transcribe, or of the store.
	Transcript(
		ctx context.Context, s chatbox.SessionKey, fileID string, transcribe func(context.Context, chatbox.Recording) (chatbox.Transcript, error),
	) (chatbox.Transcript, error)
}

// Ephemerals are updates that are delivered at most once and not stored.
type Ephemerals interface {
	// PublishEphemeral sends the update to every pod with sockets of the session.
	PublishEphemeral(ctx context.Context, u cluster.Update) error
}

// Observer counts outcomes for operators. It must not block.
type Observer interface {
	Transcribed(outcome string)
}

// Outcomes of the work on a transcript.
const (
	OutcomeDone     = "done"
	OutcomeVoid     = "void"     // the session has ended, or the recording is gone
	OutcomeFailed   = "failed"   // until somebody asks for another try
	OutcomeReleased = "released" // another pod, or a later claim, makes it
	OutcomeLost     = "lost"     // another pod has claimed it
)

// Outcomes lists the outcomes.
func Outcomes() []string {
	return []string{OutcomeDone, OutcomeVoid, OutcomeFailed, OutcomeReleased, OutcomeLost}
}
