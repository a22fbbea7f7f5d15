package doctor

import (
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/config"
)

// names are the lines of a sound configuration in their order.
func names() []string {
	return []string{
		"config", "redis", "mongodb", "keys", "llm", "files", "clamd", "transcribe", "speech", "jwks", "smtp", "sms", "webhook", "notify", "nofile", "listen", "metrics",
	}
}

func namesOf(all []Finding) []string {
	var out []string
	for _, f := range all {
		if len(out) == 0 || out[len(out)-1] != f.Name {
			out = append(out, f.Name)
		}
	}
	return out
}

func environ(t *testing.T, more ...string) []string {
	t.Helper()
	return append([]string{
		"JWT_SECRET=q8Zr2Kx7Vn4Tj9Wb5Hc1Yd6Mf3Ls0PgRaE", "ENCRYPTION_KEY=u7Wq2Zx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG", "WS_ALLOWED_ORIGINS=https://chat.example.com",
		"LLM_PROVIDER_1_ID=small", "LLM_PROVIDER_1_TYPE=scripted", "POD_ID=a", "LISTEN_ADDR=127.0.0.1:0",
		"REDIS_URL=redis://" + closed(t), "MONGO_URI=mongodb://" + closed(t) + "/",
	}, more...)
}

func TestExamine_NothingIsThere(t *testing.T) {
	found := Examine(t.Context(), environ(t), "", Options{Within: time.Second})
	assert.Equal(t, names(), namesOf(found))
	requireLine(t, found, OK, "config", "all settings are valid")
	requireLine(t, found, Fail, "redis", "connection refused")
	requireLine(t, found, Fail, "mongodb", "connection refused")
	assert.True(t, Failed(found))
}

// TestExamine_ServersThatHang: the checks' own limits end the examination.
func TestExamine_ServersThatHang(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	at := hung(t)
	found := Examine(t.Context(), environ(t,
		"REDIS_URL=redis://"+at, "MONGO_URI=mongodb://"+at, "LLM_PROVIDER_1_TYPE=openai", "LLM_PROVIDER_1_MODEL=m", "LLM_PROVIDER_1_API_KEY=k8Zr2Kx7Vn4Tj9Wb5Hc1",
		"LLM_PROVIDER_1_ENDPOINT=http://"+at+"/v1", "FILES_URL=s3://bucket?endpoint=http://"+at+"&region=eu", "CLAMD_ADDR="+at,
		"TRANSCRIBE_ENDPOINT=http://"+at+"/v1", "JWT_JWKS_URL=http://"+at+"/keys", "ADMIN_EMAILS=a@example.com", "EMAIL_FROM=b@example.com",
		"SMTP_HOST=127.0.0.1", "SMTP_PORT="+at[strings.LastIndexByte(at, ':')+1:],
	), "", Options{Within: 300 * time.Millisecond})
	for _, name := range []string{"redis", "mongodb", "llm", "clamd", "transcribe", "jwks", "smtp", "files"} {
		requireLine(t, found, Fail, name, "no answer in time")
	}
}

func TestExamine_FaultySettings(t *testing.T) {
	found := Examine(t.Context(), environ(t, "REDIS_URL=nowhere", "RATE_LIMIT=0", "LLM_PROVIDER_1_TYPE=odd"), "", Options{Within: time.Second})
	faults := 0
	for _, f := range found {
		if f.Name == "config" {
			assert.Equal(t, Fail, f.Level)
			faults++
		}
	}
	assert.Equal(t, 3, faults, "a line for each fault: %v", found)
	requireLine(t, found, Warn, "redis", "not checked")
	requireLine(t, found, Warn, "llm", "not checked")
	requireLine(t, found, Fail, "mongodb", "connection refused")
	requireLine(t, Examine(t.Context(), nil, "/nowhere/c.yaml", Options{Within: time.Second}), Fail, "config", "--config")
}

func TestExamine_DangerousSettings(t *testing.T) {
	found := Examine(t.Context(), environ(t, "CHATBOX_ENV=development", "JWT_REQUIRE_EXP=off", "TRUSTED_PROXIES=0.0.0.0/0"), "", Options{Within: time.Second})
	var all strings.Builder
	require.NoError(t, Print(&all, found))
	for _, part := range []string{"warn config: TRUSTED_PROXIES", "warn config: CHATBOX_ENV is development", "warn config: JWT_REQUIRE_EXP is off"} {
		assert.Contains(t, all.String(), part)
	}
}

