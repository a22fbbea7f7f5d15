package persistence

import (
	"time"

	"chatbox"
	"chatbox/persistence/internal/record"

	"go.mongodb.org/mongo-driver/bson/primitive"
)

// sessionDoc is one session in the collection sessions. The names are sealed.
// State is a copy of the fold of the log.
type sessionDoc struct {
	ID      string `bson:"_id"` // the key's text; see placeID for the reason
	Tenant  string `bson:"tenant"`
	Session string `bson:"session"`
	Owner   string `bson:"owner"`
	Name    []byte `bson:"name,omitempty"`
	// OwnerName is the name at creation; it never changes.
	OwnerName []byte             `bson:"owner_name,omitempty"`
	Created   primitive.DateTime `bson:"created"`
	Erased    bool               `bson:"erased"`
	// Issued is the time of the credential that began the session, if known.
	Issued primitive.DateTime `bson:"issued,omitempty"`
	// LastActivity is the time that lists sort by: the latest event's, or the
	// creation's if there is none.
	LastActivity primitive.DateTime `bson:"last_activity"`
	State        stateDoc           `bson:"state"`
	Rating       *ratingDoc         `bson:"rating,omitempty"`
	NameWords    []int64            `bson:"name_words,omitempty"` // tokens

	// Labels from staff; absent if there are none.
	Tags         []record.Tag `bson:"tags,omitempty"`
	Assigned     string       `bson:"assigned,omitempty"`
	AssignedName []byte       `bson:"assigned_name,omitempty"`

	// Set on a tombstone that still needs sweeps.
	Sweeping bool               `bson:"sweeping,omitempty"`
	ErasedAt primitive.DateTime `bson:"erased_at,omitempty"`
	SweepAt  primitive.DateTime `bson:"sweep_at,omitempty"`

	malformed bool // some fields could not be decoded
}

type stateDoc struct {
	Head           int64              `bson:"head"`
	Others         int64              `bson:"others,omitempty"`
	Messages       int64              `bson:"messages"` // derived, for sorting
	Holder         string             `bson:"holder,omitempty"`
	HolderName     []byte             `bson:"holder_name,omitempty"`
	Assistant      string             `bson:"assistant,omitempty"`
	Ended          bool               `bson:"ended"`
	StartedAt      primitive.DateTime `bson:"started_at"`
	Duration       int64              `bson:"duration"` // milliseconds; derived, for sorting
	EndedAt        primitive.DateTime `bson:"ended_at"`
	AnswerableFrom int64              `bson:"answerable_from,omitempty"`
	LastUserSeq    int64              `bson:"last_user_seq,omitempty"`
	LastReplySeq   int64              `bson:"last_reply_seq,omitempty"`
	Model          string             `bson:"model,omitempty"`
	LastActivity   primitive.DateTime `bson:"last_activity"`
	Tokens         int64              `bson:"tokens"`
	Answers        int64              `bson:"answers,omitempty"`
	ResponseTotal  int64              `bson:"response_total,omitempty"`
	ResponseMax    int64              `bson:"response_max,omitempty"`
	HelpRequested  bool               `bson:"help_requested,omitempty"`
	HelpPending    bool               `bson:"help_pending,omitempty"`
	// WaitingSince is absent if nobody waits or if the time was not recorded; an
	// ascending order lists those first.
	WaitingSince  primitive.DateTime `bson:"waiting_since,omitempty"`
	Unread        int64              `bson:"unread,omitempty"`
	AdminAssisted bool               `bson:"admin_assisted,omitempty"`
	Talk          talkDoc            `bson:"talk,omitempty"`
	Erased        bool               `bson:"erased,omitempty"`
	Disclosed     bool               `bson:"disclosed,omitempty"`

	malformed bool // some fields could not be decoded
}

func (s *Store) encodeSession(in chatbox.Session) (sessionDoc, error) {
	name, err := record.SealText(s.keys, in.Key, record.PartName, in.Name)
	if err != nil {
		return sessionDoc{}, err
	}
	ownerName, err := record.SealText(s.keys, in.Key, record.PartOwner, in.OwnerName)
	if err != nil {
		return sessionDoc{}, err
	}
	state, err := s.encodeState(in.Key, in.State)
	if err != nil {
		return sessionDoc{}, err
	}
	tokens, err := s.nameTokens(in.Key, in.Name)
	if err != nil {
		return sessionDoc{}, err
	}
	return sessionDoc{
		ID: in.Key.String(), Tenant: in.Key.Tenant, Session: in.Key.ID, Owner: in.Owner, OwnerName: ownerName, Name: name,
		Created: primitive.DateTime(record.Millis(in.CreatedAt)), Issued: knownTime(in.IssuedAt), Erased: in.Erased,
		LastActivity: primitive.DateTime(record.Activity(in.State, in.CreatedAt)), State: state, NameWords: tokens,
	}, nil
}

