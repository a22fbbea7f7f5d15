package doctor

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/providers/notify"
)

// lookAtIssuer fetches the issuer's public keys.
func lookAtIssuer(ctx context.Context, cfg config.JWT) []Finding {
	const name, setting = "jwks", "JWT_JWKS_URL"
	if cfg.JWKS == "" {
		return []Finding{off(name, setting)}
	}
	n, err := api.NewKeySet(cfg.JWKS, slog.New(slog.DiscardHandler)).Check(ctx)
	if err != nil {
		at := place{what: "the issuer", at: originOf(cfg.JWKS), setting: setting}
		return one(Fail, name, at.trouble(outage.KindOf(err), err))
	}
	return one(OK, name, fmt.Sprintf("%s publishes %d usable keys", originOf(cfg.JWKS), n))
}

// lookAtAlerts examines whether the receivers of alerts can be reached. Nothing is
// sent to them.
func (c reacher) lookAtAlerts(ctx context.Context, cfg notify.Config) []Finding {
	found := []Finding{
		off("smtp", "ADMIN_EMAILS"), off("sms", "ADMIN_PHONES"), off("webhook", "WEBHOOK_URL"), off("notify", "NOTIFY_URLS"),
	}
	if len(cfg.Email.To) > 0 {
		found[0] = lookAtMail(ctx, cfg.Email)
	}
	if len(cfg.SMS.To) > 0 {
		found[1] = c.lookAtWeb(ctx, "sms", "text messages", cfg.SMS.Endpoint, "SMS_ENDPOINT")
	}
	if cfg.Webhook.URL != nil && cfg.Webhook.URL.Reveal() != "" {
		found[2] = c.lookAtWeb(ctx, "webhook", "receiver of alerts", cfg.Webhook.URL.Reveal(), "WEBHOOK_URL")
	}
	if n := len(cfg.Chats); n > 0 {
		found[3] = Finding{OK, "notify", fmt.Sprintf("%d chat services are configured and not asked: a question would be a message", n)}
	}
	return found
}

// lookAtMail waits for the greeting of the mail server.
func lookAtMail(ctx context.Context, cfg notify.EmailConfig) Finding {
	at := place{what: "the mail server", at: net.JoinHostPort(cfg.Host, strconv.Itoa(cfg.Port)), setting: "SMTP_HOST and SMTP_PORT"}
	greeting, err := greet(ctx, at.at, cfg)
	switch {
	case err != nil:
		return Finding{Fail, "smtp", at.trouble(outage.KindOf(err), err)}
	case !strings.HasPrefix(greeting, "220"):
		return Finding{Fail, "smtp", at.at + " does not greet like a mail server that accepts mail. Correct SMTP_HOST and SMTP_PORT, or SMTP_TLS"}
	default:
		return Finding{OK, "smtp", at.at + " greets; user and password are not tried"}
	}
}

// maxGreeting is the longest first line of a mail server in bytes.
const maxGreeting = 1024

func greet(ctx context.Context, addr string, cfg notify.EmailConfig) (string, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // ends with the greeting or with ctx
	defer func() {
		stop()
		_ = conn.Close() // nothing was sent
	}()
	if cfg.ImplicitTLS() {
		secure := tls.Client(conn, &tls.Config{ServerName: cfg.Host, MinVersion: tls.VersionTLS12, RootCAs: cfg.Roots})
		if err := secure.HandshakeContext(ctx); err != nil {
			return "", errors.Join(context.Cause(ctx), err)
		}
		conn = secure
	}
	greeting, err := bufio.NewReader(io.LimitReader(conn, maxGreeting)).ReadString('\n')
	if err != nil {
		return "", errors.Join(context.Cause(ctx), err)
	}
	return greeting, nil
}
