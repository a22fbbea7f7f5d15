package persistence

import (
	"fmt"
	"strconv"
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// messageDoc is one event in the collection messages. Box holds what people
// wrote, encrypted; the other fields are ids, numbers and facts that queries
// need.
type messageDoc struct {
	ID      string             `bson:"_id"` // derived from the place; see placeID
	Tenant  string             `bson:"tenant"`
	Session string             `bson:"session"`
	Seq     int64              `bson:"seq"`
	Key     string             `bson:"key"`
	Name    string             `bson:"id"`
	Named   bool               `bson:"named,omitempty"`
	Type    string             `bson:"type"`
	Sender  string             `bson:"sender"`
	User    string             `bson:"user,omitempty"`
	Owner   string             `bson:"owner"`
	Model   string             `bson:"model,omitempty"`
	Status  string             `bson:"status"`
	Time    primitive.DateTime `bson:"time"`
	Box     []byte             `bson:"box"`
	Turn    *turnDoc           `bson:"turn,omitempty"`
	Answer  *answerDoc         `bson:"answer,omitempty"`
	Alert   *alertDoc          `bson:"alert,omitempty"`
	Words   []int64            `bson:"words,omitempty"` // tokens; never decoded

	Transcript *transcriptDoc `bson:"transcript,omitempty"`
	Feedback   *feedbackDoc   `bson:"feedback,omitempty"`

	malformed bool // some fields could not be decoded
}

type turnDoc struct {
	State  string `bson:"state"`
	Run    int    `bson:"run"`
	Claims int    `bson:"claims"`
	From   int64  `bson:"from,omitempty"`
}

type answerDoc struct {
	Seq              int64  `bson:"seq"`
	Run              int    `bson:"run"`
	ReplyTo          string `bson:"reply_to"`
	Attempt          int    `bson:"attempt"`
	Index            int    `bson:"index"`
	Finish           string `bson:"finish"`
	Code             string `bson:"code,omitempty"`
	Why              string `bson:"why,omitempty"`
	RetryAfterMillis int64  `bson:"retry_after_ms,omitempty"`
	TokensPrompt     int    `bson:"tokens_prompt,omitempty"`
	TokensCompletion int    `bson:"tokens_completion,omitempty"`
	TokensEstimated  bool   `bson:"tokens_estimated,omitempty"`
	ResponseMillis   int64  `bson:"response_ms,omitempty"`
}

// placeID returns the _id of the document at the place. The unique index on
// (tenant, session, seq) already implies it. It is there so that racing inserts
// conflict on the primary key first: at the primary key the DocumentDB stack
// makes the second insert wait, while at its other unique indexes the two would
// deadlock.
func placeID(k chatbox.SessionKey, seq int64) string {
	return k.String() + ":" + strconv.FormatInt(seq, 10)
}

// encodeEvent returns the event's document.
func (s *Store) encodeEvent(e chatbox.Event) (bson.Raw, error) {
	box, err := record.SealEvent(s.keys, e)
	if err != nil {
		return nil, err
	}
	d := messageDoc{
		ID: placeID(e.Session, e.Seq), Tenant: e.Session.Tenant, Session: e.Session.ID, Seq: e.Seq, Key: e.Key,
		Name: e.ID, Named: e.Named, Type: string(e.Type), Sender: string(e.Sender), User: e.UserID, Owner: e.Owner,
		Model: e.ModelID, Status: string(e.Status), Time: primitive.DateTime(record.Millis(e.Time)), Box: box,
	}
	if t := e.Turn; t != nil {
		d.Turn = &turnDoc{State: string(t.State), Run: t.Run, Claims: t.Claims, From: t.From}
	}
	d.Alert, d.Transcript = newAlertDoc(e.Alert), newTranscriptDoc(e.ToTranscribe)
	if !s.cfg.NoWords {
		if d.Words, err = record.MessageTokens(s.keys, e); err != nil {
			return nil, err
		}
	}
	if a := e.Answer; a != nil {
		d.Answer = &answerDoc{
			Seq: a.Gen.Seq, Run: a.Gen.Run, ReplyTo: a.ReplyTo, Attempt: a.Attempt, Index: a.Index,
			Finish: string(a.Finish), Code: string(a.Code), TokensPrompt: a.TokensPrompt,
			TokensCompletion: a.TokensCompletion, TokensEstimated: a.TokensEstimated, ResponseMillis: a.ResponseMillis,
			Why: a.Why, RetryAfterMillis: a.RetryAfter.Milliseconds(),
		}
	}
	raw, err := bson.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encode event %d of session %s: %w", e.Seq, e.Session.ID, err)
	}
	return raw, nil
}

// decodeEvent reverses encodeEvent. If no key opens its box, the event is marked
// unreadable.
func (s *Store) decodeEvent(d messageDoc) chatbox.Event {
	e := chatbox.Event{
		Session: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Seq: d.Seq, Key: d.Key, ID: d.Name,
		Named: d.Named, Type: chatbox.Type(d.Type), Sender: chatbox.Sender(d.Sender), UserID: d.User, Owner: d.Owner,
		ModelID: d.Model, Status: chatbox.Status(d.Status), Time: record.Time(int64(d.Time)),
	}
	if t := d.Turn; t != nil {
		e.Turn = &chatbox.Turn{State: chatbox.TurnState(t.State), Run: t.Run, Claims: t.Claims, From: t.From}
	}
	if a := d.Answer; a != nil {
		e.Answer = &chatbox.Answer{
			Gen: chatbox.Gen{Seq: a.Seq, Run: a.Run}, ReplyTo: a.ReplyTo, Attempt: a.Attempt, Index: a.Index,
			Finish: chatbox.Finish(a.Finish), Code: chatbox.Code(a.Code), TokensPrompt: a.TokensPrompt,
			TokensCompletion: a.TokensCompletion, TokensEstimated: a.TokensEstimated, ResponseMillis: a.ResponseMillis,
			Why: a.Why, RetryAfter: time.Duration(a.RetryAfterMillis) * time.Millisecond,
		}
	}
	record.OpenEvent(s.keys, d.Box, &e)
	e.Feedback = s.decodeFeedback(e.Session, e.Seq, d.Feedback)
	if d.malformed && !e.Unreadable {
		e.Unreadable = true
		s.keys.failures.Add(1)
	}
	return e
}
