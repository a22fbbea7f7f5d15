package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// Access is what the edge asks about credentials beside their signature.
type Access interface {
	// Ticket makes a one-time credential that stands for the actor.
	Ticket(ctx context.Context, a chatbox.Actor) (ticket string, life time.Duration, err error)
	// Redeem returns who the ticket stands for, once over all pods:
	// chatbox.Unauthenticated for any other.
	Redeem(ctx context.Context, ticket string) (chatbox.Actor, error)
	// Admit counts a REST request: chatbox.RateLimited beyond the limit,
	// chatbox.Unauthenticated where the credential was withdrawn,
	// chatbox.PermissionDenied where the user is blocked.
	Admit(ctx context.Context, a chatbox.Actor) error
	// Allow is chatbox.Unauthenticated where a socket's credential was
	// withdrawn, chatbox.PermissionDenied where the user is blocked.
	Allow(ctx context.Context, a chatbox.Actor) error
	// ShutOut reports what Allow refuses, as far as this pod knows.
	ShutOut(a chatbox.Actor) bool
	// Disconnect closes a user's sockets on all pods and withdraws the
	// credentials issued so far.
	Disconnect(ctx context.Context, admin chatbox.Actor, userID string) (chatbox.Withdrawal, error)
}

type ticketView struct {
	Ticket    string `json:"ticket"`
	ExpiresIn int64  `json:"expires_in"` // seconds
}

// makeTicket serves POST /ticket.
func (s *Server) makeTicket(c echo.Context) error {
	ticket, life, err := s.deps.Access.Ticket(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, ticketView{Ticket: ticket, ExpiresIn: int64(life / time.Second)})
}

// socketActor finds the credential of an upgrade and whose it is.
func (s *Server) socketActor(r *http.Request) (chatbox.Actor, error) {
	actor, err := s.presented(r)
	if err == nil {
		err = s.deps.Access.Allow(r.Context(), actor)
	}
	return actor, err
}

// presented is whose credential an upgrade shows. The first kind that is there
// is the one that counts, also where it is no good.
func (s *Server) presented(r *http.Request) (chatbox.Actor, error) {
	if token, ok := bearer(r); ok {
		return s.deps.Auth.Actor(r.Context(), token)
	}
	if token, ok := offeredToken(r); ok {
		return s.deps.Auth.Actor(r.Context(), token)
	}
	q := r.URL.Query()
	if ticket := q.Get("ticket"); ticket != "" {
		return s.redeem(r.Context(), ticket)
	}
	if s.cfg.QueryToken {
		return s.deps.Auth.Actor(r.Context(), q.Get("token"))
	}
	return chatbox.Actor{}, invalidToken()
}

// offeredToken is the credential among the WebSocket subprotocols.
func offeredToken(r *http.Request) (string, bool) {
	for _, line := range r.Header.Values("Sec-Websocket-Protocol") {
		for offered := range strings.SplitSeq(line, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(offered), bearerSubprotocol); ok {
				return token, true
			}
		}
	}
	return "", false
}

// redeem uses a ticket up. The token it was asked with may have ended since.
func (s *Server) redeem(ctx context.Context, ticket string) (chatbox.Actor, error) {
	actor, err := s.deps.Access.Redeem(ctx, ticket)
	if err != nil {
		return actor, err
	}
	if !actor.ExpiresAt.IsZero() && time.Now().After(actor.ExpiresAt.Add(Leeway)) {
		return chatbox.Actor{}, chatbox.NewError(chatbox.TokenExpired, "the token has expired", nil)
	}
	return actor, nil
}
