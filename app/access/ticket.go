package access

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"chatbox"
)

// maxTicket is the maximum length of a ticket in bytes.
const maxTicket = 64

// Ticket returns a one-time credential for the actor. It has the name, the roles
// and the expiry of the credential that requested it.
func (g *Gate) Ticket(ctx context.Context, a chatbox.Actor) (ticket string, life time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	ticket = rand.Text() // 130 bits
	if err := g.Tickets.PutTicket(ctx, ticket, a, g.cfg.TicketLife); err != nil {
		return "", 0, err
	}
	return ticket, g.cfg.TicketLife, nil
}

// Redeem returns the ticket's actor, once. A used or expired ticket is
// chatbox.Unauthenticated. The ticket is used up even if the socket is then
// refused for another reason.
func (g *Gate) Redeem(ctx context.Context, ticket string) (chatbox.Actor, error) {
	if ticket == "" || len(ticket) > maxTicket {
		return chatbox.Actor{}, badTicket()
	}
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
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
