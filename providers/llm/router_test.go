package llm

import (
	"context"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

func scriptedConfig(ids ...string) Config {
	cfg := DefaultConfig()
	for _, id := range ids {
		cfg.Providers = append(cfg.Providers, Provider{ID: id, Type: TypeScripted, Endpoint: "scripted://?delay=0s"})
	}
	return cfg
}

func TestRouter_ModelsInConfiguredOrder(t *testing.T) {
	cfg := scriptedConfig("zeta", "alpha", "mid")
	cfg.Providers[1].Name, cfg.Providers[1].Continue = "Alpha", ContinuePrefix
	cfg.Default = "mid"
	r, err := New(cfg, (&logBuffer{}).logger())
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Model{{ID: "zeta", Name: "zeta"}, {ID: "alpha", Name: "Alpha"}, {ID: "mid", Name: "mid"}}, r.Models())
	assert.Equal(t, "mid", r.Default())
	assert.True(t, r.Continues("alpha"))
	for _, id := range []string{"", "zeta", "mid", "unknown"} {
		assert.False(t, r.Continues(id), id)
	}

	cfg.Default = ""
	r, err = New(cfg, (&logBuffer{}).logger())
	require.NoError(t, err)
	assert.Equal(t, "zeta", r.Default())
}

func TestRouter_UnknownModelAndUselessPrefix(t *testing.T) {
	r, err := New(scriptedConfig("m1"), (&logBuffer{}).logger())
	require.NoError(t, err)

	p := prompt("Hi")
	p.ModelID = "m2"
	a := collect(t, r.Stream(t.Context(), p))
	require.ErrorIs(t, a.err, chatbox.InvalidArgument)

	p = prompt("Hi")
	p.Prefix = "He"
	a = collect(t, r.Stream(t.Context(), p))
	require.ErrorIs(t, a.err, chatbox.Internal)
}

func TestRouter_NamedModelAnswers(t *testing.T) {
	r, _ := routerOf(func(context.Context, chatbox.Prompt) (source, error) { return source{}, errors.New("not this one") })
	other := timed{steps: []timedStep{word(0, "other"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}}}
	r.byID["m2"] = &model{id: "m2", open: other.open, limits: testLimits()}
	p := prompt("Hi")
	p.ModelID = "m2"
	a := collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	assert.Equal(t, "other", a.text)
}

func TestRouter_ProvidersPanicIsContained(t *testing.T) {
	late := func(ctx context.Context, p chatbox.Prompt) (source, error) {
		f := timed{steps: []timedStep{word(0, "a")}}
		s, err := f.open(ctx, p)
		first := true
		return source{close: s.close, next: func() (step, error) {
			if !first {
				panic("late, with " + canary)
			}
			first = false
			return s.next()
		}}, err
	}
	early := func(context.Context, chatbox.Prompt) (source, error) { panic(errors.New("early, with " + canary)) }
	for name, open := range map[string]func(context.Context, chatbox.Prompt) (source, error){"early": early, "late": late} {
		t.Run(name, func(t *testing.T) {
			r, log := routerOf(open)
			a := collect(t, r.Stream(t.Context(), prompt("Hi")))
			requireCode(t, chatbox.Internal, a.err, log)
			assert.Contains(t, log.String(), "model provider panicked")
			assert.Contains(t, log.String(), "router_test.go", "the stack is logged")
		})
	}
}

func TestRouter_PanicAfterTheBreakIsOnlyLogged(t *testing.T) {
	f := timed{steps: []timedStep{word(0, "a")}}
	r, log := routerOf(func(ctx context.Context, p chatbox.Prompt) (source, error) {
		s, err := f.open(ctx, p)
		return source{next: s.next, close: func() { panic("closing") }}, err
	})
	for _, err := range r.Stream(t.Context(), prompt("Hi")) {
		require.NoError(t, err)
		break
	}
	assert.Contains(t, log.String(), "model provider panicked")
}

func TestRouter_ConsumersPanicIsItsOwn(t *testing.T) {
	f := timed{steps: []timedStep{word(0, "a")}}
	r, log := routerOf(f.open)
	assert.PanicsWithValue(t, "minea", func() {
		for d := range r.Stream(t.Context(), prompt("Hi")) { //nolint:errcheck // it does not come to that
			panic("mine" + d.Text)
		}
	})
	assert.Equal(t, 1, f.closed, "the provider's request is ended all the same")
	assert.Empty(t, log.String())
}

func TestRouter_ConsumersGoexitIsItsOwn(t *testing.T) {
	f := timed{steps: []timedStep{word(0, "a")}}
	r, log := routerOf(f.open)
	done := make(chan struct{})
	go func() { // ended by Goexit, waited for below
		defer close(done)
		for range r.Stream(t.Context(), prompt("Hi")) { //nolint:errcheck // it does not come to that
			runtime.Goexit()
		}
	}()
	<-done
	assert.Equal(t, 1, f.closed)
	assert.Empty(t, log.String())
}

