package helpdesk

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"

	"chatbox"
)

func TestPreviewOf_TakesTheNewestThatWasSaid(t *testing.T) {
	said := chatbox.Event{Seq: 4, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Content: " Where\r\n\tis it? "}
	for _, tt := range []struct {
		name   string
		events []chatbox.Event
		want   string
		seq    int64
	}{
		{"a message", []chatbox.Event{{Seq: 3, Type: chatbox.TypeAnswer, Content: "old"}, said}, "Where is it?", 4},
		{"what followed is nobody's word", []chatbox.Event{said, {Seq: 5, Type: chatbox.TypeHelpRequest, Content: "help"}, {Seq: 6, Type: chatbox.TypeAdminJoin, Content: "Pat has joined."}}, "Where is it?", 4},
		{"an answer that came to nothing", []chatbox.Event{said, {Seq: 5, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI}}, "Where is it?", 4},
		{"a recording", []chatbox.Event{
			said,
			{Seq: 5, Type: chatbox.TypeVoiceMessage, Sender: chatbox.SenderUser},
			{Seq: 6, Key: chatbox.TranscriptKey(5), Type: chatbox.TypeTranscript, Sender: chatbox.SenderSystem, Content: "I said\nthis"},
		}, "I said this", 5},
		{"a file without words", []chatbox.Event{said, {Seq: 5, Type: chatbox.TypeFileUpload, Sender: chatbox.SenderUser}}, "", 5},
	} {
		got, ok := PreviewOf("s", tt.events)
		assert.True(t, ok, tt.name)
		assert.Equal(t, tt.want, got.Excerpt, tt.name)
		assert.Equal(t, tt.seq, got.Seq, tt.name)
	}
	_, ok := PreviewOf("s", []chatbox.Event{{Seq: 1, Type: chatbox.TypeModelSelect}})
	assert.False(t, ok)
	_, ok = PreviewOf("s", nil)
	assert.False(t, ok)
}

func TestPreviewOf_CutsBetweenCharacters(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", 1000), strings.Repeat("é ", 500), strings.Repeat("😀", 200), strings.Repeat("\n\x00 ", 1000) + "y"} {
		got, ok := PreviewOf("s", []chatbox.Event{{Seq: 1, Type: chatbox.TypeUserMessage, Content: text}})
		assert.True(t, ok)
		assert.LessOrEqual(t, utf8.RuneCountInString(got.Excerpt), 121)
		assert.True(t, utf8.ValidString(got.Excerpt))
		assert.NotContains(t, got.Excerpt, "\n")
	}
}
