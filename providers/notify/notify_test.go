package notify

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/helpdesk"
	"chatbox/test/receivers"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(int) { http.DefaultTransport.(*http.Transport).CloseIdleConnections() }))
}

type secret string

func (s secret) Reveal() string { return string(s) }

func message() helpdesk.AlertMessage {
	return helpdesk.AlertMessage{
		ID: "alert_abc", Event: helpdesk.NoticeHelp, Tenant: "acme", SessionID: "s-1", UserID: "ada",
		Time: time.Date(2026, 3, 4, 5, 6, 7, 89_000_000, time.UTC),
	}
}

// only makes the configuration's one channel.
func only(t *testing.T, cfg Config) *Channel {
	t.Helper()
	cs, err := New(cfg)
	require.NoError(t, err)
	t.Cleanup(cs.Close)
	require.Len(t, cs.All, 1)
	return cs.All[0]
}

func send(t *testing.T, c *Channel, m helpdesk.AlertMessage) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return c.Send(ctx, m)
}

func mailConfig(t *testing.T, addr string) EmailConfig {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	return EmailConfig{To: []string{"team@example.com"}, From: "Chat <chat@example.com>", Host: host, Port: n}
}

// parts reads a mail's two bodies.
func parts(t *testing.T, m *mail.Message) (plain, html string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	require.NoError(t, err)
	require.Equal(t, "multipart/alternative", kind)
	r := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return plain, html
		}
		require.NoError(t, err)
		b, err := io.ReadAll(quotedprintable.NewReader(p))
		require.NoError(t, err)
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			html = string(b)
		} else {
			plain = string(b)
		}
	}
}

func TestEmail_SaysWhoAsksAndNothingCanBeginAHeader(t *testing.T) {
	var srv receivers.MailServer
	c := only(t, Config{Email: mailConfig(t, srv.Start(t, ""))})
	m := message()
	m.UserID = "ada\r\nBcc: everybody@example.com\r\n\r\n<script>alert(1)</script>\u202e"
	m.Tenant = "a&b"
	require.NoError(t, send(t, c, m))
	require.NoError(t, send(t, c, message()))
	mails := srv.Mails()
	require.Len(t, mails, 2)
	assert.Equal(t, []string{"team@example.com"}, mails[0].To)
	assert.Equal(t, "chat@example.com", mails[0].From)
	read, err := mail.ReadMessage(strings.NewReader(mails[0].Data))
	require.NoError(t, err)
	assert.Empty(t, read.Header.Get("Bcc"))
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	require.NoError(t, err)
	assert.NotContains(t, subject, "\n")
	assert.NotContains(t, subject, "\u202e")
	assert.Equal(t, "<alert_abc@example.com>", read.Header.Get("Message-Id"))
	assert.Equal(t, "auto-generated", read.Header.Get("Auto-Submitted"))
	plain, html := parts(t, read)
	assert.Contains(t, plain, "s-1")
	assert.NotContains(t, html, "<script>")
	assert.Contains(t, html, "&lt;script&gt;")
	assert.Contains(t, html, "a&amp;b")
	again, err := mail.ReadMessage(strings.NewReader(mails[1].Data))
	require.NoError(t, err)
	assert.Equal(t, read.Header.Get("Message-Id"), again.Header.Get("Message-Id"), "a repeat can be told")
	assert.Equal(t, "ada asks for help", again.Header.Get("Subject"))
	assert.Equal(t, "email-1", c.Name())
	assert.Equal(t, helpdesk.ViaEmail, c.Kind())
}

func TestEmail_ARefusalIsAnErrorWithoutAddresses(t *testing.T) {
	srv := receivers.MailServer{Answer: func(int) string { return "451 not now, team@example.com" }}
	c := only(t, Config{Email: mailConfig(t, srv.Start(t, ""))})
	err := send(t, c, message())
	require.Error(t, err)
	assert.Contains(t, err.Error(), "451")
	assert.NotContains(t, err.Error(), "example.com")
	assert.Empty(t, srv.Mails())
	srv.Stop()
	require.Error(t, send(t, c, message()), "nobody listens")
}

func TestEmail_EndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	srv := receivers.MailServer{Answer: func(int) string { <-release; return "" }}
	c := only(t, Config{Email: mailConfig(t, srv.Start(t, ""))})
	t.Cleanup(func() { close(release) }) // before the server is stopped
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Send(ctx, message()) }()
	require.Eventually(t, func() bool { return srv.Tried() == 1 }, 5*time.Second, time.Millisecond)
	cancel()
	require.Error(t, <-done)
}

