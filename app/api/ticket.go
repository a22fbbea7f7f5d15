package api

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"chatbox"
)

// Access checks credentials beyond their signature.
type Access interface {
	// Ticket returns a one-time credential for the actor.
	Ticket(ctx context.Context, a chatbox.Actor) (ticket string, life time.Duration, err error)
	// Redeem returns the ticket's actor. A ticket works once over all pods; any
	// other gives chatbox.Unauthenticated.
	Redeem(ctx context.Context, ticket string) (chatbox.Actor, error)
	// Admit counts a REST request. It returns chatbox.RateLimited beyond the
	// limit, chatbox.Unauthenticated if the credential was withdrawn, and
	// chatbox.PermissionDenied if the user is blocked.
	Admit(ctx context.Context, a chatbox.Actor) error
	// Allow returns chatbox.Unauthenticated if a socket's credential was
	// withdrawn, and chatbox.PermissionDenied if the user is blocked.
	Allow(ctx context.Context, a chatbox.Actor) error
	// ShutOut reports whether Allow would refuse the actor, as far as this pod
	// knows. It does no I/O.
	ShutOut(a chatbox.Actor) bool
	// Disconnect closes a user's sockets on all pods and withdraws all
	// credentials issued so far.
	Disconnect(ctx context.Context, admin chatbox.Actor, userID string) (chatbox.Withdrawal, error)
}

type ticketView struct {
	Ticket    string `json:"ticket"`
	ExpiresIn int64  `json:"expires_in"` // seconds
}

// ticketRoutes serve one-time credentials of sockets.
type ticketRoutes struct{ access Access }

func (s *ticketRoutes) register(e *edge) { e.echo.POST(e.cfg.Prefix+"/ticket", s.makeTicket, e.user) }

// makeTicket serves POST /ticket.
func (s *ticketRoutes) makeTicket(c echo.Context) error {
	ticket, life, err := s.access.Ticket(c.Request().Context(), actorOf(c))
	if err != nil {
		return err
	}
	return reply(c, ticketView{Ticket: ticket, ExpiresIn: int64(life / time.Second)})
}

// socketActor returns the actor of a request for a socket. Only an upgrade may
// offer a token among its subprotocols.
func (s *sockets) socketActor(r *http.Request, upgrade bool) (chatbox.Actor, error) {
	actor, err := s.presented(r, upgrade)
	if err == nil {
		err = s.deps.Access.Allow(r.Context(), actor)
	}
	return actor, err
}

// presented verifies the request's credential. The first kind of credential that
// is present decides, even if it is invalid.
func (s *sockets) presented(r *http.Request, upgrade bool) (chatbox.Actor, error) {
	if token, ok := bearer(r); ok {
		return s.deps.Auth.Actor(r.Context(), token)
	}
	if token, ok := offeredToken(r); ok && upgrade {
		return s.deps.Auth.Actor(r.Context(), token)
	}
	if err := readableQuery(r); err != nil {
		return chatbox.Actor{}, err // which of two is meant is not known, and a ticket is used once
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

// offeredToken returns the token among the WebSocket subprotocols.
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

// redeem redeems a ticket. The token that it was requested with may have expired
// since.
func (s *sockets) redeem(ctx context.Context, ticket string) (chatbox.Actor, error) {
	actor, err := s.deps.Access.Redeem(ctx, ticket)
	if err != nil {
		return actor, err
	}
	if !actor.ExpiresAt.IsZero() && time.Now().After(actor.ExpiresAt.Add(Leeway)) {
		return chatbox.Actor{}, chatbox.NewError(chatbox.TokenExpired, "the token has expired", nil)
	}
	return actor, nil
}
