package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
)

func environ() []string {
	return []string{
		"JWT_SECRET=q8Zr2Kx7Vn4Tj9Wb5Hc1Yd6Mf3Ls0PgRaE", "ENCRYPTION_KEY=u7Wq2Zx9Lm4Kp6Rt1Yb8Vc3Nd5Hf0JsG",
		"REDIS_URL=redis://127.0.0.1:1", "MONGO_URI=mongodb://127.0.0.1:1", "CHATBOX_ENV=development",
		"LLM_PROVIDER_1_ID=small", "LLM_PROVIDER_1_TYPE=scripted",
	}
}

// call runs the command with a pod that returns err.
func call(t *testing.T, err error, env []string, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(t.Context(), args, env, &o, &e, func(context.Context, app.Config) error { return err })
	return code, o.String(), e.String()
}

func TestRun_ExitCodes(t *testing.T) {
	code, _, errs := call(t, nil, environ())
	assert.Zero(t, code)
	assert.Empty(t, errs)

	code, _, errs = call(t, errors.New("the port is taken"), environ())
	assert.Equal(t, 1, code)
	assert.Contains(t, errs, "the port is taken")
}

func TestRun_ConfigurationAtFault(t *testing.T) {
	code, out, errs := call(t, errors.New("must not be started"), []string{"RATE_LIMIT=0"})
	assert.Equal(t, 2, code)
	assert.Empty(t, out)
	for _, name := range []string{"JWT_SECRET", "ENCRYPTION_KEY", "REDIS_URL", "MONGO_URI", "WS_ALLOWED_ORIGINS", "RATE_LIMIT"} {
		assert.Contains(t, errs, "\n"+name)
	}
	code, _, errs = call(t, nil, environ(), "--config", "/nowhere/chatbox.yaml")
	assert.Equal(t, 2, code)
	assert.Contains(t, errs, "--config")
}

func TestRun_CommandLineAtFault(t *testing.T) {
	for _, args := range [][]string{{"--nonsense"}, {"serve"}, {"--config"}} {
		code, _, errs := call(t, nil, environ(), args...)
		assert.Equal(t, 2, code)
		assert.Contains(t, errs, "--help")
	}
}

func TestRun_HelpAndVersionNeedNoConfiguration(t *testing.T) {
	for _, flag := range []string{"--help", "-h"} {
		code, out, errs := call(t, nil, nil, flag)
		assert.Zero(t, code)
		assert.Empty(t, errs)
		assert.Contains(t, out, "REDIS_URL * (required)")
		assert.Contains(t, out, "LISTEN_ADDR (default :8080)")
	}
	code, out, _ := call(t, nil, nil, "--version")
	assert.Zero(t, code)
	require.True(t, strings.HasPrefix(out, "chatbox "), out)
}

func TestRun_SurroundingsAtFault(t *testing.T) {
	unfit := fmt.Errorf("history: %w", &chatbox.UnfitError{Reason: "another cluster's key"})
	for _, err := range []error{unfit, errors.Join(unfit, errors.New("closed late"))} {
		code, _, errs := call(t, err, environ())
		assert.Equal(t, 2, code, "a restart does not help")
		assert.Contains(t, errs, "another cluster's key")
	}
}