func TestEmail_Encryption(t *testing.T) {
	cert, roots := certificate(t)
	t.Run("a password goes over TLS", func(t *testing.T) {
		srv := receivers.MailServer{Cert: cert, User: "u", Password: "p"}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.User, cfg.Password, cfg.Roots, cfg.TLS = "u", secret("p"), roots, TLSStart
		require.NoError(t, send(t, only(t, Config{Email: cfg}), message()))
		require.Len(t, srv.Mails(), 1)
		assert.True(t, srv.Mails()[0].TLS)
		assert.Equal(t, "u", srv.Mails()[0].User)
	})
	t.Run("required and not offered", func(t *testing.T) {
		srv := receivers.MailServer{User: "u", Password: "p"}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.User, cfg.Password, cfg.TLS = "u", secret("p"), TLSStart
		require.Error(t, send(t, only(t, Config{Email: cfg}), message()))
		assert.Empty(t, srv.Mails())
	})
	t.Run("an unknown issuer", func(t *testing.T) {
		srv := receivers.MailServer{Cert: cert}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.TLS = TLSStart
		err := send(t, only(t, Config{Email: cfg}), message())
		require.ErrorContains(t, err, "not trusted")
		assert.Empty(t, srv.Mails())
	})
	t.Run("a wrong password", func(t *testing.T) {
		srv := receivers.MailServer{User: "u", Password: "p"}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.User, cfg.Password = "u", secret("wrong-secret")
		err := send(t, only(t, Config{Email: cfg}), message())
		require.ErrorContains(t, err, "535")
		assert.NotContains(t, err.Error(), "wrong-secret")
	})
	t.Run("implicit", func(t *testing.T) {
		srv := receivers.MailServer{Cert: cert, Implicit: true, User: "u", Password: "p"}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.User, cfg.Password, cfg.Roots, cfg.TLS = "u", secret("p"), roots, TLSImplicit
		require.NoError(t, send(t, only(t, Config{Email: cfg}), message()))
		assert.True(t, srv.Mails()[0].TLS)
	})
	t.Run("this machine", func(t *testing.T) {
		srv := receivers.MailServer{User: "u", Password: "p"}
		cfg := mailConfig(t, srv.Start(t, ""))
		cfg.User, cfg.Password = "u", secret("p")
		require.NoError(t, send(t, only(t, Config{Email: cfg}), message()))
	})
	for host, insists := range map[string]bool{"127.0.0.1": false, "localhost": false, "mail.example.com": true} {
		e := &email{cfg: EmailConfig{Host: host, Port: 587, User: "u"}}
		policy, implicit := e.security()
		assert.Equal(t, insists, policy.String() == "TLSMandatory", host)
		assert.False(t, implicit)
		e.cfg.Port = 465
		_, implicit = e.security()
		assert.True(t, implicit)
	}
}

func certificate(t *testing.T) (*tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(parsed)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

const raw = "0123456789abcdef01234567"

func TestWebhook_SignedAsTheStandardSays(t *testing.T) {
	for _, key := range []secret{raw, secret("whsec_" + base64.StdEncoding.EncodeToString([]byte(raw)))} {
		var srv receivers.WebServer
		srv.Start(t, "")
		c := only(t, Config{Webhook: WebhookConfig{URL: secret(srv.URL + "/hook?token=t"), Secret: key}})
		require.NoError(t, send(t, c, message()))
		require.NoError(t, send(t, c, message()))
		got := srv.Requests()
		require.Len(t, got, 2)
		for _, r := range got {
			id, at := r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
			assert.Equal(t, "alert_abc", id)
			n, err := strconv.ParseInt(at, 10, 64)
			require.NoError(t, err)
			assert.InDelta(t, time.Now().Unix(), n, 60)
			mac := hmac.New(sha256.New, []byte(raw))
			fmt.Fprintf(mac, "%s.%s.%s", id, at, r.Body)
			assert.Equal(t, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)), r.Header.Get("webhook-signature"))
			assert.JSONEq(t, `{"type":"help_requested","timestamp":"2026-03-04T05:06:07.089Z","data":{"tenant":"acme","session_id":"s-1","user_id":"ada"}}`, r.Body)
		}
	}
}

