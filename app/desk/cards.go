package desk

import (
	"context"

	"chatbox"
)

// Cards is the store of what staff keeps beside the log. What it has taken is
// durable when it returns, and every pod that reads later sees it.
type Cards interface {
	// Add stores a new card, at its first revision; chatbox.Clash where its
	// pile has one of that id. A pile that has most cards already takes no
	// more, whoever races: chatbox.Full. most 0: it is not bounded.
	// A pile is always added to with the same bound.
	Add(ctx context.Context, c chatbox.Card, most int) error
	// Replace stores body, author and time of change of a card that still has
	// the given revision, and returns the next one: chatbox.Clash where it was
	// replaced meanwhile, chatbox.NotFound where there is none.
	Replace(ctx context.Context, c chatbox.Card) (revision int64, err error)
	// Get returns the card, chatbox.NotFound where there is none.
	Get(ctx context.Context, p chatbox.CardPile, id string) (chatbox.Card, error)
	List(ctx context.Context, q chatbox.CardQuery) (chatbox.CardPage, error)
	// Count counts the pile's cards and stops at most.
	Count(ctx context.Context, p chatbox.CardPile, most int) (int, error)
	// Delete removes the card; one that is not there is no error.
	Delete(ctx context.Context, p chatbox.CardPile, id string) error
}
