package helpdesk

import "time"

// CardKind says what a card is for, and so how its body is encoded.
type CardKind string

// The kinds of cards.
const (
	CardNote  CardKind = "note"  // on a session
	CardReply CardKind = "reply" // of a tenant
	// CardShortcuts is one card per tenant. It maps shortcuts to replies.
	CardShortcuts CardKind = "shortcuts"
	// CardSupport is one card per tenant. It contains its Settings.
	CardSupport CardKind = "support"
)

// SessionCards returns the kinds that belong to a session. These cards are
// erased with it.
func SessionCards() []CardKind { return []CardKind{CardNote} }

// CardPile identifies the cards of one kind about one subject.
type CardPile struct {
	Tenant  string
	Kind    CardKind
	Subject string // a session or user id; empty: the tenant
}

// Card is a small record that staff keeps beside the log. Its kind defines the
// meaning of its body. No event, export, share or prompt contains a card.
type Card struct {
	Pile       CardPile
	ID         string // unique within its pile
	Body       []byte // written by people; encrypted at rest, bound to its pile and id
	AuthorID   string // the last writer; empty: none, or erased
	AuthorName string // may be empty; encrypted at rest
	CreatedAt  time.Time
	UpdatedAt  time.Time // equals CreatedAt until the card is replaced
	Revision   int64     // 1 for a new card; each replacement adds one
	// Unreadable is set if no key decrypts the body or the author's name,
	// which is then empty.
	Unreadable bool
}

// CardQuery requests one page of a pile, oldest first.
type CardQuery struct {
	Pile   CardPile
	Limit  int    // 1-500
	Cursor string // the previous page's Next; opaque; InvalidArgument for cursor if it is invalid
}

// CardPage is one page of a pile. Next is empty on the last page.
type CardPage struct {
	Cards []Card
	Next  string
}
