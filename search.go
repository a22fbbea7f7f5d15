package chatbox

import "time"

// MaxFound is how many hits a page of a search may have.
const MaxFound = 100

// SearchQuery asks for messages by their words or, without any, for sessions.
// Filters that are empty let all pass.
type SearchQuery struct {
	Tenant   string
	Words    string    // all of them in one message; "within quotation marks" as they follow one another
	Name     string    // words of the session's name, likewise
	UserID   string    // the session's owner
	Status   string    // "active" or "ended"
	Tags     []string  // all of them, whatever their case
	From, To time.Time // From ≤ time < To: the message's; without Words, the session's start
	Limit    int       // 1-MaxFound
	Cursor   string    // of the page before
}

// SearchHit is one message that was found, or one session.
type SearchHit struct {
	Session Session
	Message *Event // nil: the session itself
	Excerpt string // of the message, around what was looked for
}

// SearchPage is one page of hits, newest first. Next is empty on the last; a
// page may be shorter than its limit, or empty, and not the last: only so many
// messages are opened for one page.
type SearchPage struct {
	Hits []SearchHit
	Next string
	// WordsOff says that words are not indexed: sessions can be listed, nothing
	// can be looked for.
	WordsOff bool
}

// Findable reports whether somebody, or a model, said something in the event:
// that can be found by its words.
func (e Event) Findable() bool {
	switch e.Type {
	case TypeUserMessage, TypeAnswer, TypeFileUpload, TypeVoiceMessage, TypeHelpRequest:
		return e.Content != "" && e.Sender != SenderSystem
	default:
		return false
	}
}
