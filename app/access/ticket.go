package access

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"chatbox"
)

// maxTicket is how long what claims to be a ticket may be, in bytes.
const maxTicket = 64

// Ticket makes a one-time credential that stands for the actor: with the name,
// the roles and the end of the credential it was asked with.
func (g *Gate) Ticket(ctx context.Context, a chatbox.Actor) (ticket string, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	ticket = rand.Text() // 130 bits
	if err := g.Tickets.PutTicket(ctx, ticket, a, g.cfg.TicketLife); err != nil {
		return "", 0, err
	}
	return ticket, g.cfg.TicketLife, nil
}

// Redeem returns who the ticket stands for, once; afterwards, and when its time
// is over, it is chatbox.Unauthenticated. A ticket is used up also where the
// socket is refused for another reason.
func (g *Gate) Redeem(ctx context.Context, ticket string) (chatbox.Actor, error) {
	if ticket == "" || len(ticket) > maxTicket {
		return chatbox.Actor{}, badTicket()
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	a, err := g.Tickets.TakeTicket(ctx, ticket)
	if errors.Is(err, chatbox.NotFound) {
		return chatbox.Actor{}, badTicket()
	}
	return a, err
}

func badTicket() error {
	return chatbox.NewError(chatbox.Unauthenticated, "the ticket is unknown, used or expired", nil)
}
