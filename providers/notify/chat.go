package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr"
	"github.com/nicholas-fedor/shoutrrr/pkg/router"

	"chatbox/helpdesk"
)

// chatServices lists the accepted services. Each takes one HTTPS request to a
// fixed host or to the host in the address. The library also supports services
// that write to logs, send mails, or sign in when they are created; these are
// refused.
func chatServices() []string {
	return []string{
		"discord", "generic", "googlechat", "gotify", "mattermost", "ntfy", "opsgenie", "pagerduty", "pushover", "rocketchat", "slack", "teams",
		"telegram", "zulip",
	}
}

// chat sends one line to a chat service through shoutrrr.
type chat struct {
	service string
	sender  *router.ServiceRouter
	busy    chan struct{} // contains an element while a message is being sent
}

// CheckChat returns an error if the address is invalid. The error does not quote
// the address.
func CheckChat(u Secret) error {
	_, err := newChat(u)
	return err
}

func newChat(u Secret) (*chat, error) {
	parsed, err := url.Parse(u.Reveal())
	if err != nil || parsed.Scheme == "" {
		return nil, errors.New("is no address such as slack://…")
	}
	service, _, _ := strings.Cut(parsed.Scheme, "+")
	if !slices.Contains(chatServices(), service) {
		return nil, fmt.Errorf("must begin with one of %s", strings.Join(chatServices(), ", "))
	}
	sender, err := shoutrrr.NewSender(slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), u.Reveal())
	if err != nil {
		return nil, fmt.Errorf("is not an address of %s as shoutrrr writes it", service)
	}
	return &chat{service: service, sender: sender, busy: make(chan struct{}, 1)}, nil
}

// send waits for the library until ctx ends. The library's call cannot be
// cancelled. Until it returns, send refuses further messages for the service. If
// the call succeeds after ctx has ended, a retry shows the message twice.
func (c *chat) send(ctx context.Context, m helpdesk.AlertMessage) error {
	select {
	case c.busy <- struct{}{}:
	default:
		return errors.New("an earlier message is still under way")
	}
	done := make(chan error, 1)
	go func() { // ends with the library's call, which has its own timeouts; nobody waits for it
		defer func() { <-c.busy }()
		done <- errors.Join(c.sender.Send(shortText(m), nil)...)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s did not take it", c.service) // the library's error may quote the address
		}
		return nil
	case <-ctx.Done():
		return bare(ctx.Err())
	}
}