func TestRouter_Fallback(t *testing.T) {
	whole := []timedStep{word(0, "spare"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}}
	tests := map[string]struct {
		first  func(context.Context, chatbox.Prompt) (source, error)
		prefix string
		text   string
		code   chatbox.Code // empty: the fallback answers
	}{
		"fails":        {first: (&timed{steps: []timedStep{{err: errors.New("no")}}}).open, text: "spare"},
		"panics":       {first: func(context.Context, chatbox.Prompt) (source, error) { panic("no") }, text: "spare"},
		"after a word": {first: (&timed{steps: []timedStep{word(0, "a"), {err: errors.New("no")}}}).open, text: "a", code: chatbox.ModelFailed},
		"filtered":     {first: (&timed{steps: []timedStep{{err: &vendorapi.Failure{Kind: "content_filter"}}}}).open, code: chatbox.ModelFiltered},
		"with a prefix that the fallback cannot continue": {
			first: (&timed{steps: []timedStep{{err: errors.New("no")}}}).open, prefix: "x", code: chatbox.ModelFailed,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r, log := routerOf(tt.first)
			r.fallback = &model{id: "spare", open: (&timed{steps: whole}).open, limits: testLimits()}
			p := prompt("Hi")
			p.Prefix = tt.prefix
			a := collect(t, r.Stream(t.Context(), p))
			assert.Equal(t, tt.text, a.text)
			if tt.code == "" {
				require.NoError(t, a.err)
				assert.Contains(t, log.String(), "asking the fallback")
				return
			}
			requireCode(t, tt.code, a.err, log)
		})
	}
}

func TestRouter_FallbackIsNotAskedForACancelledPrompt(t *testing.T) {
	ctx, cancel := contextWithCause(t)
	r, _ := routerOf(func(context.Context, chatbox.Prompt) (source, error) {
		cancel(chatbox.NotOwner)
		return source{}, errors.New("no")
	})
	spare := timed{}
	r.fallback = &model{id: "spare", open: spare.open, limits: testLimits()}
	a := collect(t, r.Stream(ctx, prompt("Hi")))
	require.ErrorIs(t, a.err, chatbox.NotOwner)
	assert.Zero(t, spare.opened)
}

func TestRouter_FailingFallbackFailsOnce(t *testing.T) {
	open := func(context.Context, chatbox.Prompt) (source, error) { return source{}, errors.New("no") }
	r, log := routerOf(open)
	r.fallback = &model{id: "spare", open: open, limits: testLimits()}
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	requireCode(t, chatbox.ModelFailed, a.err, log)
}

func TestConfig_Limits(t *testing.T) {
	cfg := DefaultConfig()
	assert.Equal(t, limits{header: time.Minute, first: time.Minute, idle: 30 * time.Second}, cfg.limits())
	cfg.IdleTimeout, cfg.HeaderTimeout = 90*time.Second, time.Second
	assert.Equal(t, limits{header: time.Second, first: 90 * time.Second, idle: 90 * time.Second}, cfg.limits())
}

// After any failure before the first word the fallback is asked. Its deltas name
// their model; the deltas of the requested model need not.
func TestRouter_FallbackIsNamed(t *testing.T) {
	whole := []timedStep{word(0, "a"), word(0, "b"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}}
	for name, steps := range map[string][]timedStep{
		"an error":       {{err: &vendorapi.Failure{Status: 401}}},
		"no word":        {{step: step{finish: chatbox.FinishStop}, err: io.EOF}},
		"only thoughts":  {thought(0), {step: step{finish: chatbox.FinishStop}, err: io.EOF}},
		"endless blanks": append(repeated(2*maxBlank, word(0, " ")), word(0, "a")),
		"only blanks":    {word(0, " \n"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}},
		"the end":        {{err: io.EOF}},
		"first event":    {{err: vendorapi.DeclaredFailure([]byte(`{"error":{"code":503}}`), Secret{})}},
		"quota":          {{err: &vendorapi.Failure{Status: 429, Kind: "insufficient_quota"}}},
		"a long wait":    {{err: &vendorapi.Failure{Status: 429, RetryAfter: time.Minute}}},
		"no first token": nil,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, _ := routerOf((&timed{steps: steps}).open)
				r.fallback = &model{id: "spare", open: (&timed{steps: whole}).open, limits: testLimits()}
				for d, err := range r.Stream(t.Context(), prompt("Hi")) {
					require.NoError(t, err)
					require.Equal(t, "spare", d.ModelID)
				}
				r.standard = r.fallback
				for d, err := range r.Stream(t.Context(), prompt("Hi")) {
					require.NoError(t, err)
					require.Empty(t, d.ModelID)
				}
			})
		})
	}
}

// The usage that the provider has reported is kept if the answer fails.
func TestRouter_UsageOfAFailedAnswer(t *testing.T) {
	u := &chatbox.Usage{Prompt: 11, Completion: 1}
	f := timed{steps: []timedStep{
		{step: step{usage: &chatbox.Usage{Prompt: 11}}}, word(0, "a"), {step: step{usage: u}}, {err: errors.New("no")},
	}}
	r, _ := routerOf(f.open)
	var told []*chatbox.Usage
	for d := range r.Stream(t.Context(), prompt("Hi")) { //nolint:errcheck // it fails, as it is meant to
		if d.Usage != nil {
			told = append(told, d.Usage)
		}
	}
	assert.Equal(t, []*chatbox.Usage{{Prompt: 11}, u}, told)
}