// The example of the standard's own text.
func TestWebhook_TheStandardsExample(t *testing.T) {
	key, err := webhookKey(secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"))
	require.NoError(t, err)
	assert.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`)))
}

func TestWebhook_OnlyTwoHundredsCountAndNoRedirectIsFollowed(t *testing.T) {
	var elsewhere receivers.WebServer
	elsewhere.Start(t, "")
	for _, status := range []int{301, 307, 400, 401, 410, 429, 500, 503} {
		srv := receivers.WebServer{Answer: func(w http.ResponseWriter, _ *http.Request, _ int) int {
			w.Header().Set("Location", elsewhere.URL)
			return status
		}}
		srv.Start(t, "")
		c := only(t, Config{Webhook: WebhookConfig{URL: secret(srv.URL + "/very-secret-path"), Secret: secret(raw)}})
		err := send(t, c, message())
		require.Error(t, err)
		assert.Contains(t, err.Error(), strconv.Itoa(status))
	}
	assert.Empty(t, elsewhere.Requests())
}

func TestWebhook_ErrorsDoNotTellTheAddress(t *testing.T) {
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	for _, u := range []string{"http://" + addr + "/very-secret", "http://very-secret.invalid/very-secret"} {
		c := only(t, Config{Webhook: WebhookConfig{URL: secret(u), Secret: secret(raw)}})
		err := send(t, c, message())
		require.Error(t, err)
		assert.NotContains(t, err.Error(), "/very-secret")
	}
}

func TestSend_AReceiverThatHangsIsGivenUp(t *testing.T) {
	release := make(chan struct{})
	srv := receivers.WebServer{Answer: func(http.ResponseWriter, *http.Request, int) int { <-release; return 200 }}
	srv.Start(t, "")
	t.Cleanup(func() { close(release) })
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	for _, cfg := range []Config{
		{Webhook: WebhookConfig{URL: secret(srv.URL), Secret: secret(raw)}},
		{SMS: SMSConfig{To: []string{"+1"}, From: "+2", Endpoint: srv.URL, Account: "AC1", Token: secret("t")}},
		{Chats: []Secret{secret("mattermost://" + u.Host + "/token?disabletls=yes")}},
	} {
		c := only(t, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		err := c.Send(ctx, message())
		cancel()
		require.Error(t, err)
		assert.Contains(t, err.Error(), "in time", c.Kind())
	}
}

func TestSMS_SpeaksAsTwilioDoes(t *testing.T) {
	srv := receivers.WebServer{Answer: func(http.ResponseWriter, *http.Request, int) int { return http.StatusCreated }}
	srv.Start(t, "")
	cs, err := New(Config{SMS: SMSConfig{
		To: []string{"+491701234567", "+491701234568"}, From: "+4930123", Endpoint: srv.URL + "/", Account: "AC1", Token: secret("tok"),
	}})
	require.NoError(t, err)
	t.Cleanup(cs.Close)
	require.Len(t, cs.All, 2)
	m := message()
	m.UserID = "eve\nSession s-2 is fine"
	for _, c := range cs.All {
		require.NoError(t, send(t, c, m))
	}
	got := srv.Requests()
	require.Len(t, got, 2)
	for i, r := range got {
		assert.Equal(t, "/2010-04-01/Accounts/AC1/Messages.json", r.Path)
		assert.Equal(t, "Basic "+base64.StdEncoding.EncodeToString([]byte("AC1:tok")), r.Header.Get("Authorization"))
		form, err := url.ParseQuery(r.Body)
		require.NoError(t, err)
		assert.Equal(t, fmt.Sprint("+49170123456", 7+i), form.Get("To"))
		assert.Equal(t, "+4930123", form.Get("From"))
		assert.Contains(t, form.Get("Body"), "s-1")
		assert.NotContains(t, form.Get("Body"), "\n")
	}
	assert.Equal(t, "sms-2", cs.All[1].Name())
	service := only(t, Config{SMS: SMSConfig{To: []string{"+1"}, From: "MG7", Endpoint: srv.URL, Account: "AC1", Token: secret("tok")}})
	require.NoError(t, send(t, service, message()))
	form, err := url.ParseQuery(srv.Requests()[2].Body)
	require.NoError(t, err)
	assert.Equal(t, "MG7", form.Get("MessagingServiceSid"))
	assert.Empty(t, form.Get("From"))
}

func TestChat_ThroughTheLibrary(t *testing.T) {
	var srv receivers.WebServer
	srv.Start(t, "")
	u, err := url.Parse(srv.URL)
	require.NoError(t, err)
	c := only(t, Config{Chats: []Secret{secret("mattermost://" + u.Host + "/very-secret?disabletls=yes")}})
	require.NoError(t, send(t, c, message()))
	got := srv.Requests()
	require.Len(t, got, 1)
	assert.Equal(t, "/hooks/very-secret", got[0].Path)
	var body struct{ Text string }
	require.NoError(t, json.Unmarshal([]byte(got[0].Body), &body))
	assert.Equal(t, "ada asks for help since 2026-03-04 05:06 UTC. Session s-1, tenant acme.", body.Text)
	assert.Equal(t, "notify-1", c.Name())
}

func TestCheckChat(t *testing.T) {
	for _, ok := range []string{
		"slack://hook:AAAAAAAAA-BBBBBBBBB-123456789123456789123456@webhook", "mattermost://chat.example.com/token", "discord://token@1234567890",
		"generic+https://example.com/hook",
	} {
		require.NoError(t, CheckChat(secret(ok)), ok)
	}
	for _, bad := range []string{"", "nothing", "logger://", "smtp://u:p@h/?from=a@b.c&to=d@e.f", "slack://very-secret", "https://example.com/very-secret", "carrier-pigeon://x"} {
		err := CheckChat(secret(bad))
		require.Error(t, err, bad)
		assert.NotContains(t, err.Error(), "very-secret")
	}
}

func TestCheckWebhookSecret(t *testing.T) {
	require.NoError(t, CheckWebhookSecret(secret(raw)))
	for _, bad := range []string{"", "short", "whsec_short", "whsec_" + base64.StdEncoding.EncodeToString([]byte("too short")), "whsec_%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%%"} {
		require.Error(t, CheckWebhookSecret(secret(bad)), bad)
	}
}

func TestShown(t *testing.T) {
	assert.Equal(t, "a??b", shown("a\r\nb"))
	assert.Equal(t, strings.Repeat("é", 80)+"…", shown(strings.Repeat("é", 81)))
	assert.Equal(t, "?[31m", shown("\x1b[31m"))
	assert.False(t, bytes.ContainsRune([]byte(shown("\u202e")), '\u202e'))
}
