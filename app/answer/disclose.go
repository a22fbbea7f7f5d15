package answer

import (
	"context"

	"chatbox"
	"chatbox/app/sessionlog"
)

// disclose appends the session's disclosure unless the log has it. Its key is
// the same on every pod, so that a session never has two.
func (g *generation) disclose(ctx context.Context, st chatbox.State) error {
	text := g.s.cfg.Disclosure
	if text == "" || st.Disclosed {
		return nil
	}
	return g.retryTransient(ctx, func() error {
		_, err := g.s.log.Append(ctx, sessionlog.Draft{
			Session: g.lease.Session, Key: chatbox.ServerKey(string(chatbox.TypeDisclosure)),
			Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
				e := chatbox.Event{
					ID: sessionlog.NewID(), Type: chatbox.TypeDisclosure, Sender: chatbox.SenderSystem, Content: text,
					Status: chatbox.StatusComplete, Time: g.s.log.Now(),
				}
				if b.State.Ended || b.State.HolderID != "" {
					return e, errLost
				}
				return e, nil
			},
		})
		return err
	})
}
