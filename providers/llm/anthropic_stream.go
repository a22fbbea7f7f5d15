package llm

import (
	"bytes"
	"cmp"
	"strings"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// anthropicStream reads one response. It belongs to one goroutine.
type anthropicStream struct {
	events *events
	key    Secret
	cut    string // trailing white space of the prefix, which the model may repeat
	usage  anthropicUsage
}

// anthropicEvent holds the fields that are read from an event or from a whole
// answer.
type anthropicEvent struct {
	Type    vendorapi.Texted `json:"type"`
	Message struct {
		Usage anthropicUsage `json:"usage"`
	} `json:"message"`
	ContentBlock struct {
		Type vendorapi.Texted `json:"type"`
		Text content          `json:"text"`
	} `json:"content_block"`
	Delta      anthropicDelta   `json:"delta"`
	Usage      anthropicUsage   `json:"usage"`
	Content    content          `json:"content"`     // of a whole answer
	StopReason vendorapi.Texted `json:"stop_reason"` // of a whole answer
}

type anthropicDelta struct {
	Type       vendorapi.Texted `json:"type"`
	Text       content          `json:"text"`
	StopReason vendorapi.Texted `json:"stop_reason"`
}

type anthropicUsage struct {
	Input        count `json:"input_tokens"`
	CacheWritten count `json:"cache_creation_input_tokens"`
	CacheRead    count `json:"cache_read_input_tokens"`
	Output       count `json:"output_tokens"`
}

// add merges reported numbers. It takes the larger ones, since numbers only grow
// within an answer.
func (u *anthropicUsage) add(more anthropicUsage) {
	u.Input = max(u.Input, more.Input)
	u.CacheWritten = max(u.CacheWritten, more.CacheWritten)
	u.CacheRead = max(u.CacheRead, more.CacheRead)
	u.Output = max(u.Output, more.Output)
}

func (u anthropicUsage) known() *chatbox.Usage {
	prompt := int(u.Input + u.CacheWritten + u.CacheRead)
	if prompt == 0 && u.Output == 0 {
		return nil
	}
	return &chatbox.Usage{Prompt: prompt, Completion: int(u.Output)}
}

func (a *anthropicStream) next() (step, error) {
	ev, err := a.events.nextTold()
	switch {
	case err != nil:
		return step{}, err
	case isErrorName(ev.name):
		return step{}, vendorapi.DeclaredFailure(ev.data, a.key)
	case isDone(ev.data), isEnd(ev.name) && !isObject(bytes.TrimSpace(ev.data)):
		return step{usage: a.usage.known(), ended: true, terminal: true}, nil
	}
	var e anthropicEvent
	restore := func(s string) string { return s }
	if len(ev.data) > 0 {
		if restore, err = ev.decode(&e); err != nil {
			return step{}, err
		}
	}
	a.usage.add(e.Message.Usage)
	a.usage.add(e.Usage)
	st := step{usage: a.usage.known()}
	switch kind := cmp.Or(string(e.Type), ev.name); {
	case isErrorName(kind):
		return st, vendorapi.DeclaredFailure(ev.data, a.key)
	case kind == "" && e.Delta.Text.text == "" && len(ev.data) > 0:
		if f, _ := ev.complains(a.key); f != nil { // every event of the protocol has a type
			return st, f
		}
	case kind == "message_stop", e.Type == "" && isEnd(kind):
		st.ended, st.terminal = true, true
	case kind == "message_delta":
		err = st.end(string(e.Delta.StopReason), a.key)
	case kind == "message":
		st.text = a.uncut(restore(e.Content.text))
		st.ended = e.Type == "message"
		err = st.end(string(e.StopReason), a.key)
	case kind == "content_block_start":
		if isText(e.ContentBlock.Type) {
			st.text = a.uncut(restore(e.ContentBlock.Text.text))
		}
		st.thinks = strings.Contains(string(e.ContentBlock.Type), "thinking")
	default: // also kinds of events that are not known yet; they contain no text
		if isText(e.Delta.Type) {
			st.text = a.uncut(restore(e.Delta.Text.text))
		}
		st.thinks = strings.HasPrefix(string(e.Delta.Type), "thinking") || e.Delta.Type == "signature_delta"
	}
	return st, err
}

func isText(kind vendorapi.Texted) bool { return kind == "" || kind == "text" || kind == "text_delta" }

// uncut removes the end of the prefix from the beginning of the continuation, as
// far as the model repeats it.
func (a *anthropicStream) uncut(text string) string {
	for a.cut != "" && text != "" {
		if text[0] != a.cut[0] {
			a.cut = ""
			break
		}
		text, a.cut = text[1:], a.cut[1:]
	}
	return text
}
