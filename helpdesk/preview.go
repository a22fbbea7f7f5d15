package helpdesk

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"

	"chatbox"
)

// MaxPreviews is the maximal number of sessions in one request for previews.
const MaxPreviews = 50

// Preview is the last message of a session, for a list of sessions.
type Preview struct {
	SessionID string
	Seq       int64
	Type      chatbox.Type
	Sender    chatbox.Sender
	Time      time.Time
	Excerpt   string // one line, at most about 120 code points; empty for a file without a caption
}

const excerptLength = 120 // code points

// PreviewOf returns the preview of the newest message of people or the model. That
// of a recording is its transcript. It returns false if newest contains none.
func PreviewOf(session string, newest []chatbox.Event) (Preview, bool) {
	heard := map[int64]string{}
	for _, e := range slices.Backward(newest) {
		if of, ok := e.Transcribes(); ok {
			heard[of] = e.Content
		}
		switch e.Type {
		case chatbox.TypeUserMessage, chatbox.TypeAnswer, chatbox.TypeFileUpload, chatbox.TypeVoiceMessage:
		default:
			continue
		}
		excerpt := oneLine(cmp.Or(e.Content, heard[e.Seq]))
		if excerpt == "" && e.Type != chatbox.TypeFileUpload && e.Type != chatbox.TypeVoiceMessage {
			continue
		}
		return Preview{SessionID: session, Seq: e.Seq, Type: e.Type, Sender: e.Sender, Time: e.Time, Excerpt: excerpt}, true
	}
	return Preview{}, false
}

// oneLine returns the beginning of a text with white space and control
// characters as single spaces. It reads no more of the text than it returns.
func oneLine(text string) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range text {
		if unicode.IsSpace(r) || unicode.IsControl(r) {
			space = n > 0
			continue
		}
		if n >= excerptLength-1 {
			b.WriteRune('…')
			break
		}
		if space {
			b.WriteByte(' ')
			n++
		}
		b.WriteRune(r)
		n, space = n+1, false
	}
	return b.String()
}
