package record

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"chatbox"
)

// What of a card is sealed.
const (
	cardBody   = "body"
	cardAuthor = "author"
)

// SealCard seals what people wrote of a card for its place: pile and id. Every
// card has a body's box, if of an empty one; an author without a name has none.
func SealCard(c Cipher, card chatbox.Card) (body, author []byte, err error) {
	if body, err = c.Seal(card.Body, cardAAD(card, cardBody)...); err != nil {
		return nil, nil, fmt.Errorf("record: seal a card: %w", err)
	}
	if card.AuthorName == "" {
		return body, nil, nil
	}
	if author, err = c.Seal([]byte(card.AuthorName), cardAAD(card, cardAuthor)...); err != nil {
		return nil, nil, fmt.Errorf("record: seal a card's author: %w", err)
	}
	return body, author, nil
}

// OpenCard fills in what SealCard sealed; the card has its place already. What
// no key opens is empty, and the card unreadable.
func OpenCard(c Cipher, card *chatbox.Card, body, author []byte) {
	plain, err := c.Open(body, cardAAD(*card, cardBody)...)
	if err != nil {
		card.Unreadable = true
	}
	card.Body = plain
	if len(author) == 0 {
		return
	}
	name, err := c.Open(author, cardAAD(*card, cardAuthor)...)
	if err != nil {
		card.Unreadable = true
	}
	card.AuthorName = string(name)
}

func cardAAD(c chatbox.Card, part string) []string {
	return []string{"card", c.Pile.Tenant, string(c.Pile.Kind), c.Pile.Subject, c.ID, part}
}

// CardCursor is a place in a pile: after the card that was made then and has
// that id.
type CardCursor struct {
	Created int64 // milliseconds since 1970 UTC
	ID      string
}

const cardCursorVersion = "k1"

// String encodes the cursor for a client to give back.
func (c CardCursor) String() string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(cardCursorVersion + "|" + strconv.FormatInt(c.Created, 10) + "|" + c.ID))
}

// ParseCardCursor takes exactly what String gives, or nothing, which is before
// every card; anything else is chatbox.InvalidArgument naming the field.
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

// CardPage cuts what was read, one card more than asked for where there are
// more, to a page.
func CardPage(cards []chatbox.Card, limit int) chatbox.CardPage {
	if len(cards) <= limit {
		return chatbox.CardPage{Cards: cards}
	}
	last := cards[limit-1]
	return chatbox.CardPage{
		Cards: cards[:limit], Next: CardCursor{Created: Millis(last.CreatedAt), ID: last.ID}.String(),
	}
}

// NoCard says that the pile has no such card.
func NoCard(p chatbox.CardPile) error {
	return chatbox.NewError(chatbox.NotFound, "no such "+string(p.Kind), nil)
}

// CardClash says that the card's id is taken, or that it was replaced
// meanwhile.
func CardClash(p chatbox.CardPile) error {
	return chatbox.NewError(chatbox.Clash, "", fmt.Errorf("a %s of that id or a later revision is there", p.Kind))
}

// TooManyCards refuses one more card of a pile.
func TooManyCards(p chatbox.CardPile, most int) error {
	return chatbox.NewError(chatbox.Full, fmt.Sprintf("there are %d of kind %s already", most, p.Kind), nil)
}
