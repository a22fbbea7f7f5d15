package chatbox

import "time"

// CardKind says what a card is for, and so what its body holds.
type CardKind string

// The kinds of cards.
const (
	CardNote  CardKind = "note"  // on a session
	CardReply CardKind = "reply" // of the tenant
	// CardShortcuts is one card per tenant: which reply has which shortcut.
	CardShortcuts CardKind = "shortcuts"
	// CardSupport is one card per tenant: its SupportSettings.
	CardSupport CardKind = "support"
)

// SessionCards are the kinds whose subject is a session; they are erased with
// it.
func SessionCards() []CardKind { return []CardKind{CardNote} }

// CardPile is the cards of one kind about one subject.
type CardPile struct {
	Tenant  string
	Kind    CardKind
	Subject string // a session's or a user's id; empty: the tenant
}

// Card is something small that staff keeps beside the log; what its body means
// is the affair of its kind. No event, export, share or prompt holds a card.
type Card struct {
	Pile       CardPile
	ID         string // unique in its pile
	Body       []byte // what people wrote; sealed at rest for its pile and id
	AuthorID   string // who wrote it, or wrote it last; empty: nobody, or erased
	AuthorName string // may be empty; sealed at rest
	CreatedAt  time.Time
	UpdatedAt  time.Time // CreatedAt until it is replaced
	Revision   int64     // 1 when it is made, one more with each replacement
	// Unreadable is set where no key opens the body or the author's name, which
	// is empty then.
	Unreadable bool
}

// CardQuery asks for one page of a pile, oldest first.
type CardQuery struct {
	Pile   CardPile
	Limit  int    // 1-500
	Cursor string // of the page before; opaque, InvalidArgument naming cursor when it is not one of ours
}

// CardPage is one page of a pile; Next is empty on the last.
type CardPage struct {
	Cards []Card
	Next  string
}
