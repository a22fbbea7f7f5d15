package desk

import (
	"context"

	"chatbox/helpdesk"
)

// Cards is the store of staff's records beside the log. A write is durable when
// it returns, and every later read on any pod sees it.
type Cards interface {
	// Add stores a new card at its first revision. It returns chatbox.Clash if
	// the pile has a card with that id, and chatbox.Full if the pile has most
	// cards, even under concurrent calls. most 0 means no limit. All calls for
	// one pile must pass the same limit.
	Add(ctx context.Context, c helpdesk.Card, most int) error
	// Replace stores the body, author and time of change of a card that still has
	// the given revision, and returns the next revision. It returns chatbox.Clash
	// if the card was replaced meanwhile and chatbox.NotFound if there is none.
	Replace(ctx context.Context, c helpdesk.Card) (revision int64, err error)
	// Get returns the card, or chatbox.NotFound.
	Get(ctx context.Context, p helpdesk.CardPile, id string) (helpdesk.Card, error)
	List(ctx context.Context, q helpdesk.CardQuery) (helpdesk.CardPage, error)
	// Count returns the number of cards in the pile, counting no further than
	// most.
	Count(ctx context.Context, p helpdesk.CardPile, most int) (int, error)
	// Delete removes the card. It is not an error if there is no such card.
	Delete(ctx context.Context, p helpdesk.CardPile, id string) error
}
