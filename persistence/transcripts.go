package persistence

import (
	"context"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// Transcripts stores which recordings still need a transcript. The transcripts
// are events.
type Transcripts struct{ s *Store }

// Transcripts returns the store of recordings that need a transcript.
func (s *Store) Transcripts() *Transcripts { return &Transcripts{s} }

// transcriptDoc is the work on a recording's transcript.
type transcriptDoc struct {
	State string             `bson:"state"`
	Due   primitive.DateTime `bson:"due"`
	Tries int                `bson:"tries"`
	Token string             `bson:"token"`
}

func newTranscriptDoc(due *time.Time) *transcriptDoc {
	if due == nil {
		return nil
	}
	return &transcriptDoc{State: string(chatbox.TranscriptPending), Due: dateOf(*due)}
}

func (t *Transcripts) tasks() tasks {
	return tasks{s: t.s, field: fieldTranscript, noun: "a transcript", over: string(chatbox.TranscriptDone)}
}

// DueTranscripts returns recordings whose transcript is pending and due before the
// given time, over all sessions, oldest first.
func (t *Transcripts) DueTranscripts(ctx context.Context, before time.Time, limit int) ([]chatbox.RecordingKey, error) {
	docs, err := t.tasks().due(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	keys := make([]chatbox.RecordingKey, 0, len(docs))
	for _, d := range docs {
		keys = append(keys, chatbox.RecordingKey{Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Seq: d.Seq})
	}
	return keys, nil
}

// ClaimTranscript assigns the work to the token until the given time, and returns
// how often it was claimed since it was settled last. It fails with
// chatbox.NotOwner if the work is another token's until after now, or failed and
// not again or not due. It fails with chatbox.NotFound if the recording needs no
// transcript, or needs none any more.
func (t *Transcripts) ClaimTranscript(
	ctx context.Context, k chatbox.RecordingKey, token string, now, until time.Time, again bool,
) (tries int, err error) {
	free := bson.A{
		bson.D{{Key: "transcript.state", Value: taskPending}, {Key: "transcript.token", Value: ""}},
		bson.D{{Key: "transcript.state", Value: taskPending}, {Key: "transcript.due", Value: bson.D{{Key: "$lte", Value: dateOf(now)}}}},
	}
	if again {
		free = append(free, bson.D{
			{Key: "transcript.state", Value: string(chatbox.TranscriptFailed)}, {Key: "transcript.due", Value: bson.D{{Key: "$lte", Value: dateOf(now)}}},
		})
	}
	d, err := t.tasks().claim(ctx, k.Session, k.Seq, bson.D{{Key: "$or", Value: free}}, token, until)
	if err != nil || d.Transcript == nil {
		return 0, err
	}
	return d.Transcript.Tries, nil
}

// ReviveTranscript makes failed work pending, to be claimed when it is due. It
// fails with chatbox.NotFound if the work has not failed.
func (t *Transcripts) ReviveTranscript(ctx context.Context, k chatbox.RecordingKey) error {
	found, err := t.tasks().update(ctx, "revive a transcript",
		append(eventAt(k.Session, k.Seq), bson.E{Key: "transcript.state", Value: string(chatbox.TranscriptFailed)}),
		bson.D{{Key: "$set", Value: bson.D{{Key: "transcript.state", Value: taskPending}, {Key: "transcript.token", Value: "revived"}}}})
	if err == nil && !found {
		err = record.NoEvent(k.Session)
	}
	return err
}

// RenewTranscript extends the token's claim. It fails with chatbox.NotOwner if the
// token has lost it.
func (t *Transcripts) RenewTranscript(ctx context.Context, k chatbox.RecordingKey, token string, until time.Time) error {
	return t.tasks().renew(ctx, k.Session, k.Seq, token, until)
}

// SettleTranscript ends the token's claim. It does nothing if another token holds
// the claim by now.
func (t *Transcripts) SettleTranscript(
	ctx context.Context, k chatbox.RecordingKey, token string, to chatbox.TranscriptState, due time.Time,
) error {
	return t.tasks().settle(ctx, k.Session, k.Seq, token, string(to), due, bson.E{Key: "transcript.tries", Value: 0})
}
