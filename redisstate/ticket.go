package redisstate

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"chatbox"
)

// boxTicket is the kind of a ticket's box in the associated data.
const boxTicket = "ticket"

// ticketCard is the subject of a ticket.
type ticketCard struct {
	Tenant  string    `json:"tenant,omitempty"`
	UserID  string    `json:"user"`
	Name    string    `json:"name,omitempty"`
	Roles   []string  `json:"roles,omitempty"`
	Issued  time.Time `json:"issued,omitzero"`
	Expires time.Time `json:"expires,omitzero"`
}

// ticketName returns the hash under which Redis stores a ticket, so that a
// reader of Redis cannot use the ticket.
func ticketName(ticket string) string {
	sum := sha256.Sum256([]byte(ticket))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// PutTicket stores the subject of a ticket.
func (c *Client) PutTicket(ctx context.Context, ticket string, a chatbox.Actor, life time.Duration) error {
	plain, err := json.Marshal(ticketCard{
		Tenant: a.Tenant, UserID: a.UserID, Name: a.Name, Roles: a.Roles, Issued: a.IssuedAt, Expires: a.ExpiresAt,
	})
	if err != nil {
		return fmt.Errorf("encode ticket: %w", err)
	}
	name := ticketName(ticket)
	box, err := c.seal.Seal(plain, boxTicket, name)
	if err != nil {
		return fmt.Errorf("seal ticket: %w", err)
	}
	return wrap("put ticket", c.rdb.Set(ctx, ticketKey(name), box, life).Err())
}

// TakeTicket atomically returns and removes the subject of a ticket. If the
// server's reply is lost, so is the ticket: it can never be used twice.
func (c *Client) TakeTicket(ctx context.Context, ticket string) (chatbox.Actor, error) {
	name := ticketName(ticket)
	box, err := c.rdb.GetDel(ctx, ticketKey(name)).Bytes()
	if errors.Is(err, redis.Nil) {
		return chatbox.Actor{}, chatbox.NewError(chatbox.NotFound, "no such ticket", nil)
	}
	if err != nil {
		return chatbox.Actor{}, wrap("take ticket", err)
	}
	plain, err := c.seal.Open(box, boxTicket, name)
	if err != nil {
		return chatbox.Actor{}, fmt.Errorf("open ticket: %w", err)
	}
	var card ticketCard
	if err := json.Unmarshal(plain, &card); err != nil {
		return chatbox.Actor{}, fmt.Errorf("decode ticket: %w", err)
	}
	return chatbox.Actor{
		Tenant: card.Tenant, UserID: card.UserID, Name: card.Name, Roles: card.Roles,
		IssuedAt: card.Issued, ExpiresAt: card.Expires,
	}, nil
}
