package llm

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"chatbox"
)

func scriptedRouter(t *testing.T, endpoint string) *Router {
	t.Helper()
	cfg := DefaultConfig()
	cfg.Providers = []Provider{{ID: "demo", Type: TypeScripted, Endpoint: endpoint, Continue: ContinuePrefix}}
	r, err := New(cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return r
}

func TestScripted_StreamsItsText(t *testing.T) {
	r := scriptedRouter(t, "scripted://?delay=0s")
	for _, message := range []string{"help", "Hello!", "a table, please", "code", "a long one", "go slow [[delay=0s]]", "what?\nreally", "", "[[words=123]]"} {
		a := collect(t, r.Stream(t.Context(), prompt(message)))
		require.NoError(t, a.err)
		assert.Equal(t, ScriptedText(message), a.text)
		assert.Equal(t, chatbox.FinishStop, a.last.Finish)
		assert.Positive(t, a.last.Usage.Completion)
	}
}

func TestScriptedText_ChoosesByWords(t *testing.T) {
	for message, want := range map[string]string{
		"HELP me":                   helpText,
		"say hi":                    helloText,
		"Write some code":           codeText,
		"do it slowly":              slowText,
		"markdown?":                 markdownText,
		"helpful":                   quoteText("helpful"),
		"slow code":                 slowText, // the first word counts
		"[[stall=3]] hello":         helloText,
		"<script>alert(1)</script>": quoteText("<script>alert(1)</script>"),
	} {
		assert.Equal(t, want, ScriptedText(message), message)
	}
	assert.Greater(t, len(strings.Fields(longText())), 500)
	assert.Contains(t, quoteText("a\nb"), "> a\n> b")
	assert.True(t, utf8.ValidString(quoteText(strings.Repeat("é", maxQuote))))
}

func TestScriptedText_IsPureAndExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		message := rapid.String().Draw(t, "message")
		first, again := ScriptedText(message), ScriptedText(message)
		require.Equal(t, first, again)
		n := rapid.IntRange(1, 400).Draw(t, "words")
		sized := strings.ReplaceAll(message, "[[", "") + " [[words=" + strconv.Itoa(n) + "]]"
		require.Len(t, strings.Fields(ScriptedText(sized)), n)
	})
}

func TestScripted_ContinuesAtAnyPrefix(t *testing.T) {
	r := scriptedRouter(t, "scripted://?delay=0s")
	for _, message := range []string{"markdown", "[[words=40]]"} {
		text := ScriptedText(message)
		for cut := range text {
			p := prompt(message)
			p.Prefix = text[:cut]
			a := collect(t, r.Stream(t.Context(), p))
			require.NoError(t, a.err)
			require.Equal(t, text[cut:], a.text)
		}
	}
	p := prompt("hello")
	p.Prefix = "Goodbye"
	a := collect(t, r.Stream(t.Context(), p))
	require.ErrorIs(t, a.err, chatbox.ModelFailed)
}

func TestScripted_Directives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := scriptedRouter(t, "")
		began := time.Now()
		a := collect(t, r.Stream(t.Context(), prompt("[[words=200 delay=20ms]]")))
		require.NoError(t, a.err)
		assert.Equal(t, 200*20*time.Millisecond, time.Since(began))

		began = time.Now()
		a = collect(t, r.Stream(t.Context(), prompt("[[words=10]]")))
		require.NoError(t, a.err)
		assert.Equal(t, 10*scriptedPace, time.Since(began))

		a = collect(t, r.Stream(t.Context(), prompt("[[words=20]] [[finish=length]]")))
		assert.Equal(t, chatbox.FinishLength, a.last.Finish)

		a = collect(t, r.Stream(t.Context(), prompt("[[fail]]")))
		require.ErrorIs(t, a.err, chatbox.ModelFailed)
		assert.Empty(t, a.text)

		a = collect(t, r.Stream(t.Context(), prompt("[[fail=503]]")))
		require.ErrorIs(t, a.err, chatbox.ModelFailed)

		a = collect(t, r.Stream(t.Context(), prompt("[[words=20 truncate=10]]")))
		require.ErrorIs(t, a.err, chatbox.ModelFailed)
		assert.Len(t, strings.Fields(a.text), 10)

		a = collect(t, r.Stream(t.Context(), prompt("[[words=20 stall]]")))
		require.ErrorIs(t, a.err, TimeoutIdle)
		assert.Len(t, strings.Fields(a.text), faultAfter)
	})
}

func TestScripted_FaultsCountThePrefix(t *testing.T) {
	r := scriptedRouter(t, "scripted://?delay=0s")
	message := "[[words=20 truncate=10]]"
	p := prompt(message)
	p.Prefix = strings.Join(strings.SplitAfter(ScriptedText(message), " ")[:7], "")
	a := collect(t, r.Stream(t.Context(), p))
	require.ErrorIs(t, a.err, chatbox.ModelFailed)
	assert.Len(t, strings.Fields(p.Prefix+a.text), 10)
}

func TestScripted_BreakAndCancel(t *testing.T) {
	r := scriptedRouter(t, "")
	for _, err := range r.Stream(t.Context(), prompt("long")) {
		require.NoError(t, err)
		break
	}
	ctx, cancel := contextWithCause(t)
	cancel(chatbox.TakenOver)
	a := collect(t, r.Stream(ctx, prompt("long")))
	require.ErrorIs(t, a.err, chatbox.TakenOver)
}
