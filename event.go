package chatbox

import (
	"log/slog"
	"slices"
	"time"
)

// Type is the kind of a durable event, by its name on the wire. Types that
// this version does not know are relayed unchanged.
type Type string

// The durable types. Each event of these types has a seq in its session.
const (
	TypeUserMessage  Type = "user_message"
	TypeAnswer       Type = "ai_response"
	TypeFileUpload   Type = "file_upload"
	TypeVoiceMessage Type = "voice_message"
	TypeTranscript   Type = "transcript" // of a recording; not a message of its own
	TypeDisclosure   Type = "disclosure" // that a model answers; before its first word
	TypeHelpRequest  Type = "help_request"
	TypeModelSelect  Type = "model_select"
	TypeAdminJoin    Type = "admin_join"
	TypeAdminLeave   Type = "admin_leave"
	TypeSessionEnded Type = "session_ended"
)

// Message reports whether events of the type count as messages.
func (t Type) Message() bool {
	switch t {
	case TypeUserMessage, TypeAnswer, TypeFileUpload, TypeVoiceMessage:
		return true
	default:
		return false
	}
}

// Asks reports whether a user's event of the type requests an answer.
func (t Type) Asks() bool { return t == TypeUserMessage || t == TypeVoiceMessage }

// Sender is the kind of speaker. The server derives it from the credential.
type Sender string

// The senders.
const (
	SenderUser   Sender = "user"
	SenderAI     Sender = "ai"
	SenderAdmin  Sender = "admin"
	SenderSystem Sender = "system"
)

// Status is how an event ended. All events but answers are complete.
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
	// Named is true if the client gave the ID and expects an ack.
	Named bool `json:"named,omitempty"`
	// Unreadable is set if no key decrypts the content, file and metadata.
	// They are empty then; all other fields are intact.
	Unreadable bool `json:"unreadable,omitempty"`

	Type     Type              `json:"type"`
	Sender   Sender            `json:"sender"`
	UserID   string            `json:"user,omitempty"` // the user whose frame caused it; empty for events of the model and the system
	Owner    string            `json:"owner"`          // the session's owner; pods deliver to no other user's sockets
	Content  string            `json:"content,omitempty"`
	ModelID  string            `json:"model,omitempty"`
	FileID   string            `json:"file,omitempty"`
	FileURL  string            `json:"url,omitempty"`
	Metadata map[string]string `json:"meta,omitempty"`
	// Files are the files of a message, in the order in which the client named
	// them. For a file upload or a recording it is the file of FileID.
	Files  []AttachedFile `json:"files,omitempty"`
	Time   time.Time      `json:"time"`
	Status Status         `json:"status"`
	Answer *Answer        `json:"answer,omitempty"` // of TypeAnswer
	Turn   *Turn          `json:"turn,omitempty"`   // of a message that requests an answer
	// Alert is set while an event that must be reported to staff is stored.
	// Reading an event does not set it.
	Alert *Alert `json:"-"`
	// ToTranscribe is when to look for a recording's transcript that nobody has
	// made yet. It is set while a recording that needs a transcript is stored.
	// Reading an event does not set it.
	ToTranscribe *time.Time `json:"-"`
	// Feedback is the owner's, of an answer that was read from the history. It is
	// not part of the log, and storing an event ignores it.
	Feedback *Feedback `json:"-"`
}

// LogValue omits everything that people wrote.
func (e Event) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("session", e.Session.ID), slog.Int64("seq", e.Seq),
		slog.String("type", string(e.Type)), slog.String("status", string(e.Status)),
		slog.Int("content_bytes", len(e.Content)))
}

// SameRequest reports whether o, which has e's key, makes the same request as
// e. A repeat with a different request is rejected; the first one stands. If e
// cannot be decrypted, only the type and the model are compared.
func (e Event) SameRequest(o Event) bool {
	if e.Unreadable {
		return e.Type == o.Type && e.ModelID == o.ModelID
	}
	return e.Type == o.Type && e.Content == o.Content && e.FileID == o.FileID && e.FileURL == o.FileURL && e.ModelID == o.ModelID &&
		slices.EqualFunc(e.Files, o.Files, func(a, b AttachedFile) bool { return a.ID == b.ID })
}

// Gen identifies one generation: a run of the answer to the message at Seq.
// The runs of a session only grow, so a piece of an older run is stale.
type Gen struct {
	Seq int64 `json:"q"`
	Run int   `json:"r"`
}

// Compare orders generations by age: it returns -1, 0 or 1.
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

// Finish is the reason why an answer ended.
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

// Status returns the status of an answer with this finish.
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

// Answer is the data of a finished answer beside its text.
type Answer struct {
	Gen     Gen    `json:"gen"`
	ReplyTo string `json:"reply_to"` // the id of the message it answers
	Attempt int    `json:"attempt"`
	Index   int    `json:"index"` // of the last accepted piece; -1: there was none
	Finish  Finish `json:"finish"`
	// Code is the cause of a FinishError, and Why is its text for users.
	// RetryAfter is the provider's advice on when a retry may help; zero:
	// none.
	Code       Code          `json:"code,omitempty"`
	Why        string        `json:"why,omitempty"`
	RetryAfter time.Duration `json:"retry_after,omitempty"`
	// The token counts are zero if they are not known.
	TokensPrompt     int   `json:"tokens_prompt,omitempty"`
	TokensCompletion int   `json:"tokens_completion,omitempty"`
	TokensEstimated  bool  `json:"tokens_estimated,omitempty"` // the counts are not the provider's
	ResponseMillis   int64 `json:"response_ms,omitempty"`      // from the message's acceptance to the final
}

// SetUsage sets the token counts.
func (a *Answer) SetUsage(u Usage) {
	a.TokensPrompt, a.TokensCompletion = u.Prompt, u.Completion
	a.TokensEstimated = u.Estimated && u.Known()
}

// TurnState is the progress of answering a message.
type TurnState string

// The turn states.
const (
	TurnPending TurnState = "pending"
	TurnDone    TurnState = "done"   // its run has a final, or the turn became void
	TurnFailed  TurnState = "failed" // its run ended without an event in the history
	// TurnHeld marks a message that was sent while a person held the session. An
	// automatic leave makes the last such turn pending, as its next run, if nobody
	// has replied.
	TurnHeld TurnState = "held"
)

// Turn is a message's request for an answer. It is stored in the same insert
// as the message, so no crash can separate them.
type Turn struct {
	State  TurnState `json:"state"`
	Run    int       `json:"run"`    // ≥ 1; each retry adds one
	Claims int       `json:"claims"` // how often this run was claimed
	// From is the head at the time of a retry; 0 for the first run. A takeover
	// or reply before From does not make the turn void.
	From int64 `json:"from,omitempty"`
}

// At returns the seq from which the turn of the message at seq counts. The
// turn is void if State.AnswerableFrom is greater.
func (t Turn) At(seq int64) int64 { return max(seq, t.From) }
