package helpdesk

import (
	"time"

	"chatbox"
)

// MaxFound is the maximal number of hits on a page.
const MaxFound = 100

// SearchQuery searches messages by their words, or sessions if Words is empty.
// Empty filters match everything.
type SearchQuery struct {
	Tenant   string
	Words    string    // must all be in one message; words in quotation marks must follow one another
	Name     string    // words of the session's name, in the same form
	UserID   string    // the session's owner
	Status   string    // "active" or "ended"
	Tags     []string  // must all match, ignoring case
	From, To time.Time // From ≤ time < To: of the message; without Words, of the session's start
	Limit    int       // 1-MaxFound
	Cursor   string    // the previous page's Next
}

// SearchHit is a message or a session that was found.
type SearchHit struct {
	Session chatbox.Session
	Message *chatbox.Event // nil: the hit is the session
	Excerpt string         // of the message, around the words found
}

// SearchPage is one page of hits, newest first. Next is empty on the last
// page. An earlier page may be shorter than its limit, or empty, because only
// a bounded number of messages is decrypted for a page.
type SearchPage struct {
	Hits []SearchHit
	Next string
	// WordsOff is set if words are not indexed: sessions can be listed, but
	// messages cannot be searched.
	WordsOff bool
}

// Findable reports whether the event has text of a person or a model, so that
// a search by words can find it.
func Findable(e chatbox.Event) bool {
	switch e.Type {
	case chatbox.TypeUserMessage, chatbox.TypeAnswer, chatbox.TypeFileUpload, chatbox.TypeVoiceMessage, chatbox.TypeHelpRequest:
		return e.Content != "" && e.Sender != chatbox.SenderSystem
	case chatbox.TypeTranscript:
		return e.Content != ""
	default:
		return false
	}
}
