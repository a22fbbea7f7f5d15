package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatbox/app/config"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func environ() []string {
	return []string{
		"JWT_SECRET=q8Zr2Kx7Vn4Tj9Wb5Hc1Yd6Mf3Ls0PgRaE", "ENCRYPTION_KEY=u7Wq2Zx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG",
		"REDIS_URL=redis://127.0.0.1:1", "MONGO_URI=mongodb://127.0.0.1:1", "CHATBOX_ENV=development",
		"LLM_PROVIDER_1_ID=small", "LLM_PROVIDER_1_TYPE=scripted",
	}
}

// try runs the command with a pod that returns err.
func try(t *testing.T, err error, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, env, &o, &e, func(context.Context, config.Config) error { return err })
	return code, o.String(), e.String()
}

func TestRun_ExitCodes(t *testing.T) {
	code, _, errs := try(t, nil, environ())
	assert.Zero(t, code)
	assert.Empty(t, errs)

	code, _, errs = try(t, errors.New("the port is taken"), environ())
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "the port is taken")
}

func TestRun_ConfigurationAtFault(t *testing.T) {
	code, out, errs := try(t, errors.New("must not be started"), []string{"RATE_LIMIT=0"})
	assert.Equal(t, 2, code)
	assert.Empty(t, out)
	for _, name := range []string{"JWT_SECRET", "ENCRYPTION_KEY", "REDIS_URL", "MONGO_URI", "WS_ALLOWED_ORIGINS", "RATE_LIMIT"} {
		assert.Contains(t, errs, "\n"+name)
	}
	code, _, errs = try(t, nil, environ(), "--config", "/nowhere/chatbox.yaml")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "--config")
}

func TestRun_CommandLineAtFault(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"serve"}, {"--config"}, {"--config", "a.yaml", "--config", "b.yaml"}, {"--config", "a.yaml", "healthcheck", "--config", "a.yaml"}, {"healthcheck", "now"}, {"health-check"}, {""}, {"version", "--nonsense"}, {"--json"}, {"healthcheck", "--ask-models"}, {"doctor", "now"}, {"version", "--json"}} {
		code, out, errs := try(t, errors.New("must not be started"), environ(), args...)
		assert.Equal(t, 2, code, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, "usage: chatbox")
		assert.Contains(t, errs, "healthcheck")
	}
}

func TestRun_HelpAndVersionNeedNoConfiguration(t *testing.T) {
	for _, flag := range []string{"--help", "-h", "help"} {
		code, out, errs := try(t, nil, nil, flag)
		assert.Zero(t, code)
		assert.Empty(t, errs)
		assert.Contains(t, out, "REDIS_URL * (required)")
		assert.Contains(t, out, "LISTEN_ADDR (default :8080)")
	}
	for _, word := range []string{"--version", "version"} {
		code, out, _ := try(t, nil, nil, word)
		assert.Zero(t, code)
		require.True(t, strings.HasPrefix(out, "chatbox "), out)
	}
}

func TestRun_PrintConfig(t *testing.T) {
	code, out, errs := try(t, errors.New("must not be started"), environ(), "--print-config")
	assert.Zero(t, code)
	assert.Empty(t, errs)
	assert.Contains(t, out, "RATE_LIMIT=100")
	code, out, errs = try(t, errors.New("must not be started"), append(environ(), "RATE_LIMIT=0"), "--print-config")
	assert.Equal(t, 2, code)
	assert.Contains(t, out, "JWT_SECRET=(redacted)")
	assert.Contains(t, errs, "\nRATE_LIMIT: ")
}

// TestRun_Healthcheck: the same options name the same file, before and after the word.
func TestRun_Healthcheck(t *testing.T) {
	ready := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/talk/readyz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer ready.Close()
	file := filepath.Join(t.TempDir(), "c.toml")
	text := fmt.Sprintf("listen_addr = %q\n[chatbox]\npath_prefix = \"/talk\"\n", ready.Listener.Addr())
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	for _, args := range [][]string{{"healthcheck", "--config", file}, {"--config", file, "healthcheck"}, {"--config=" + file, "healthcheck"}} {
		code, out, errs := try(t, errors.New("must not be started"), nil, args...)
		assert.Zero(t, code, errs)
		assert.Empty(t, out+errs)
	}
	code, _, errs := try(t, nil, []string{"CHATBOX_PATH_PREFIX=/other"}, "healthcheck", "--config", file)
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "503")
	code, _, errs = try(t, nil, []string{"LISTEN_ADDR=nothing"}, "healthcheck")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "LISTEN_ADDR")
}

// TestRun_Doctor: what it finds is its output, and the exit code is about failures only.
func TestRun_Doctor(t *testing.T) {
	code, out, errs := try(t, errors.New("must not be started"), append(environ(), "RATE_LIMIT=0", "LISTEN_ADDR=127.0.0.1:0"), "doctor")
	assert.Equal(t, 1, code)
	assert.Empty(t, errs)
	assert.Contains(t, out, "\nFAIL redis: cannot connect to 127.0.0.1:1 (connection refused). Start Redis or correct REDIS_URL.\n")
	assert.Contains(t, out, "FAIL config: RATE_LIMIT: ")
	for line := range strings.Lines(out) {
		assert.Regexp(t, `^(ok|warn|FAIL) [a-z]+: \S.*\n$`, line)
	}
	code, out, errs = try(t, nil, append(environ(), "LISTEN_ADDR=127.0.0.1:0"), "--json", "doctor")
	assert.Equal(t, 1, code)
	assert.Empty(t, errs)
	var said struct {
		OK       bool
		Findings []struct{ Level, Name, Text string }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &said))
	assert.False(t, said.OK)
	assert.Greater(t, len(said.Findings), 10)
}

func TestRun_SurroundingsAtFault(t *testing.T) {
	unfit := fmt.Errorf("history: %w", &chatbox.UnfitError{Reason: "another cluster's key"})
	for _, err := range []error{unfit, errors.Join(unfit, errors.New("closed late"))} {
		code, _, errs := try(t, err, environ())
		assert.Equal(t, 2, code, "a restart does not help")
		assert.Contains(t, errs, "another cluster's key")
	}
}
