package doctor

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/config"
	"chatbox/providers/llm"
	"chatbox/providers/notify"
	"chatbox/providers/voice"
)

// site is a web server that answers all requests with 404 and keeps them.
type site struct {
	*httptest.Server

	mu   sync.Mutex // guards following
	seen []*http.Request
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen = append(s.seen, r)
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(s.Close)
	return s
}

func model(id, endpoint string) llm.Provider {
	return llm.Provider{ID: id, Type: llm.TypeOpenAI, Endpoint: endpoint, APIKey: llm.NewSecret("key-of-the-vendor"), Model: "m"}
}

func TestModels_CanBeReached(t *testing.T) {
	s, secure := newSite(t), httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	found := newReacher().lookAtModels(ctx, []llm.Provider{
		model("up", s.URL+"/v1"), model("down", "http://"+closed(t)+"/v1"), model("odd", "nowhere"),
		{ID: "demo", Type: llm.TypeScripted},
		model("distrusted", secure.URL+"/v1"), model("hung", "http://"+hung(t)+"/v1"),
	}, nil)
	require.Len(t, found, 6)
	requireLine(t, found[0:], OK, "llm", `model "up": `+s.URL+" can be reached", "--ask-models")
	requireLine(t, found[1:], Fail, "llm", `model "down": cannot connect to http://127.0.0.1:`, "connection refused", `the ENDPOINT of the model "down"`)
	requireLine(t, found[2:], Fail, "llm", `model "odd"`, "must begin with http")
	requireLine(t, found[3:], OK, "llm", "scripted")
	requireLine(t, found[4:], Fail, "llm", "certificate not accepted")
	requireLine(t, found[5:], Fail, "llm", "no answer in time")
	require.Len(t, s.seen, 1)
	assert.Equal(t, "HEAD /", s.seen[0].Method+" "+s.seen[0].URL.Path, "nothing that costs money")
	assert.Empty(t, s.seen[0].Header.Get("Authorization"))
}

func TestModels_AreAskedOnRequestOnly(t *testing.T) {
	s := newSite(t)
	ask := func(_ context.Context, p llm.Provider) error {
		if p.ID == "bad" {
			return errBroken
		}
		return nil
	}
	found := newReacher().lookAtModels(t.Context(), []llm.Provider{model("good", s.URL), model("bad", s.URL), model("down", "http://"+closed(t))}, ask)
	requireLine(t, found[0:], OK, "llm", `model "good" at `+s.URL+" answers")
	requireLine(t, found[1:], Fail, "llm", `model "bad" at `+s.URL+" does not answer: it is broken")
	requireLine(t, found[2:], Fail, "llm", "connection refused")
}

func TestVoice_CanBeReached(t *testing.T) {
	s := newSite(t)
	found := newReacher().lookAtVoice(t.Context(), config.Voice{Transcribe: voice.Config{Endpoint: s.URL + "/v1", Model: "whisper-1"}})
	requireLine(t, found, OK, "transcribe", "whisper-1", s.URL+" answers")
	requireLine(t, found, OK, "speech", "not configured (SPEECH_ENDPOINT)")
	found = newReacher().lookAtVoice(t.Context(), config.Voice{Speech: voice.Config{Endpoint: "http://" + closed(t), Model: "tts-1"}})
	requireLine(t, found, Fail, "speech", "connection refused", "SPEECH_ENDPOINT")
}

func TestIssuer_Findings(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), KeyID: "k", Use: "sig"}}})
	require.NoError(t, err)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = w.Write(set)
			return
		}
		_, _ = io.WriteString(w, "<html>")
	}))
	defer issuer.Close()
	requireLine(t, lookAtIssuer(t.Context(), config.JWT{}), OK, "jwks", "not configured")
	requireLine(t, lookAtIssuer(t.Context(), config.JWT{JWKS: issuer.URL + "/keys"}), OK, "jwks", issuer.URL+" publishes 1 usable keys")
	requireLine(t, lookAtIssuer(t.Context(), config.JWT{JWKS: issuer.URL}), Fail, "jwks", "not a key set", "JWT_JWKS_URL")
	requireLine(t, lookAtIssuer(t.Context(), config.JWT{JWKS: "http://" + closed(t) + "/keys"}), Fail, "jwks", "connection refused")
}

func TestAlerts_CanBeReached(t *testing.T) {
	s := newSite(t)
	mailAt := func(addr, tls string) notify.EmailConfig {
		host, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		return notify.EmailConfig{To: []string{"team@example.com"}, Host: host, Port: n, TLS: tls}
	}
	look := func(cfg notify.Config) []Finding {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return newReacher().lookAtAlerts(ctx, cfg)
	}
	found := look(notify.Config{})
	require.Len(t, found, 4)
	assert.False(t, Failed(found))
	found = look(notify.Config{
		Email:   mailAt(greeter(t, "220 mail.example.com ESMTP\r\n"), notify.TLSAuto),
		SMS:     notify.SMSConfig{To: []string{"+491701234567"}, Endpoint: s.URL},
		Webhook: notify.WebhookConfig{URL: llm.NewSecret(s.URL + "/token-of-the-hook?sig=token-of-the-hook")},
		Chats:   []notify.Secret{llm.NewSecret("slack://token-of-the-chat")},
	})
	requireLine(t, found, OK, "smtp", "greets")
	requireLine(t, found, OK, "sms", s.URL+" answers")
	requireLine(t, found, OK, "webhook", s.URL+" answers")
	requireLine(t, found, OK, "notify", "1 chat services")
	for _, r := range s.seen {
		assert.Equal(t, "/", r.URL.RequestURI(), "nothing is sent to receivers")
	}
	for _, f := range found {
		assert.NotContains(t, f.Text, "token-of")
	}
	requireLine(t, look(notify.Config{Email: mailAt(greeter(t, "554 no\r\n"), notify.TLSAuto)}), Fail, "smtp", "does not greet", "SMTP_HOST")
	requireLine(t, look(notify.Config{Email: mailAt(greeter(t, "220 plain\r\n"), notify.TLSImplicit)}), Fail, "smtp", "TLS")
	requireLine(t, look(notify.Config{Email: mailAt(closed(t), notify.TLSAuto)}), Fail, "smtp", "connection refused")
	requireLine(t, look(notify.Config{Email: mailAt(hung(t), notify.TLSAuto)}), Fail, "smtp", "no answer in time")
}