// decodeSession reverses encodeSession. A field that no key opens is left empty
// and the session is marked unreadable.
func (s *Store) decodeSession(d sessionDoc) chatbox.Session {
	out := chatbox.Session{
		Key: chatbox.SessionKey{Tenant: d.Tenant, ID: d.Session}, Owner: d.Owner,
		CreatedAt: record.Time(int64(d.Created)), IssuedAt: timeIfKnown(d.Issued), Erased: d.Erased,
	}
	o := &record.Opener{Cipher: s.keys, Session: out.Key}
	out.Name = o.Text(record.PartName, d.Name)
	out.OwnerName = o.Text(record.PartOwner, d.OwnerName)
	out.State = decodeState(o, d.State)
	out.Rating = decodeRating(o, d.Rating)
	out.Tags = o.Tags(d.Tags)
	out.Assignee = o.Assignee(d.Assigned, d.AssignedName)
	if out.Unreadable = o.Unreadable || d.malformed; d.malformed {
		s.keys.failures.Add(1)
	}
	return out
}

func (s *Store) encodeState(k chatbox.SessionKey, st chatbox.State) (stateDoc, error) {
	holder, err := record.SealText(s.keys, k, record.PartHolder, st.HolderName)
	if err != nil {
		return stateDoc{}, err
	}
	return stateDoc{
		Head: st.Head, Others: st.Others, Messages: st.Messages(), Holder: st.HolderID, HolderName: holder, Assistant: st.AssistantID, Ended: st.Ended,
		StartedAt: primitive.DateTime(record.Millis(st.StartedAt)), Duration: st.Duration().Milliseconds(),
		EndedAt: primitive.DateTime(record.Millis(st.EndedAt)), AnswerableFrom: st.AnswerableFrom,
		LastUserSeq: st.LastUserSeq, LastReplySeq: st.LastReplySeq, Model: st.ModelID,
		LastActivity: primitive.DateTime(record.Millis(st.LastActivity)),
		Tokens:       st.Tokens, Answers: st.Answers, ResponseTotal: st.ResponseTotal, ResponseMax: st.ResponseMax,
		HelpRequested: st.HelpRequested, HelpPending: st.HelpPending, AdminAssisted: st.AdminAssisted, Erased: st.Erased,
		WaitingSince: knownTime(st.WaitingSince), Unread: st.Unread,
		Talk: talkDoc(st.Talk), Disclosed: st.Disclosed,
	}, nil
}

// timeIfKnown returns the zero time if the fold was written by a version without
// the field.
func timeIfKnown(at primitive.DateTime) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return record.Time(int64(at))
}

// knownTime reverses timeIfKnown.
func knownTime(t time.Time) primitive.DateTime {
	if t.IsZero() {
		return 0
	}
	return primitive.DateTime(record.Millis(t))
}

func decodeState(o *record.Opener, d stateDoc) chatbox.State {
	return chatbox.State{
		Head: d.Head, Others: d.Others, HolderID: d.Holder, HolderName: o.Text(record.PartHolder, d.HolderName), AssistantID: d.Assistant, Ended: d.Ended,
		StartedAt: timeIfKnown(d.StartedAt),
		EndedAt:   record.Time(int64(d.EndedAt)), AnswerableFrom: d.AnswerableFrom,
		LastUserSeq: d.LastUserSeq, LastReplySeq: d.LastReplySeq, ModelID: d.Model, LastActivity: record.Time(int64(d.LastActivity)),
		Tokens: d.Tokens, Answers: d.Answers, ResponseTotal: d.ResponseTotal, ResponseMax: d.ResponseMax,
		HelpRequested: d.HelpRequested, HelpPending: d.HelpPending, AdminAssisted: d.AdminAssisted, Erased: d.Erased,
		WaitingSince: timeIfKnown(d.WaitingSince), Unread: d.Unread,
		Talk: chatbox.Talk(d.Talk), Disclosed: d.Disclosed,
	}
}
