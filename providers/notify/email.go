package notify

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/wneessen/go-mail"

	"chatbox/helpdesk"
)

const (
	portImplicit = 465
	sendBound    = 10 * time.Second // used if the context has no deadline
)

// email sends mails to one address. Each mail uses a new connection, since mails
// are rare.
type email struct {
	cfg EmailConfig
	to  string
}

func (e *email) send(ctx context.Context, m helpdesk.AlertMessage) error {
	msg, err := e.compose(m)
	if err != nil {
		return err
	}
	client, err := e.dialer(ctx)
	if err != nil {
		return err
	}
	err = client.DialAndSendWithContext(ctx, msg)
	if err == nil || msg.IsDelivered() {
		return nil // an error after the server has accepted the mail does not matter
	}
	return mailFailure(err)
}

// compose returns the mail. The addresses were checked with the configuration,
// and the library encodes headers, so no value can inject a header.
func (e *email) compose(m helpdesk.AlertMessage) (*mail.Msg, error) {
	msg := mail.NewMsg()
	if err := msg.From(e.cfg.From); err != nil {
		return nil, errors.New("EMAIL_FROM is no address")
	}
	if err := msg.To(e.to); err != nil {
		return nil, errors.New("the receiver is no address")
	}
	html, err := htmlText(m)
	if err != nil {
		return nil, err
	}
	msg.Subject(subject(m))
	msg.SetMessageIDWithValue(messageID(m, e.cfg.From))
	msg.SetDateWithValue(sentAt(m))
	msg.SetGenHeader(mail.Header("Auto-Submitted"), "auto-generated")
	msg.SetBodyString(mail.TypeTextPlain, plainText(m))
	msg.AddAlternativeString(mail.TypeTextHTML, html)
	return msg, nil
}

// dialer returns a client for one mail. Its connection is closed when ctx ends.
func (e *email) dialer(ctx context.Context) (*mail.Client, error) {
	bound := sendBound
	if by, ok := ctx.Deadline(); ok {
		bound = max(time.Until(by), time.Millisecond)
	}
	opts := []mail.Option{
		mail.WithPort(e.cfg.Port), mail.WithTimeout(bound), mail.WithoutNoop(),
		mail.WithTLSConfig(&tls.Config{ServerName: e.cfg.Host, MinVersion: tls.VersionTLS12, RootCAs: e.cfg.Roots}),
	}
	policy, implicit := e.security()
	if implicit {
		opts = append(opts, mail.WithSSL())
	} else {
		opts = append(opts, mail.WithTLSPolicy(policy), mail.WithDialContextFunc(ending(ctx)))
	}
	if e.cfg.User != "" && e.cfg.Password != nil {
		opts = append(opts, mail.WithUsername(e.cfg.User), mail.WithPassword(e.cfg.Password.Reveal()), mail.WithSMTPAuth(e.auth(policy)))
	}
	client, err := mail.NewClient(e.cfg.Host, opts...)
	if err != nil {
		return nil, errors.New("the mail server's settings cannot be used")
	}
	return client, nil
}

// ImplicitTLS reports whether connections begin with TLS.
func (c EmailConfig) ImplicitTLS() bool {
	return c.TLS == TLSImplicit || c.TLS != TLSStart && c.TLS != TLSOff && c.Port == portImplicit
}

// security returns how the connection is encrypted.
func (e *email) security() (policy mail.TLSPolicy, implicit bool) {
	switch {
	case e.cfg.ImplicitTLS():
		return mail.TLSMandatory, true
	case e.cfg.TLS == TLSOff:
		return mail.NoTLS, false
	case e.cfg.TLS == TLSStart, e.cfg.User != "" && !Loopback(e.cfg.Host):
		return mail.TLSMandatory, false
	default:
		return mail.TLSOpportunistic, false
	}
}

// auth returns the authentication method. The library chooses one that the server
// offers. A password is sent unencrypted only to this machine.
func (e *email) auth(policy mail.TLSPolicy) mail.SMTPAuthType {
	if policy != mail.TLSMandatory && Loopback(e.cfg.Host) {
		return mail.SMTPAuthPlainNoEnc
	}
	return mail.SMTPAuthAutoDiscover
}

// Loopback reports whether a host is this machine.
func Loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// ending returns a dial function. Its connections are closed when ctx ends.
func ending(ctx context.Context) mail.DialContextFunc {
	return func(dial context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTimeout}
		conn, err := d.DialContext(dial, network, addr)
		if err != nil {
			return nil, err
		}
		c := &endingConn{Conn: conn}
		c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
		return c, nil
	}
}

type endingConn struct {
	net.Conn

	stop func() bool
}

func (c *endingConn) Close() error {
	c.stop()
	return c.Conn.Close()
}

// mailFailure describes a server's error without the server's text, which may
// quote addresses.
func mailFailure(err error) error {
	if s, ok := errors.AsType[*mail.SendError](err); ok {
		if code := s.ErrorCode(); code > 0 {
			return errors.New("the mail server answered " + strconv.Itoa(code) + " (" + s.Reason.String() + ")")
		}
		return fmt.Errorf("the mail server took no mail (%s)", s.Reason.String())
	}
	return bare(err)
}
