package chatbox

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Session is what is known of a session beside its events. State may lag
// behind the log: it is the fold as of State.Head.
type Session struct {
	Key       SessionKey
	Owner     string
	OwnerName string // as the credential said that began the session; may be empty, and is empty once it is erased
	Name      string
	CreatedAt time.Time
	Erased    bool // the id is burnt for ever
	State     State
	Rating    *Rating // nil: none; it is not of the log
	// Tags and Assignee are staff's affair; the owner is never shown them.
	Tags     []string
	Assignee Assignee
	// Unreadable is set where no key opens something that people wrote of the
	// session, or its record is malformed: what cannot be read is empty.
	Unreadable bool
}

// State is the fold of a session's log up to Head. Two pods that folded the
// same events have the same State, whatever they lost meanwhile.
type State struct {
	Head           int64     `json:"head"`
	HolderID       string    `json:"holder,omitempty"`      // the admin who holds the session
	HolderName     string    `json:"holder_name,omitempty"` // of who holds it, or held it when it ended; may be empty
	AssistantID    string    `json:"assistant,omitempty"`   // the admin who holds it, or held it when it ended
	Ended          bool      `json:"ended,omitempty"`
	StartedAt      time.Time `json:"started_at,omitzero"` // the first event's
	EndedAt        time.Time `json:"ended_at,omitzero"`
	AnswerableFrom int64     `json:"answerable_from,omitempty"` // pending turns of messages below are void
	LastUserSeq    int64     `json:"last_user_seq,omitempty"`   // the newest user message: what retry is about
	LastReplySeq   int64     `json:"last_reply_seq,omitempty"`  // the newest word of a person, or whole or cancelled answer to it
	ModelID        string    `json:"model,omitempty"`
	LastActivity   time.Time `json:"last_activity,omitzero"`
	Others         int64     `json:"others,omitempty"` // events that are no messages; see Messages
	Tokens         int64     `json:"tokens,omitempty"`
	Answers        int64     `json:"answers,omitempty"`
	ResponseTotal  int64     `json:"response_total,omitempty"` // milliseconds, over all answers
	ResponseMax    int64     `json:"response_max,omitempty"`   // milliseconds
	HelpRequested  bool      `json:"help_requested,omitempty"`
	HelpPending    bool      `json:"help_pending,omitempty"`
	// WaitingSince is when help became pending, zero where it is not. Unread is
	// how many of the user's messages and files came after the last word of a
	// person or whole answer to them. No decision rests on either: a pod of a
	// version that does not know them folds on without them, and then a session
	// that waits counts as waiting longer than those whose time is known, and
	// Unread as what came since. The next wait, and the next word to the user, set
	// them right.
	WaitingSince  time.Time `json:"waiting_since,omitzero"`
	Unread        int64     `json:"unread,omitempty"`
	AdminAssisted bool      `json:"admin_assisted,omitempty"`
	Talk          Talk      `json:"talk,omitzero"`    // with people
	Erased        bool      `json:"erased,omitempty"` // nothing of the log is left, and nothing follows
}

// MetaAutomatic marks an admin_leave nobody asked for: the holder's sockets
// were gone for the grace time. It leaves the last user message answerable,
// unless somebody has replied to it.
const MetaAutomatic = "automatic"

// Names of metadata that events of an admin carry.
const (
	MetaAdminID   = "admin_id"
	MetaAdminName = "admin_name"
)

// UnnamedStaff is the admin_name of an admin whose credential has none: it is
// never absent.
const UnnamedStaff = "Support"

// Apply folds the next event. It must be the one at Head+1; anything else
// leaves the state as it is, so that folding twice does no harm.
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
	case TypeFileUpload, TypeVoiceMessage:
		s = s.applyUnread(e)
	case TypeUserMessage:
		s = s.applyUnread(e)
		switch e.Sender {
		case SenderUser:
			s.LastUserSeq = e.Seq
		case SenderAdmin:
			s.LastReplySeq = e.Seq
		default: // neither asks nor replies
		}
	case TypeModelSelect:
		s.ModelID = e.ModelID
	case TypeAnswer:
		s = s.applyAnswer(e)
	case TypeHelpRequest:
		s.HelpRequested = true
		if s.HolderID == "" && !s.HelpPending { // a person who is there already need not be called
			s.HelpPending, s.WaitingSince = true, e.Time
		}
	case TypeAdminJoin:
		s.Talk = s.Talk.joined(s, e)
		s.HolderID, s.HolderName = holderBy(e), e.Metadata[MetaAdminName]
		if s.HolderName == UnnamedStaff {
			s.HolderName = "" // colleagues are better told the id
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
	default: // types of a later version change nothing but the order
	}
	return s
}

// holderBy is who holds the session by an admin_join. By one that cannot be read
// it is whose request it was: somebody must hold the session, or the model would
// speak while a person does; who handed it to a colleague may hand it back.
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
		if s.Unread > 0 && a.Gen.Seq < s.LastUserSeq { // an answer each: the newest message still waits for its own
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

// applyUnread counts what the user says; whatever a person says to the user is
// a word to all of it.
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

// Waiting reports whether the user waits for a person, and since when; where
// that was not kept, it is the last activity, since which it is at least.
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

// Messages is how many of the events say something: the user's messages, files
// and recordings, an admin's, and finished answers. Events that were folded by
// a version without this count all count as messages.
func (s State) Messages() int64 { return s.Head - s.Others }

// Unreplied reports whether the last user message waits for a reply.
func (s State) Unreplied() bool { return s.LastUserSeq > s.LastReplySeq }

// Duration is how long the session has lasted up to its last event, or to its
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

// AvgResponse is the mean time to a complete answer in milliseconds.
func (s State) AvgResponse() int64 {
	if s.Answers == 0 {
		return 0
	}
	return s.ResponseTotal / s.Answers
}

// MaxName is how long a name that people give a session may be, in code points.
const MaxName = 200

// CheckName returns the name that people gave a session without the white
// space around it. It is refused where it is empty, too long, no text, or has
// control characters or line ends; it is never cut.
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

const maxName = 80 // code points of a name that nobody gave

// NameFrom makes a session's first name from what its user first said: its
// first line, cut between characters, never inside one.
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
