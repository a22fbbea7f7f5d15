// Package notify tells people outside the cluster that a user asks for help, by
// mail, text message, signed webhook or chat service. Its messages contain IDs
// and no content of a conversation. Its errors contain no addresses and no
// secrets, so logs show none.
package notify

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"chatbox/helpdesk"
)

// Secret is a text that must be shown only to its receiver.
type Secret interface{ Reveal() string }

// Config lists the receivers. Empty fields configure no receiver.
type Config struct {
	Email   EmailConfig
	SMS     SMSConfig
	Webhook WebhookConfig
	Chats   []Secret // addresses in the format of shoutrrr: slack://…, teams://…
}

// EmailConfig configures the mail server and the addresses.
type EmailConfig struct {
	To       []string // each address gets a separate mail
	From     string
	Host     string
	Port     int
	User     string
	Password Secret         // nil: the server requires none
	TLS      string         // TLSAuto, TLSStart, TLSImplicit or TLSOff
	Roots    *x509.CertPool // nil: the system's
}

// Values of EmailConfig.TLS. TLSAuto is TLSImplicit at port 465, otherwise
// STARTTLS. STARTTLS is required if there is a user and the server is not this
// machine.
const (
	TLSAuto     = "auto"
	TLSStart    = "starttls"
	TLSImplicit = "implicit"
	TLSOff      = "off"
)

// SMSConfig is an account at Twilio or at a service with the same API.
type SMSConfig struct {
	To       []string // phone numbers such as +491701234567; each gets a separate message
	From     string   // a number, or the ID of a messaging service: MG…
	Endpoint string   // base URL
	Account  string
	Token    Secret
}

// WebhookConfig is one receiver of signed requests (Standard Webhooks).
type WebhookConfig struct {
	URL    Secret // may contain a token
	Secret Secret // whsec_ and base64, or the raw key
}

// Channel sends messages to one receiver. It is safe for concurrent use.
type Channel struct {
	name, kind string
	send       func(ctx context.Context, m helpdesk.AlertMessage) error
}

// Name returns the kind of the channel and its number among the channels of its
// kind, such as email-1.
func (c *Channel) Name() string { return c.name }

// Kind returns helpdesk.ViaEmail, ViaSMS, ViaWebhook or ViaNotify.
func (c *Channel) Kind() string { return c.kind }

// Send returns nil after the receiver has accepted the message. It returns an
// error if the receiver fails or ctx ends.
func (c *Channel) Send(ctx context.Context, m helpdesk.AlertMessage) error { return c.send(ctx, m) }

// New returns the configured channels. It returns an error if the webhook's
// secret or a chat address is invalid.
func New(cfg Config) (*Channels, error) {
	cs := &Channels{transport: newTransport()}
	for i, to := range cfg.Email.To {
		e := &email{cfg: cfg.Email, to: to}
		cs.add(helpdesk.ViaEmail, i, e.send)
	}
	for i, to := range cfg.SMS.To {
		s := &sms{cfg: cfg.SMS, to: to, client: cs.client()}
		cs.add(helpdesk.ViaSMS, i, s.send)
	}
	if cfg.Webhook.URL != nil && cfg.Webhook.URL.Reveal() != "" {
		key, err := webhookKey(cfg.Webhook.Secret)
		if err != nil {
			return nil, err
		}
		w := &webhook{url: cfg.Webhook.URL, key: key, client: cs.client()}
		cs.add(helpdesk.ViaWebhook, 0, w.send)
	}
	for i, u := range cfg.Chats {
		c, err := newChat(u)
		if err != nil {
			return nil, err
		}
		cs.add(helpdesk.ViaNotify, i, c.send)
	}
	return cs, nil
}

// Channels holds all configured channels. Close it when they are not used any
// more.
type Channels struct {
	All       []*Channel
	transport *http.Transport
}

// Close closes idle connections.
func (cs *Channels) Close() { cs.transport.CloseIdleConnections() }

func (cs *Channels) add(kind string, place int, send func(context.Context, helpdesk.AlertMessage) error) {
	cs.All = append(cs.All, &Channel{name: fmt.Sprint(kind, "-", place+1), kind: kind, send: send})
}

// client returns a client that follows no redirects, since requests are meant
// only for the configured receiver.
func (cs *Channels) client() *http.Client {
	return &http.Client{
		Transport:     cs.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