// TestExamine_NoSecretIsPrinted plants secrets in all settings that hold any. The
// vendor quotes the key that it refuses, as some do.
func TestExamine_NoSecretIsPrinted(t *testing.T) {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":{"message":"no such key: `+r.Header.Get("Authorization")+`","code":"`+strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")+`"}}`, http.StatusUnauthorized)
	}))
	defer vendor.Close()
	second := base64.StdEncoding.EncodeToString([]byte("Sx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsGu7Wq2"))
	env := environ(t,
		"JWT_SECRET=Sq8Zr2Kx7Vn4Tj9Wb5Hc1Yd6Mf3Ls0PgRaE", "ENCRYPTION_KEY=", "ENCRYPTION_KEYS=one:"+second,
		"REDIS_URL=redis://user:Spw%2Fredis@"+closed(t), "MONGO_URI=mongodb://user:Spw%40mongo@"+closed(t)+"/?tlsCertificateKeyFilePassword=Spwcert",
		"LLM_PROVIDER_1_TYPE=openai", "LLM_PROVIDER_1_MODEL=m", "LLM_PROVIDER_1_API_KEY=SkeyOfTheVendor", "LLM_PROVIDER_1_ENDPOINT="+vendor.URL+"/v1",
		`LLM_PROVIDER_1_HEADERS={"X-Token": "Bearer SheaderOfTheVendor"}`,
		"FILES_URL=file://"+t.TempDir(), "TRANSCRIBE_ENDPOINT="+vendor.URL+"/v1", "TRANSCRIBE_API_KEY=StranscribeKey", "SPEECH_ENDPOINT="+vendor.URL+"/v1", "SPEECH_API_KEY=SspeechKey",
		"ADMIN_EMAILS=a@example.com", "EMAIL_FROM=b@example.com", "SMTP_HOST=127.0.0.1", "SMTP_USER=u", "SMTP_PASS=SmailPassword",
		"ADMIN_PHONES=+491701234567", "SMS_ENDPOINT=http://"+closed(t), "SMS_ACCOUNT=AC1", "SMS_TOKEN=SsmsToken", "SMS_FROM=+491701234567",
		"WEBHOOK_URL=http://"+closed(t)+"/ShookPath/x?sig=ShookQuery", "WEBHOOK_SECRET=Szx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG", "NOTIFY_URLS=slack://xoxb:123456789012-123456789012-SchatToken0123456789ABCD@C001",
	)
	planted := []string{
		"Sx9Lm4Kp6Rt1", "Sq8Zr2Kx7Vn4", second, "Spw/redis", "Spw%2Fredis", "Spw@mongo", "Spw%40mongo", "Spwcert", "SkeyOfTheVendor", "SheaderOfTheVendor", "StranscribeKey",
		"SspeechKey", "SmailPassword", "SsmsToken", "ShookPath", "ShookQuery", "Szx9Lm4Kp6Rt1", "SchatToken",
	}
	for _, o := range []Options{{Within: time.Second}, {Within: time.Second, AskModels: true}} {
		found := Examine(t.Context(), env, "", o)
		assert.True(t, Failed(found))
		var text, js strings.Builder
		require.NoError(t, Print(&text, found))
		require.NoError(t, PrintJSON(&js, found))
		for _, secret := range planted {
			assert.NotContains(t, text.String()+js.String(), secret)
		}
		if o.AskModels {
			requireLine(t, found, Fail, "llm", "does not answer", "refuses the key", "status 401")
		}
	}
	hidden := strings.Join(config.Secrets(env, ""), "\n")
	for _, secret := range planted[1:] {
		assert.Contains(t, hidden, secret)
	}
}

func TestMachine_Addresses(t *testing.T) {
	pod := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chatbox/healthz" {
			_, _ = w.Write([]byte(`{"status":"healthy"}`))
		}
	}))
	defer pod.Close()
	addr := func(s *httptest.Server) string { return s.Listener.Addr().String() }
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	look := func(listen, metrics string) []Finding {
		var cfg config.Config
		cfg.HTTP.Listen, cfg.HTTP.Prefix, cfg.HTTP.Metrics = listen, "/chatbox", metrics
		return lookAtMachine(t.Context(), cfg)
	}
	found := look(closed(t), closed(t))
	requireLine(t, found, OK, "nofile", "")
	requireLine(t, found, OK, "listen", "is free")
	requireLine(t, found, OK, "metrics", "is free")
	requireLine(t, look(addr(pod), ""), Warn, "listen", "held by a running pod")
	requireLine(t, look(addr(other), ""), Fail, "listen", "another process", "LISTEN_ADDR")
	requireLine(t, look(addr(pod), addr(other)), Warn, "metrics", "METRICS_ADDR")
	requireLine(t, look(net.JoinHostPort("192.0.2.1", "80"), ""), Fail, "listen", "cannot listen on 192.0.2.1:80")
	requireLine(t, look(closed(t), ""), OK, "metrics", "not configured")
}
