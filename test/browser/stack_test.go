package browser

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"chatbox/app/devstack"
	"chatbox/providers/llm"
)

// stackLink is where the parts of TestOnTheStack find the page.
var stackLink atomic.Pointer[string]

// TestOnTheStack runs the page against a real cluster of three pods, whose
// serving pod is killed by the page's own button during an answer.
func TestOnTheStack(t *testing.T) {
	t.Parallel()
	link, err := startStack(t).Link("reader")
	if err != nil {
		t.Fatal(err)
	}
	stackLink.Store(&link)
	for name, test := range map[string]func(*testing.T){
		"TypeAndStream": typesAndStreams, "ReloadResumes": resumesAfterReload,
		"TwoTabsInStep": keepsTwoTabsInStep, "KilledPod": losesNothingWithAPod,
		"StopAndRetry": stopsAndRetries, "Narrow": fitsNarrowScreens,
	} {
		t.Run(name, test)
	}
}

// startStack starts the stack that `make run` starts.
func startStack(t *testing.T) *devstack.Stack {
	t.Helper()
	cfg := devstack.DefaultConfig()
	cfg.Redis.CommandTimeout = 4 * time.Second // an emulator, on a busy machine
	cfg.Addr, cfg.Data = "127.0.0.1:0", t.TempDir()
	cfg.Redis.RateLimit, cfg.Redis.MaxSocketsPerUsr = 10_000, 100
	cfg.Live.WatchNotice = true
	cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	model, err := llm.New(llm.Config{
		Providers: []llm.Provider{{
			ID: "scripted", Name: "Scripted demo", Type: llm.TypeScripted,
			Endpoint: "scripted://?delay=10ms", Continue: llm.ContinuePrefix, // a long story ends before the test's waits do
		}},
		StreamTimeout: time.Minute, IdleTimeout: time.Minute,
	}, cfg.Logger)
	if err != nil {
		t.Fatal(err)
	}
	cfg.LLM = model
	stack, err := devstack.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if err := stack.Stop(ctx); err != nil {
			t.Logf("stop: %v", err)
		}
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	})
	return stack
}
