package chatbox

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Session is the record of a session beside its events. State may lag behind
// the log: it is the fold as of State.Head.
type Session struct {
	Key       SessionKey
	Owner     string
	OwnerName string // from the credential that began the session; may be empty, and is empty after an erasure
	Name      string
	CreatedAt time.Time
	IssuedAt  time.Time // of the credential that began the session; zero: unknown
	Erased    bool      // the id can never be used again
	State     State
	Rating    *Rating // nil: none; not part of the log
	// Tags and Assignee are for staff only; the owner never sees them.
	Tags     []string
	Assignee Assignee
	// Unreadable is set if no key decrypts something that people wrote of the
	// session, or if its record is malformed. Fields that cannot be read are
	// empty.
	Unreadable bool
}

// WasErased reports whether the session is erased, according to its record or to its
// log.
func (s Session) WasErased() bool { return s.Erased || s.State.Erased }

// Assignee is the member of staff to whom a session is assigned; empty: none.
// An assignment grants no right and does not stop the model.
type Assignee struct {
	ID   string
	Name string // may be empty
}

// Has reports whether the session is assigned.
func (a Assignee) Has() bool { return a.ID != "" }

// State is the fold of a session's log up to Head. Two pods that folded the
// same events have the same State.
type State struct {
	Head           int64     `json:"head"`
	HolderID       string    `json:"holder,omitempty"`      // the admin who holds the session
	HolderName     string    `json:"holder_name,omitempty"` // of the holder, or of the last holder if the session has ended; may be empty
	AssistantID    string    `json:"assistant,omitempty"`   // the holder, or the last holder if the session has ended
	Ended          bool      `json:"ended,omitempty"`
	StartedAt      time.Time `json:"started_at,omitzero"` // time of the first event
	EndedAt        time.Time `json:"ended_at,omitzero"`
	AnswerableFrom int64     `json:"answerable_from,omitempty"` // pending turns of earlier messages are void
	LastUserSeq    int64     `json:"last_user_seq,omitempty"`   // the newest message or recording of the user, which a retry answers
	LastReplySeq   int64     `json:"last_reply_seq,omitempty"`  // the newest reply to it: a person's message, or a complete or cancelled answer
	ModelID        string    `json:"model,omitempty"`
	LastActivity   time.Time `json:"last_activity,omitzero"`
	Others         int64     `json:"others,omitempty"` // events that are not messages; see Messages
	Tokens         int64     `json:"tokens,omitempty"`
	Answers        int64     `json:"answers,omitempty"`
	ResponseTotal  int64     `json:"response_total,omitempty"` // milliseconds, over all answers
	ResponseMax    int64     `json:"response_max,omitempty"`   // milliseconds
	HelpRequested  bool      `json:"help_requested,omitempty"`
	HelpPending    bool      `json:"help_pending,omitempty"`
	// WaitingSince is when help became pending; zero: it is not. Unread is the
	// number of the user's messages and files after the last message of a
	// person or complete answer. No decision depends on either: a pod of an
	// older version folds on without them. Then a waiting session counts as
	// waiting longer than those with a known time, and Unread counts only
	// later messages. The next wait and the next reply to the user correct
	// them.
	WaitingSince  time.Time `json:"waiting_since,omitzero"`
	Unread        int64     `json:"unread,omitempty"`
	AdminAssisted bool      `json:"admin_assisted,omitempty"`
	Talk          Talk      `json:"talk,omitzero"`    // with people
	Erased        bool      `json:"erased,omitempty"` // nothing of the log is left, and no event follows
	// Disclosed is set if the log has a disclosure. A pod of an older version folds
	// on without it. Then the disclosure is appended again, which is a repeat.
	Disclosed bool `json:"disclosed,omitempty"`
}

// MetaAutomatic marks an admin_leave without a request: the holder had no
// socket for the grace time. It leaves the last user message answerable,
// unless somebody has replied to it.
const MetaAutomatic = "automatic"

// Metadata names on the events of an admin.
const (
	MetaAdminID   = "admin_id"
	MetaAdminName = "admin_name"
)

// UnnamedStaff is the admin_name of an admin whose credential has no name. The
// field is never absent.
const UnnamedStaff = "Support"

