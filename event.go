package chatbox

import (
	"log/slog"
	"time"
)

// Type is the kind of a durable event, by its name on the wire. Types this
// version does not know are relayed as they are.
type Type string

// The durable types: each event of these has a place in its session's order.
const (
	TypeUserMessage  Type = "user_message"
	TypeAnswer       Type = "ai_response"
	TypeFileUpload   Type = "file_upload"
	TypeVoiceMessage Type = "voice_message"
	TypeHelpRequest  Type = "help_request"
	TypeModelSelect  Type = "model_select"
	TypeAdminJoin    Type = "admin_join"
	TypeAdminLeave   Type = "admin_leave"
	TypeSessionEnded Type = "session_ended"
)

// Message reports whether events of the type say something: what a count of
// messages counts.
func (t Type) Message() bool {
	switch t {
	case TypeUserMessage, TypeAnswer, TypeFileUpload, TypeVoiceMessage:
		return true
	default:
		return false
	}
}

// Sender is who speaks, decided by the server from the credential.
type Sender string

// The senders.
const (
	SenderUser   Sender = "user"
	SenderAI     Sender = "ai"
	SenderAdmin  Sender = "admin"
	SenderSystem Sender = "system"
)

// Status is how an event came to its end; all but answers are complete.
type Status string

// The statuses.
const (
	StatusComplete  Status = "complete"
	StatusCancelled Status = "cancelled"
	StatusTakenOver Status = "taken_over"
	StatusFailed    Status = "failed"
)

// Event is one durable entry of a session's log.
type Event struct {
	Session SessionKey `json:"session"`
	Seq     int64      `json:"seq"` // ≥ 1, dense, never reused
	Key     string     `json:"key"` // unique in the session: ClientKey, AnswerKey or ServerKey
	ID      string     `json:"id"`
	// Named is true when the client gave the ID and is owed an ack.
	Named    bool              `json:"named,omitempty"`
	Type     Type              `json:"type"`
	Sender   Sender            `json:"sender"`
	UserID   string            `json:"user,omitempty"` // whose frame caused it; empty for the model's and the system's
	Owner    string            `json:"owner"`          // the session's owner: pods deliver to nobody else's sockets
	Content  string            `json:"content,omitempty"`
	ModelID  string            `json:"model,omitempty"`
	FileID   string            `json:"file,omitempty"`
	FileURL  string            `json:"url,omitempty"`
	Metadata map[string]string `json:"meta,omitempty"`
	Time     time.Time         `json:"time"`
	Status   Status            `json:"status"`
	// Unreadable is set where no key opens what people wrote of the event: content,
	// file and metadata are empty then, and all else is what it was.
	Unreadable bool    `json:"unreadable,omitempty"`
	Answer     *Answer `json:"answer,omitempty"` // of TypeAnswer
	Turn       *Turn   `json:"turn,omitempty"`   // of a message that wants an answer
	// Alert is set on an event that is to be told to staff, when it is stored;
	// events that are read do not bring it.
	Alert *Alert `json:"-"`
}

// LogValue keeps everything people wrote out of logs.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("session", e.Session.ID), slog.Int64("seq", e.Seq),
		slog.String("type", string(e.Type)), slog.String("status", string(e.Status)),
		slog.Int("content_bytes", len(e.Content)))
}

// SameRequest reports whether o, arriving under e's key, asks for what e did.
// A repeat that asks for something else is refused; the first effect stands. Of
// an event that cannot be read only the type and the model can be compared.
func (e Event) SameRequest(o Event) bool {
	if e.Unreadable {
		return e.Type == o.Type && e.ModelID == o.ModelID
	}
	return e.Type == o.Type && e.Content == o.Content && e.FileID == o.FileID && e.ModelID == o.ModelID
}

// Gen names one generation: an answer to the message at Seq, by its run. Runs
// of one session only ever grow, so a piece of an older one is stale.
type Gen struct {
	Seq int64 `json:"q"`
	Run int   `json:"r"`
}

// Compare orders generations by age.
func (g Gen) Compare(o Gen) int {
	switch {
	case g.Seq != o.Seq:
		return sign(g.Seq - o.Seq)
	default:
		return sign(int64(g.Run - o.Run))
	}
}

func sign(d int64) int {
	switch {
	case d < 0:
		return -1
	case d > 0:
		return 1
	default:
		return 0
	}
}

// Finish is why an answer ended.
type Finish string

// The finishes.
const (
	FinishStop      Finish = "stop"
	FinishLength    Finish = "length"
	FinishCancelled Finish = "cancelled"
	FinishTakenOver Finish = "taken_over"
	FinishError     Finish = "error"
	FinishFilter    Finish = "content_filter"
)

// Status is the status of an answer that ended so.
func (f Finish) Status() Status {
	switch f {
	case FinishCancelled:
		return StatusCancelled
	case FinishTakenOver:
		return StatusTakenOver
	case FinishError:
		return StatusFailed
	default:
		return StatusComplete
	}
}

// Answer is what a finished answer carries beside its text.
type Answer struct {
	Gen     Gen    `json:"gen"`
	ReplyTo string `json:"reply_to"` // the id of the message it answers
	Attempt int    `json:"attempt"`
	Index   int    `json:"index"` // the last accepted piece's; -1 when none was
	Finish  Finish `json:"finish"`
	// Code is why, for FinishError; Why says it to users, and RetryAfter when a
	// repeat may help, where the provider told.
	Code       Code          `json:"code,omitempty"`
	Why        string        `json:"why,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// The tokens are zero where they are not known.
	TokensPrompt     int   `json:"tokens_prompt,omitempty"`
	TokensCompletion int   `json:"tokens_completion,omitempty"`
	TokensEstimated  bool  `json:"tokens_estimated,omitempty"` // they are not the provider's
	ResponseMillis   int64 `json:"response_ms,omitempty"`      // from the message's acceptance to the final
}

// SetUsage notes what the answer cost.
func (a *Answer) SetUsage(u Usage) {
	a.TokensPrompt, a.TokensCompletion = u.Prompt, u.Completion
	a.TokensEstimated = u.Estimated && u.Known()
}

// TurnState is where the answering of a message stands.
type TurnState string

// The turn states.
const (
	TurnPending TurnState = "pending"
	TurnDone    TurnState = "done"   // its run has a final, or it became void
	TurnFailed  TurnState = "failed" // its run ended with nothing in the history
)

// Turn is a message's claim to an answer. It is stored in the same insert as
// the message, so no crash can separate them.
type Turn struct {
	State  TurnState `json:"state"`
	Run    int       `json:"run"`    // ≥ 1; retry makes it one more
	Claims int       `json:"claims"` // how often this run was claimed
	// From is the head when the run was asked for, where that was not the
	// message itself: what a person did before it does not make it void.
	From int64 `json:"from,omitempty"`
}

// At is the place from which the turn of the message at seq counts: it is void
// where State.AnswerableFrom is greater.
func (t Turn) At(seq int64) int64 { return max(seq, t.From) }
