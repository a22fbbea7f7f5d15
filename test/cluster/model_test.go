package cluster

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
	"chatbox/test/fakeopenai"
)

// vendor starts a fake vendor.
func vendor(t *testing.T, cfg fakeopenai.Config) (*fakeopenai.Server, *httptest.Server) {
	t.Helper()
	fake := fakeopenai.New(cfg)
	srv := fake.Start()
	t.Cleanup(srv.Close)
	return fake, srv
}

// asking makes a stack ask the models of a configuration.
func asking(t *testing.T, change func(*llm.Config)) func(*devstack.Config) {
	t.Helper()
	return func(cfg *devstack.Config) {
		models := llm.DefaultConfig()
		models.StreamTimeout, models.IdleTimeout = patience, patience
		change(&models)
		model, err := llm.New(models, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(model.Close)
		cfg.LLM = model
	}
}

// A server with a small window that insists on alternation keeps answering in a
// session of many messages, some of whose turns failed, were stopped, or were
// answered by a person.
func TestModel_ASmallStrictServerGoesOnAnswering(t *testing.T) {
	fake, srv := vendor(t, fakeopenai.Config{Delay: 200 * time.Microsecond, Window: 4096, StrictRoles: true})
	c := start(t, 2, asking(t, func(m *llm.Config) {
		m.Providers = []llm.Provider{{ID: "small", Type: llm.TypeOpenAI, Endpoint: srv.URL, Model: "m", Context: 4096, MaxTokens: 700}}
	}), func(cfg *devstack.Config) { cfg.Answer.SystemPrompt = "Be brief." })
	d := c.device("ada", "s-1", c.stack.URL())

	for i := range 40 {
		question := fmt.Sprintf("question %d %s", i, strings.Repeat("lorem ipsum dolor sit amet ", 12))
		switch i % 7 {
		case 3: // fails before a word
			c.answered(d, "s-1", c.say(d, "s-1", question+" [[fail=422]]"))
		case 4: // breaks off
			c.answered(d, "s-1", c.say(d, "s-1", question+" [[truncate=5]]"))
		case 5: // is stopped
			id := c.say(d, "s-1", question+" [[words=400 delay=5ms]]")
			c.streaming(d, "s-1", id, 10)
			_, err := d.Send(client.Frame{Type: client.TypeCancel, SessionID: "s-1"})
			require.NoError(t, err)
			c.answered(d, "s-1", id)
		default:
			question += " [[words=60]]"
			assert.Equal(t, fakeopenai.Expected(question), c.answered(d, "s-1", c.say(d, "s-1", question)), "message %d", i)
		}
	}
	assert.Zero(t, fake.Stats().Refused)
	requests := fake.Requests()
	last := requests[len(requests)-1]
	assert.Greater(t, len(last.Messages), 5, "as much of the talk is sent as fits")
	assert.Equal(t, 700, last.MaxTokens)
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, d)
}

// The window of the fallback is smaller than that of the model which fails. Its
// prompt fits nevertheless.
func TestModel_TheFallbackIsSentWhatItHolds(t *testing.T) {
	_, down := vendor(t, fakeopenai.Config{})
	down.Close()
	fake, srv := vendor(t, fakeopenai.Config{Window: 2048, StrictRoles: true})
	c := start(t, 2, asking(t, func(m *llm.Config) {
		m.Providers = []llm.Provider{
			{ID: "large", Type: llm.TypeOpenAI, Endpoint: down.URL, Model: "m", Context: 100_000},
			{ID: "small", Type: llm.TypeOpenAI, Endpoint: srv.URL, Model: "m", Context: 2048, MaxTokens: 256},
		}
		m.Fallback = "small"
	}))
	d := c.device("ada", "s-1", c.stack.URL())
	for i := range 12 {
		question := fmt.Sprintf("question %d %s [[words=60]]", i, strings.Repeat("lorem ipsum dolor sit amet ", 20))
		assert.Equal(t, fakeopenai.Expected(question), c.answered(d, "s-1", c.say(d, "s-1", question)), "message %d", i)
	}
	assert.Zero(t, fake.Stats().Refused)
	c.judge("ada", "s-1", nil, d)
}
