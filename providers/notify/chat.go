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

	"chatbox"
)

// chatServices are the kinds of addresses that are accepted: services that
// take one HTTPS request of a fixed host or of the one in the address. Others
// that the library knows write to logs, send mails, or sign in at start.
func chatServices() []string {
	return []string{
		"discord", "generic", "googlechat", "gotify", "mattermost", "ntfy", "opsgenie", "pagerduty", "pushover", "rocketchat", "slack", "teams",
		"telegram", "zulip",
	}
}

// chat sends one line to a chat service through the library that knows them.
type chat struct {
	service string
	sender  *router.ServiceRouter
	busy    chan struct{} // has one while a send is under way
}

// CheckChat says what is wrong with an address, without quoting it.
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

// send waits for the library no longer than ctx. What the library is doing
// cannot be broken off: until it has ended the service is given nothing else,
// and if it succeeds after all the repeat shows the message twice.
func (c *chat) send(ctx context.Context, m chatbox.AlertMessage) error {
	select {
	case c.busy <- struct{}{}:
	default:
		return errors.New("an earlier message is still under way")
	}
	done := make(chan error, 1)
	go func() { // ends with the library's call, which has timeouts of its own; nobody waits
		defer func() { <-c.busy }()
		done <- errors.Join(c.sender.Send(shortText(m), nil)...)
	}()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("%s did not take it", c.service) // the library's words may quote the address
		}
		return nil
	case <-ctx.Done():
		return bare(ctx.Err())
	}
}
