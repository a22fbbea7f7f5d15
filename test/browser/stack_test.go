package browser

import (
	"sync/atomic"
	"testing"

	"chatbox/app/devstack"
	"chatbox/providers/llm"
	"chatbox/test/stack"
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
	cfg := stack.Config(t, llm.Provider{
		ID: "scripted", Name: "Scripted demo", Type: llm.TypeScripted,
		Endpoint: "scripted://?delay=10ms", Continue: llm.ContinuePrefix, // a long story ends before the test's waits do
	})
	cfg.Drain = devstack.DefaultConfig().Drain
	cfg.Live.WatchNotice = true
	return stack.Start(t.Context(), t, cfg)
}
