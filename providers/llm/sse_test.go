package llm

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func allEvents(r io.Reader) (list []string, err error) {
	e := newEvents(r)
	for {
		ev, err := e.next()
		if err != nil {
			return list, err
		}
		if ev.data != nil || ev.name != "" {
			list = append(list, string(ev.data))
		}
	}
}

func TestEvents(t *testing.T) {
	for stream, want := range map[string][]string{
		"":                                      nil,
		"data: a\n\ndata: b\n\n":                {"a", "b"},
		"data:a\r\n\r\ndata:  b\r\n\r\n":        {"a", " b"},
		"data: a\ndata\ndata: b\n\n":            {"a\n\nb"},
		"event: x\nid: 1\nretry: 5\n\n":         {""},
		": comment\n\n:\n\nevent: x\ndata:\n\n": {""},
		"\uFEFFdata: a\n\n":                     {"a"},
		"data: a\n\ndata: cut off":              {"a", "cut off"},
		"data: a\n\ndata: cut off\n":            {"a", "cut off"},
		"data: a\r\rdata: b\r\r":                {"a", "b"},
		"data: a\r\n\rdata: b\n\r\n":            {"a", "b"},
		"data: {}\ndata: {\ndata: }\n":          {"{}", "{\n}"},
		"{}\n{ }":                               {"{}", "{ }"},
		" [{}, 1]":                              {"{}", "1"},
		"data: a\n\n{}\n":                       {"a", "{}"},
		"database: no\n\ndata: a: b\n\n":        {"a: b"},
	} {
		got, err := allEvents(iotest.OneByteReader(strings.NewReader(stream)))
		require.ErrorIs(t, err, io.EOF)
		assert.Equal(t, want, got, "%q", stream)
	}
}

func TestEvents_EndlessEventIsRefused(t *testing.T) {
	line := "data: " + strings.Repeat("x", 1<<20) + "\n"
	_, err := allEvents(strings.NewReader(strings.Repeat(line, 6)))
	require.ErrorContains(t, err, "longer than an answer can be")
}

// FuzzEvents: reading any bytes from a vendor ends, and each event that was written
// is read unchanged.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\n\n", "hello\nworld")
	f.Add("\xff\x00:\r\n", "")
	f.Add("data", "\n\n")
	fuzz.Run(f, func(t fuzz.T, noise, text string) {
		if _, err := allEvents(strings.NewReader(noise)); err == nil {
			t.Fatal("no end")
		}
		if strings.ContainsRune(text, '\r') {
			return
		}
		text = "-" + strings.ReplaceAll(text, "\n", "\n-") // no line is an object, which alone would be an event
		stream := ""
		for line := range strings.SplitSeq(text, "\n") {
			stream += "data: " + line + "\n"
		}
		got, err := allEvents(strings.NewReader(stream + "\n"))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, []string{text}, got)
	})
}