// Apply folds the event at Head+1. Any other event leaves the state unchanged,
// so folding an event twice is harmless.
func (s State) Apply(e Event) State {
	if e.Seq != s.Head+1 {
		return s
	}
	if s.Head == 0 {
		s.StartedAt = e.Time
	}
	s.Head = e.Seq
	s.LastActivity = later(s.LastActivity, e.Time)
	if !e.Type.Message() {
		s.Others++
	}
	switch e.Type {
	case TypeUserMessage, TypeFileUpload, TypeVoiceMessage:
		s = s.applyUnread(e)
		switch {
		case e.Sender == SenderUser && e.Type.Asks():
			s.LastUserSeq = e.Seq
		case e.Sender == SenderAdmin:
			s.LastReplySeq = e.Seq
		}
	case TypeModelSelect:
		s.ModelID = e.ModelID
	case TypeDisclosure:
		s.Disclosed = true
	case TypeAnswer:
		s = s.applyAnswer(e)
	case TypeHelpRequest:
		s.HelpRequested = true
		if s.HolderID == "" && !s.HelpPending { // a holder is there already
			s.HelpPending, s.WaitingSince = true, e.Time
		}
	case TypeAdminJoin:
		s.Talk = s.Talk.joined(s, e)
		s.HolderID, s.HolderName = holderBy(e), e.Metadata[MetaAdminName]
		if s.HolderName == UnnamedStaff {
			s.HolderName = "" // colleagues see the id instead
		}
		s.AssistantID = s.HolderID
		s.AdminAssisted, s.HelpPending, s.WaitingSince = true, false, time.Time{}
		s.AnswerableFrom = e.Seq
	case TypeAdminLeave:
		s.Talk = s.Talk.ended(s, e)
		s.HolderID, s.HolderName, s.AssistantID = "", "", ""
		s.AnswerableFrom = e.Seq
		if e.Metadata[MetaAutomatic] == "true" && s.Unreplied() {
			s.AnswerableFrom = s.LastUserSeq
		}
	case TypeSessionEnded:
		s.Talk = s.Talk.ended(s, e)
		s.Ended, s.EndedAt, s.Erased = true, e.Time, s.Erased || e.Erases()
		s.HolderID = ""
		if s.Erased {
			s.HolderName = ""
		}
		s.HelpPending, s.WaitingSince = false, time.Time{}
	default: // types of a later version change only Head
	}
	return s
}

// holderBy returns the holder after an admin_join. If the event cannot be
// decrypted, it is the user who requested it: somebody must hold the session,
// or the model would speak while a person does. After a transfer that is the
// former holder, who can hand the session over again.
func holderBy(e Event) string {
	switch {
	case !e.Unreadable:
		return e.Metadata[MetaAdminID]
	case e.UserID == "":
		return UnnamedStaff
	default:
		return e.UserID
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (s State) applyAnswer(e Event) State {
	a := e.Answer
	if a == nil {
		return s
	}
	s.Tokens += int64(a.TokensPrompt + a.TokensCompletion)
	if a.Gen.Seq == s.LastUserSeq && (e.Status == StatusComplete || e.Status == StatusCancelled) {
		s.LastReplySeq = e.Seq
	}
	if e.Status == StatusComplete {
		if s.Unread > 0 && a.Gen.Seq < s.LastUserSeq { // each message gets its own answer: the newest one is still unanswered
			s.Unread = max(1, s.Unread-1)
		} else {
			s.Unread = 0
		}
		s.Answers++
		s.ResponseTotal += a.ResponseMillis
		s.ResponseMax = max(s.ResponseMax, a.ResponseMillis)
	}
	return s
}

// applyUnread counts the user's messages. A person's message replies to all of
// them.
func (s State) applyUnread(e Event) State {
	switch e.Sender {
	case SenderUser:
		s.Unread++
	case SenderAdmin:
		s.Unread = 0
	default: // neither asks nor replies
	}
	return s
}

// Waiting reports whether the user waits for a person, and since when. If the
// time is unknown it returns the last activity; the wait is at least that
// long.
func (s State) Waiting() (since time.Time, waits bool) {
	switch {
	case !s.HelpPending:
		return time.Time{}, false
	case s.WaitingSince.IsZero():
		return s.LastActivity, true
	default:
		return s.WaitingSince, true
	}
}

// Messages returns the number of messages: the user's messages, files and
// recordings, an admin's, and finished answers. Events folded by a version
// without this count all count as messages.
func (s State) Messages() int64 { return s.Head - s.Others }

// Unreplied reports whether the last user message has no reply yet.
func (s State) Unreplied() bool { return s.LastUserSeq > s.LastReplySeq }

// Duration returns how long the session lasted, up to its last event or its
// end.
func (s State) Duration() time.Duration {
	end := s.LastActivity
	if s.Ended {
		end = s.EndedAt
	}
	if s.StartedAt.IsZero() {
		return 0
	}
	return max(0, end.Sub(s.StartedAt))
}

// AvgResponse returns the mean time to a complete answer in milliseconds.
func (s State) AvgResponse() int64 {
	if s.Answers == 0 {
		return 0
	}
	return s.ResponseTotal / s.Answers
}

// MaxName is the maximal length of a name that people give a session, in code
// points.
const MaxName = 200

// CheckName returns the name that people gave a session, trimmed. It rejects a
// name that is empty, too long or not UTF-8, or has control characters or line
// ends. It never cuts a name.
func CheckName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "", Invalid("name", "must not be empty")
	case !utf8.ValidString(name):
		return "", Invalid("name", "is not valid UTF-8")
	case utf8.RuneCountInString(name) > MaxName:
		return "", Invalid("name", "is longer than 200 characters")
	case strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }):
		return "", Invalid("name", "has control characters")
	}
	return name, nil
}

const maxName = 80 // code points of a generated name

// NameFrom returns a session's first name: the first line of its user's first
// message, cut between characters.
func NameFrom(content string) string {
	line := strings.TrimSpace(content)
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = strings.TrimSpace(line[:i])
	}
	if utf8.RuneCountInString(line) <= maxName {
		return line
	}
	n := 0
	for i := range line {
		if n == maxName-1 {
			return strings.TrimSpace(line[:i]) + "…"
		}
		n++
	}
	return line
}
