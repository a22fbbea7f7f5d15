package llm

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/internal/sleep"
	"chatbox/providers/internal/vendorapi"
)

// timed is a provider that says each step after a pause of its own, then
// nothing more until its request ends.
type timed struct {
	header []time.Duration // before each response; negative: a refusal instead, after that time
	steps  []timedStep
	after  time.Duration // what a refusal asks for
	opened int
	closed int
}

type timedStep struct {
	pause time.Duration
	step  step
	err   error
}

func (f *timed) open(ctx context.Context, _ chatbox.Prompt) (source, error) {
	f.opened++
	if n := f.opened - 1; n < len(f.header) {
		if !sleep.For(ctx, f.header[n].Abs()) {
			return source{}, ctx.Err()
		}
		if f.header[n] < 0 {
			return source{}, &vendorapi.Failure{Status: 503, RetryAfter: f.after}
		}
	}
	steps := f.steps
	return source{close: func() { f.closed++ }, next: func() (step, error) {
		if len(steps) == 0 {
			<-ctx.Done()
			return step{}, ctx.Err()
		}
		s := steps[0]
		steps = steps[1:]
		if !sleep.For(ctx, s.pause) {
			return step{}, ctx.Err()
		}
		return s.step, s.err
	}}, nil
}

// routerOf returns a router with one model, which open opens, and default time-outs.
func routerOf(open func(context.Context, chatbox.Prompt) (source, error)) (*Router, *logBuffer) {
	log := &logBuffer{}
	m := &model{id: "m1", open: open, key: NewSecret(canary), continues: true, limits: testLimits()}
	return &Router{
		models: []*model{m}, byID: map[string]*model{"m1": m}, standard: m,
		total: 120 * time.Second, logger: log.logger(),
	}, log
}

func testLimits() limits {
	return limits{header: 20 * time.Second, first: 60 * time.Second, idle: 30 * time.Second}
}

func thought(pause time.Duration) timedStep {
	return timedStep{pause: pause, step: step{thinks: true}}
}

func word(pause time.Duration, text string) timedStep {
	return timedStep{pause: pause, step: step{text: text}}
}

func repeated(n int, s timedStep) []timedStep { return slices.Repeat([]timedStep{s}, n) }

var errDeclared = errors.New("the provider declares a failure")

func TestStream_Timeouts(t *testing.T) {
	finish := step{finish: chatbox.FinishStop}
	usage := &chatbox.Usage{Prompt: 1, Completion: 2}
	tests := map[string]struct {
		provider timed
		want     error // nil: a whole answer
		at       time.Duration
		text     string
	}{
		"header": {timed{header: []time.Duration{time.Hour}}, TimeoutHeader, 20 * time.Second, ""},
		"just in time": {timed{header: []time.Duration{19 * time.Second}, steps: []timedStep{
			word(29*time.Second, "a"), word(29*time.Second, "b"), {step: finish, err: io.EOF},
		}}, nil, 77 * time.Second, "ab"},
		"no first word":         {timed{}, TimeoutFirst, time.Minute, ""},
		"a slow first word":     {timed{steps: []timedStep{word(59*time.Second, "a"), {step: finish, err: io.EOF}}}, nil, 59 * time.Second, "a"},
		"header and first word": {timed{header: []time.Duration{19 * time.Second}, steps: []timedStep{word(42*time.Second, "a")}}, TimeoutFirst, time.Minute, ""},
		"signs of life are no word": {timed{steps: []timedStep{
			word(20*time.Second, ""), word(20*time.Second, ""), word(19*time.Second, ""), word(2*time.Second, "a"),
		}}, TimeoutFirst, time.Minute, ""},
		"thoughts are": {timed{steps: []timedStep{
			thought(40 * time.Second), thought(25 * time.Second), thought(29 * time.Second), word(20*time.Second, "a"), {step: finish, err: io.EOF},
		}}, nil, 114 * time.Second, "a"},
		"silence after thoughts": {timed{steps: []timedStep{thought(40 * time.Second)}}, TimeoutIdle, 70 * time.Second, ""},
		"blanks are no word yet": {timed{steps: []timedStep{word(0, " "), word(time.Second, "\n"), word(time.Second, "a"), {step: finish, err: io.EOF}}}, nil, 2 * time.Second, " \na"},
		"a NUL is no character":  {timed{steps: []timedStep{word(0, "\x00"), word(0, "a\x00b"), word(0, "c\x00d"), {step: finish, err: io.EOF}}}, nil, 0, "abcd"},
		"idle":                   {timed{steps: []timedStep{word(time.Second, "a")}}, TimeoutIdle, 31 * time.Second, "a"},
		"signs of life within the answer": {timed{steps: []timedStep{
			word(0, "a"), word(20*time.Second, ""), word(20*time.Second, ""), word(20*time.Second, "b"), {step: finish, err: io.EOF},
		}}, nil, 60 * time.Second, "ab"},
		"total": {timed{steps: []timedStep{
			word(25*time.Second, "a"), word(25*time.Second, "b"), word(25*time.Second, "c"), word(25*time.Second, "d"),
			word(25*time.Second, "e"),
		}}, TimeoutTotal, 120 * time.Second, "abcd"},
		"usage never comes after the finish": {timed{steps: []timedStep{
			word(0, "a"), {step: finish},
		}}, nil, afterFinish, "a"},
		"usage comes late": {timed{steps: []timedStep{
			word(0, "a"), {step: finish}, {pause: 2 * time.Second, step: step{usage: usage}}, {err: io.EOF},
		}}, nil, 2 * time.Second, "a"},
		"signs of life after the finish": {timed{steps: append([]timedStep{
			word(0, "a"), {step: finish},
		}, repeated(200, word(time.Second, ""))...)}, nil, afterFinish, "a"},
		"signs of life after an end without a cause": {timed{steps: append([]timedStep{
			word(0, "a"), {step: step{ended: true}},
		}, repeated(200, word(time.Second, ""))...)}, nil, afterFinish, "a"},
		"thoughts after the finish": {timed{steps: append([]timedStep{
			word(0, "a"), {step: finish},
		}, repeated(200, thought(time.Second))...)}, nil, afterFinish, "a"},
		"words after the finish": {timed{steps: []timedStep{
			word(0, "a"), {step: finish}, word(2*time.Second, "b"), word(2*time.Second, "c"), word(time.Second, ""), word(3*time.Second, "d"),
		}}, nil, 4*time.Second + afterFinish, "abc"},
		"the total time ends behind the finish": {timed{steps: append(repeated(5, word(23900*time.Millisecond, "a")),
			timedStep{step: finish}, word(time.Second, ""))}, nil, 120 * time.Second, "aaaaa"},
		"a failure behind the finish": {timed{steps: []timedStep{
			word(0, "a"), {step: finish}, {pause: time.Second, err: &vendorapi.Failure{Declared: true, Text: "x"}},
		}}, errDeclared, time.Second, "a"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, log := routerOf(tt.provider.open)
				began := time.Now()
				a := collect(t, r.Stream(t.Context(), prompt("Hi")))
				assert.Equal(t, tt.at, time.Since(began))
				assert.Equal(t, tt.text, a.text)
				switch {
				case tt.want == nil:
					require.NoError(t, a.err)
				case errors.Is(tt.want, errDeclared):
					requireCode(t, chatbox.ModelFailed, a.err, log)
				default:
					requireCode(t, chatbox.ModelTimeout, a.err, log)
					require.ErrorIs(t, a.err, tt.want)
				}
				if name == "usage comes late" {
					assert.Equal(t, usage, a.last.Usage)
				}
			})
		})
	}
}

