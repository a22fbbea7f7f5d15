// Package stack starts pods in the test's own process, as `make run` does. Its
// settings prevent tests from failing on a busy machine.
package stack

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"chatbox/app/devstack"
	"chatbox/providers/llm"
)

// longest bounds an answer, and the end of a stack.
const longest = 2 * time.Minute

// Config returns the configuration of a stack with the given scripted models. Its
// rate limits per user exceed the load of tests, its drain is short, and it logs
// warnings to the test's output. An invalid model fails the test.
func Config(t *testing.T, models ...llm.Provider) devstack.Config {
	t.Helper()
	logger := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	model, err := llm.New(llm.Config{Providers: models, StreamTimeout: longest, IdleTimeout: longest}, logger)
	if err != nil {
		t.Fatal(err)
	}
	cfg := devstack.DefaultConfig()
	cfg.Addr, cfg.Data, cfg.LLM, cfg.Logger = "127.0.0.1:0", t.TempDir(), model, logger
	cfg.Redis.RateLimit, cfg.Redis.MaxSocketsPerUsr = 100_000, 1000
	// The emulator shares the processor with the pods and the clients.
	cfg.Redis.CommandTimeout = 4 * time.Second
	cfg.Access.UserRate, cfg.Access.AdminRate = 100_000, 100_000
	cfg.Drain.Window = 100 * time.Millisecond
	return cfg
}

// Start starts a stack and stops it when the test ends. ctx bounds the start. A
// failed start fails the test.
func Start(ctx context.Context, t *testing.T, cfg devstack.Config) *devstack.Stack {
	t.Helper()
	s, err := devstack.Start(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Stop(ctx, t, s) })
	return s
}

// Stop stops a stack and closes the default client's idle connections, also if
// ctx has ended. An error fails the test unless it reports pods that were killed.
func Stop(ctx context.Context, t *testing.T, s *devstack.Stack) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), longest)
	defer cancel()
	if err := s.Stop(ctx); err != nil && !strings.Contains(err.Error(), "killed") {
		t.Errorf("stop: %v", err)
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Scripted returns a scripted model that produces a word every 2 ms.
func Scripted(id, name string, change ...func(*llm.Provider)) llm.Provider {
	p := llm.Provider{ID: id, Name: name, Type: llm.TypeScripted, Endpoint: "scripted://?delay=2ms"}
	for _, f := range change {
		f(&p)
	}
	return p
}

// Continuing enables the model to continue an answer from its prefix.
func Continuing(p *llm.Provider) { p.Continue = llm.ContinuePrefix }
