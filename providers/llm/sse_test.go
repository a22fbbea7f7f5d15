package llm

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func allEvents(r io.Reader) (list []string, err error) {
	e := events{bufio.NewReader(r)}
	for {
		data, err := e.next()
		if err != nil {
			return list, err
		}
		list = append(list, string(data))
	}
}

func TestEvents(t *testing.T) {
	for stream, want := range map[string][]string{
		"":                                      nil,
		"data: a\n\ndata: b\n\n":                {"a", "b"},
		"data:a\r\n\r\ndata:  b\r\n\r\n":        {"a", " b"},
		"data: a\ndata\ndata: b\n\n":            {"a\n\nb"},
		"event: x\nid: 1\nretry: 5\n\n":         nil,
		": comment\n\n:\n\nevent: x\ndata:\n\n": {""},
		"\uFEFFdata: a\n\n":                     {"a"},
		"data: a\n\ndata: cut off":              {"a"},
		"data: a\n\ndata: cut off\n":            {"a"},
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

// FuzzEvents: whatever a vendor sends, reading ends, and what is read is what
// was put in where it was put in as an event.
func FuzzEvents(f *testing.F) {
	f.Add("data: a\n\n", "hello\nworld")
	f.Add("\xff\x00:\r\n", "")
	f.Add("data", "\n\n")
	f.Fuzz(func(t *testing.T, noise, text string) {
		if _, err := allEvents(strings.NewReader(noise)); err == nil {
			t.Fatal("no end")
		}
		if strings.ContainsRune(text, '\r') {
			return
		}
		stream := ""
		for line := range strings.SplitSeq(text, "\n") {
			stream += "data: " + line + "\n"
		}
		got, err := allEvents(strings.NewReader(stream + "\n"))
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, []string{text}, got)
	})
}

// FuzzChunks: no event of any vendor makes a decoder panic, and a step that is
// no error has a text that can be shown.
func FuzzChunks(f *testing.F) {
	f.Add([]byte(`{"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":{}}`))
	f.Add([]byte(`{"type":"content_block_delta","delta":{"text":"x"}}`))
	f.Add([]byte(`{"event":"message","answer":"x","task_id":"t"}`))
	f.Add([]byte("{\"choices\":[{\"delta\":{\"content\":\"\xf0\x9f\"}}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = openaiStep(data, NewSecret(canary))
		wire := "data: " + strings.NewReplacer("\n", "", "\r", "").Replace(string(data)) + "\n\n"
		a := &anthropicStream{events: events{bufio.NewReader(strings.NewReader(wire))}, cut: " \n"}
		d := &difyStream{events: events{bufio.NewReader(strings.NewReader(wire))}}
		for _, next := range []func() (step, error){a.next, d.next} {
			for range 3 {
				if _, err := next(); err != nil {
					break
				}
			}
		}
	})
}