func TestStream_ConsumersTimeIsNotTheProviders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := timed{steps: []timedStep{word(0, "a"), word(0, "b"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}}}
		r, _ := routerOf(f.open)
		text := ""
		for d, err := range r.Stream(t.Context(), prompt("Hi")) {
			require.NoError(t, err)
			text += d.Text
			require.True(t, sleep.For(t.Context(), 35*time.Second))
		}
		assert.Equal(t, "ab", text)
		assert.Equal(t, 1, f.closed)
	})
}

func TestStream_Retries(t *testing.T) {
	no := -time.Millisecond
	words := []timedStep{word(0, "a"), {step: step{finish: chatbox.FinishStop}, err: io.EOF}}
	tests := map[string]struct {
		provider timed
		opened   int
		ok       bool
		atLeast  time.Duration
	}{
		"once":                     {timed{header: []time.Duration{no}, steps: words}, 2, true, vendorapi.FirstBackoff / 2},
		"twice":                    {timed{header: []time.Duration{no, no}, steps: words}, 3, true, vendorapi.FirstBackoff},
		"not a third time":         {timed{header: []time.Duration{no, no, no}, steps: words}, 3, false, 0},
		"as late as asked for":     {timed{header: []time.Duration{no}, after: 7 * time.Second, steps: words}, 2, true, 7 * time.Second},
		"not if asked to wait":     {timed{header: []time.Duration{no}, after: 11 * time.Second, steps: words}, 1, false, 0},
		"not if no time is left":   {timed{header: []time.Duration{-15 * time.Second, no}, after: 9 * time.Second, steps: words}, 1, false, 0},
		"not after the first word": {timed{steps: []timedStep{word(0, "a"), {err: &vendorapi.Failure{Status: 503}}}}, 1, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, log := routerOf(tt.provider.open)
				r.total = 20 * time.Second
				began := time.Now()
				a := collect(t, r.Stream(t.Context(), prompt("Hi")))
				assert.Equal(t, tt.opened, tt.provider.opened)
				assert.GreaterOrEqual(t, time.Since(began), tt.atLeast)
				if tt.ok {
					require.NoError(t, a.err)
					return
				}
				requireCode(t, chatbox.ModelFailed, a.err, log)
			})
		})
	}
}

func TestStream_CancelledWhileWaitingForARetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := timed{header: []time.Duration{-time.Millisecond}, after: 9 * time.Second}
		r, _ := routerOf(f.open)
		ctx, cancel := contextWithCause(t)
		time.AfterFunc(time.Second, func() { cancel(chatbox.NotOwner) })
		began := time.Now()
		a := collect(t, r.Stream(ctx, prompt("Hi")))
		require.ErrorIs(t, a.err, chatbox.NotOwner)
		assert.Equal(t, time.Second, time.Since(began))
		assert.Equal(t, 1, f.opened)
	})
}

func TestStream_UnknownErrorsAreTheModels(t *testing.T) {
	f := timed{steps: []timedStep{word(0, "a"), {err: errors.New("something with " + canary + " in it")}}}
	r, log := routerOf(f.open)
	a := collect(t, r.Stream(t.Context(), prompt("Hi")))
	requireCode(t, chatbox.ModelFailed, a.err, log)
	assert.Contains(t, a.err.Error(), "something with [redacted] in it")
	assert.Equal(t, 1, f.closed)
}
