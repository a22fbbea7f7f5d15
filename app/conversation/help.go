package conversation

import (
	"context"

	"chatbox"
	"chatbox/app/live"
	"chatbox/app/sessionlog"
)

// Help accepts a request for help as Post accepts a message; it returns the
// session that it is in. A repeat is confirmed as the first one was.
func (s *Service) Help(ctx context.Context, c live.Socket, cmd chatbox.Command) (sessionID string, err error) {
	res, err := s.post(ctx, c, cmd)
	return res.Event.Session.ID, err
}

// helpDraft adds an alert to a request for help unless an alert is pending or
// staff holds the session. This is decided where the event takes effect, so
// that only the first of several concurrent requests gets an alert.
func (s *Service) helpDraft(ctx context.Context, d sessionlog.Draft) sessionlog.Draft {
	decide := d.Decide
	d.Decide = func(b sessionlog.Basis) (chatbox.Event, error) {
		e, err := decide(b)
		if err != nil {
			return e, err
		}
		wait, err := s.deps.HelpLimits.CountHelp(ctx, d.User, d.Session.ID+" "+d.Key)
		if err != nil {
			return e, err
		}
		if wait > 0 {
			return e, &chatbox.Error{Code: chatbox.RateLimited, Message: "help was asked for too often; wait a moment", RetryAfter: wait, Refusal: chatbox.RefusedHelpRate}
		}
		if b.State.HolderID == "" && !b.State.HelpPending {
			e.Alert = &chatbox.Alert{State: chatbox.AlertPending, Due: e.Time}
		}
		return e, nil
	}
	return d
}
