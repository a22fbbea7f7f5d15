package conversation

import (
	"context"
	"time"

	"chatbox"
)

// Alerts has staff told of what is durable already.
type Alerts interface {
	// Raise says that the event's alert is in the history. It does not block,
	// and nothing is lost where it does nothing: pods look for alerts.
	Raise(e chatbox.Event)
}

// HelpLimits bound how often a user may ask for help.
type HelpLimits interface {
	// CountHelp counts one request by its key, the same one once; it returns
	// how long to wait where it comes too early, and then it was not counted.
	CountHelp(ctx context.Context, u chatbox.UserKey, key string) (wait time.Duration, err error)
}

// Help accepts a request for help as Post accepts a message; it returns the
// session that it is in. A repeat is confirmed as the first one was.
func (s *Service) Help(ctx context.Context, c Socket, cmd chatbox.Command) (sessionID string, err error) {
	res, err := s.post(ctx, c, cmd)
	return res.event.Session.ID, err
}

// helpDraft makes a request for help one that staff is told of, unless it has
// been told or holds the session: decided where the event takes effect, so of
// requests that meet only the first one is told.
func (s *Service) helpDraft(ctx context.Context, d draft) draft {
	decide := d.decide
	d.decide = func(p place) (chatbox.Event, error) {
		e, err := decide(p)
		if err != nil {
			return e, err
		}
		wait, err := s.HelpLimits.CountHelp(ctx, d.user, d.session.ID+" "+d.key)
		if err != nil {
			return e, err
		}
		if wait > 0 {
			return e, &chatbox.Error{Code: chatbox.RateLimited, Message: "help was asked for too often; wait a moment", RetryAfter: wait, Refusal: chatbox.RefusedHelpRate}
		}
		if p.state.HolderID == "" && !p.state.HelpPending {
			e.Alert = &chatbox.Alert{State: chatbox.AlertPending, Due: e.Time}
		}
		return e, nil
	}
	return d
}
