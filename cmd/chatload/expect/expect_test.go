package expect

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestText_SameMessageSameText(t *testing.T) {
	t.Parallel()
	first := Text("hello")
	assert.Equal(t, first, Text("hello"))
	assert.NotEqual(t, Text("hello"), Text("hello "))
	assert.Len(t, Pieces("hello"), defaultWords)
	assert.True(t, utf8.ValidString(Text("hello")))
}

func TestText_LongAnswersHoldEverythingThatGoesWrong(t *testing.T) {
	t.Parallel()
	text := Text("[[words=5000]]")
	for _, s := range []string{"<b>&amp;", "\n\n    ", "👩‍👩‍👧", "日本語", ",  ", "a\\b"} {
		assert.Contains(t, text, s)
	}
	assert.NotEqual(t, len(text), utf8.RuneCountInString(text))
}

func TestPieces_NoWordsNoText(t *testing.T) {
	t.Parallel()
	assert.Empty(t, Text("[[words=0]]"))
}

func TestParseDirectives(t *testing.T) {
	t.Parallel()
	d := ParseDirectives("tell me [[words=7 delay=20ms]] and [[truncate=3 words=8 nonsense=1 fail=abc times=2]]")
	assert.Equal(t, Directives{Words: 8, Delay: 20 * time.Millisecond, Truncate: 3, Stall: -1, Times: 2}, d)
	d = ParseDirectives("[[fail=503 stall=4 slowheader=5s finish=length]] [[open")
	assert.Equal(t, 503, d.Fail)
	assert.Equal(t, 4, d.Stall)
	assert.Equal(t, 5*time.Second, d.SlowHeader)
	assert.Equal(t, "length", d.Finish)
	assert.Equal(t, time.Duration(-1), d.Delay)
	assert.Equal(t, defaultWords, ParseDirectives("[[words=-3]]").Words)
	assert.Equal(t, defaultWords, ParseDirectives("[[words=999999999]]").Words)
}

func TestByName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "none"} {
		f, err := ByName(name)
		require.NoError(t, err)
		assert.Nil(t, f)
	}
	f, err := ByName("echo")
	require.NoError(t, err)
	assert.Equal(t, "  x ", f("  x "))
	f, err = ByName("fakeopenai")
	require.NoError(t, err)
	assert.Equal(t, Text("q"), f("q"))
	_, err = ByName("oracle")
	require.ErrorContains(t, err, "oracle")
}

func FuzzParseDirectives(f *testing.F) {
	f.Add("[[words=200 delay=20ms]]")
	f.Add("[[[[words=1]]")
	fuzz.Run(f, func(t fuzz.T, s string) {
		d := ParseDirectives(s)
		if d.Words < 0 || d.Words > maxWords || strings.ContainsAny(d.Finish, " \t") {
			t.Fatalf("%+v", d)
		}
	})
}
