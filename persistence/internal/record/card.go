package record

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/helpdesk"
)

// Names of the sealed parts of a card.
const (
	CardBody   = "body"
	CardAuthor = "author"
)

// SealCard seals what people wrote in a card for its place: pile and id. Every
// card has a body box, even for an empty body. An author without a name has no
// box.
func SealCard(c Cipher, card helpdesk.Card) (body, author []byte, err error) {
	if body, err = c.Seal(card.Body, CardAAD(card, CardBody)...); err != nil {
		return nil, nil, fmt.Errorf("record: seal a card: %w", err)
	}
	if card.AuthorName == "" {
		return body, nil, nil
	}
	if author, err = c.Seal([]byte(card.AuthorName), CardAAD(card, CardAuthor)...); err != nil {
		return nil, nil, fmt.Errorf("record: seal a card's author: %w", err)
	}
	return body, author, nil
}

// OpenCard decodes the boxes of SealCard into the card, whose place must be set.
// A part that no key opens is left empty and the card is marked unreadable.
func OpenCard(c Cipher, card *helpdesk.Card, body, author []byte) {
	plain, err := c.Open(body, CardAAD(*card, CardBody)...)
	if err != nil {
		card.Unreadable = true
	}
	card.Body = plain
	if len(author) == 0 {
		return
	}
	name, err := c.Open(author, CardAAD(*card, CardAuthor)...)
	if err != nil {
		card.Unreadable = true
	}
	card.AuthorName = string(name)
}

// CardAAD returns the associated data of the box of a card's part.
func CardAAD(c helpdesk.Card, part string) []string {
	return []string{"card", c.Pile.Tenant, string(c.Pile.Kind), c.Pile.Subject, c.ID, part}
}

// CardCursor is a place in a pile: after the card with that time of creation and
// id.
type CardCursor struct {
	Created int64 // milliseconds since 1970 UTC
	ID      string
}

const cardCursorVersion = "k1"

// String encodes the cursor for clients.
func (c CardCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(cardCursorVersion + "|" + strconv.FormatInt(c.Created, 10) + "|" + c.ID))
}

// ParseCardCursor accepts exactly the output of String, or "", which is the
// start. Anything else is chatbox.InvalidArgument naming the field.
func ParseCardCursor(s string) (CardCursor, error) {
	if s == "" {
		return CardCursor{Created: -1}, nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err == nil {
		parts := strings.SplitN(string(raw), "|", 3)
		if len(parts) == 3 && parts[0] == cardCursorVersion {
			ms, err := strconv.ParseInt(parts[1], 10, 64)
			c := CardCursor{Created: ms, ID: parts[2]}
			if err == nil && ms >= 0 && c.String() == s {
				return c, nil
			}
		}
	}
	return CardCursor{}, chatbox.Invalid("cursor", "is not one of ours")
}

// CardPage makes a page of the cards read, which include one more than asked for
// if there are more.
func CardPage(cards []helpdesk.Card, limit int) helpdesk.CardPage {
	if len(cards) <= limit {
		return helpdesk.CardPage{Cards: cards}
	}
	last := cards[limit-1]
	return helpdesk.CardPage{
		Cards: cards[:limit], Next: CardCursor{Created: Millis(last.CreatedAt), ID: last.ID}.String(),
	}
}

// NoCard is the error for a card that the pile does not have.
func NoCard(p helpdesk.CardPile) error {
	return chatbox.NewError(chatbox.NotFound, "no such "+string(p.Kind), nil)
}

// CardClash is the error for a card whose id is taken or that was replaced
// meanwhile.
func CardClash(p helpdesk.CardPile) error {
	return chatbox.NewError(chatbox.Clash, "", fmt.Errorf("a %s with that id or a later revision exists", p.Kind))
}

// TooManyCards is the error for a pile that is full.
func TooManyCards(p helpdesk.CardPile, most int) error {
	return chatbox.NewError(chatbox.Full, fmt.Sprintf("there are %d of kind %s already", most, p.Kind), nil)
}
