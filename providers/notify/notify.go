// Package notify tells people outside the cluster that a user asks for help:
// by mail, text message, signed webhook and chat services. What it says are
// ids, never a word of a conversation; what it answers with, and so what logs
// show, holds no address and no secret.
package notify

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/http"

	"chatbox"
)

// Secret is a text that is shown to nobody but the receiver it is for.
type Secret interface{ Reveal() string }

// Config is which receivers there are; those that are empty are none.
type Config struct {
	Email   EmailConfig
	SMS     SMSConfig
	Webhook WebhookConfig
	Chats   []Secret // addresses as shoutrrr writes them: slack://…, teams://…
}

// EmailConfig is the mail server and who is written to.
type EmailConfig struct {
	To       []string // addresses; each gets a mail of its own
	From     string
	Host     string
	Port     int
	User     string
	Password Secret         // nil: the server asks for none
	TLS      string         // TLSAuto, TLSStart, TLSImplicit or TLSOff
	Roots    *x509.CertPool // nil: the system's
}

// How a mail server is spoken to. TLSAuto is TLSImplicit at port 465; else
// STARTTLS, which is insisted on where there is a password and the server is
// not this machine.
const (
	TLSAuto     = "auto"
	TLSStart    = "starttls"
	TLSImplicit = "implicit"
	TLSOff      = "off"
)

// SMSConfig is an account at a service that speaks as Twilio's does.
type SMSConfig struct {
	To       []string // numbers, +491701234567; each gets a text of its own
	From     string   // a number, or the id of a messaging service: MG…
	Endpoint string   // base URL
	Account  string
	Token    Secret
}

// WebhookConfig is one receiver of signed requests (Standard Webhooks).
type WebhookConfig struct {
	URL    Secret // may carry a token
	Secret Secret // whsec_ and base64, or the key as it is
}

// Channel is one way to one receiver. It is safe for concurrent use.
type Channel struct {
	name, kind string
	send       func(ctx context.Context, m chatbox.AlertMessage) error
}

// Name tells the channel from the others: its kind, and its place among those
// of its kind.
func (c *Channel) Name() string { return c.name }

// Kind is one of chatbox.ViaEmail, ViaSMS, ViaWebhook and ViaNotify.
func (c *Channel) Kind() string { return c.kind }

// Send returns nil once the receiver has taken the message, and otherwise ends
// with ctx.
func (c *Channel) Send(ctx context.Context, m chatbox.AlertMessage) error { return c.send(ctx, m) }

// New makes the channels that are configured. Close ends idle connections.
func New(cfg Config) (*Channels, error) {
	cs := &Channels{transport: newTransport()}
	for i, to := range cfg.Email.To {
		e := &email{cfg: cfg.Email, to: to}
		cs.add(chatbox.ViaEmail, i, e.send)
	}
	for i, to := range cfg.SMS.To {
		s := &sms{cfg: cfg.SMS, to: to, client: cs.client()}
		cs.add(chatbox.ViaSMS, i, s.send)
	}
	if cfg.Webhook.URL != nil && cfg.Webhook.URL.Reveal() != "" {
		key, err := webhookKey(cfg.Webhook.Secret)
		if err != nil {
			return nil, err
		}
		w := &webhook{url: cfg.Webhook.URL, key: key, client: cs.client()}
		cs.add(chatbox.ViaWebhook, 0, w.send)
	}
	for i, u := range cfg.Chats {
		c, err := newChat(u)
		if err != nil {
			return nil, err
		}
		cs.add(chatbox.ViaNotify, i, c.send)
	}
	return cs, nil
}

// Channels is everything that is configured.
type Channels struct {
	All       []*Channel
	transport *http.Transport
}

// Close ends idle connections.
func (cs *Channels) Close() { cs.transport.CloseIdleConnections() }

func (cs *Channels) add(kind string, place int, send func(context.Context, chatbox.AlertMessage) error) {
	cs.All = append(cs.All, &Channel{name: fmt.Sprint(kind, "-", place+1), kind: kind, send: send})
}

// client follows no redirect: what is sent is for the configured receiver.
func (cs *Channels) client() *http.Client {
	return &http.Client{
		Transport:     cs.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
