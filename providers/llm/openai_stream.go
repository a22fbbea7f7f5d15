package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// openaiStream reads one response. It belongs to one goroutine.
type openaiStream struct {
	events  *events
	key     Secret
	told    retelling
	usage   openaiUsage
	objects int   // events with data
	whole   bool  // a complete message came, which may be the whole body; it then needs no finish reason
	doubt   error // an event that may be an error, with no part of the answer since
}

// openaiChunk holds the fields that are read from a chunk or from a whole answer.
type openaiChunk struct {
	Object  vendorapi.Texted `json:"object"`
	Type    vendorapi.Texted `json:"type"`
	Choices []openaiChoice   `json:"choices"`
	Usage   openaiUsage      `json:"usage"`
	Groq    openaiNested     `json:"x_groq"`
	Timings openaiTimings    `json:"timings"` // llama.cpp
	Base    baseResponse     `json:"base_resp"`
	Error   json.RawMessage  `json:"error"`
}

type openaiChoice struct {
	Index        count            `json:"index"`
	Delta        openaiMessage    `json:"delta"`
	Message      openaiMessage    `json:"message"`
	Text         content          `json:"text"`
	FinishReason vendorapi.Texted `json:"finish_reason"`
	FinishCamel  vendorapi.Texted `json:"finishReason"`
	Usage        openaiUsage      `json:"usage"` // Moonshot
	Error        json.RawMessage  `json:"error"` // OpenRouter
}

type openaiMessage struct {
	Content          content          `json:"content"`
	Text             content          `json:"text"`
	Refusal          vendorapi.Texted `json:"refusal"`
	ReasoningContent json.RawMessage  `json:"reasoning_content"`
	Reasoning        json.RawMessage  `json:"reasoning"`
	Thinking         json.RawMessage  `json:"thinking"`
	ReasoningDetails json.RawMessage  `json:"reasoning_details"`
}

// UnmarshalJSON also accepts a message that is only a string.
func (m *openaiMessage) UnmarshalJSON(data []byte) error {
	type fields openaiMessage
	if len(data) > 0 && data[0] == '"' {
		return m.Content.UnmarshalJSON(data)
	}
	vendorapi.DecodeLoosely(data, (*fields)(m))
	return nil
}

func (m openaiMessage) text() string {
	return cmp.Or(m.Content.text, m.Text.text) + string(m.Refusal)
}

func (m openaiMessage) thinks() bool {
	return m.Content.thinks || vendorapi.Present(m.ReasoningContent) || vendorapi.Present(m.Reasoning) ||
		vendorapi.Present(m.Thinking) || vendorapi.Present(m.ReasoningDetails)
}

type openaiUsage struct {
	Prompt     count `json:"prompt_tokens"`
	Completion count `json:"completion_tokens"`
	Input      count `json:"input_tokens"`
	Output     count `json:"output_tokens"`
	Total      count `json:"total_tokens"`
}

type openaiNested struct {
	Usage openaiUsage     `json:"usage"`
	Error json.RawMessage `json:"error"`
}

type openaiTimings struct {
	Prompt     count `json:"prompt_n"`
	Completion count `json:"predicted_n"`
}

// add merges reported numbers. Later numbers replace earlier ones, and zeros are
// ignored.
func (u *openaiUsage) add(more openaiUsage) {
	u.Prompt = cmp.Or(more.Prompt, more.Input, u.Prompt)
	u.Completion = cmp.Or(more.Completion, more.Output, u.Completion)
	u.Total = cmp.Or(more.Total, u.Total)
}

// known returns the reported usage, or nil if none was reported.
func (u openaiUsage) known() *chatbox.Usage {
	if u.Completion == 0 && u.Prompt > 0 && u.Total > u.Prompt {
		u.Completion = u.Total - u.Prompt
	}
	if u.Prompt == 0 && u.Completion > 0 && u.Total > u.Completion {
		u.Prompt = u.Total - u.Completion
	}
	if u.Prompt == 0 && u.Completion == 0 {
		return nil
	}
	return &chatbox.Usage{Prompt: int(u.Prompt), Completion: int(u.Completion)}
}

func (s *openaiStream) next() (step, error) {
	ev, err := s.events.nextTold()
	data := bytes.TrimSpace(ev.data)
	ends := isDone(data) || isEnd(ev.name) && !isObject(data)
	switch {
	case errors.Is(err, io.EOF) && s.doubt != nil:
		return step{}, s.doubt
	case err != nil:
		return step{ended: s.whole && s.objects == 1}, err
	case isErrorName(ev.name):
		return step{}, vendorapi.DeclaredFailure(data, s.key)
	case ends && s.doubt != nil:
		return step{}, s.doubt
	case ends:
		return step{ended: true, terminal: true}, nil
	case len(data) == 0:
		return step{}, nil
	}
	s.objects++
	if text := onlyText(ev); text != "" {
		s.told.delta(text)
		s.doubt = nil
		return step{text: text, usage: s.usage.known(), ended: isEnd(ev.name)}, nil
	}
	st, err := s.step(ev)
	st.ended = st.ended || err == nil && isEnd(ev.name)
	return st, err
}

// isDone reports whether the data is the end of a stream, as OpenAI and
// compatible servers write it.
func isDone(data []byte) bool {
	return bytes.EqualFold(bytes.Trim(data, `"[]<>| `), []byte("DONE"))
}

func isObject(data []byte) bool { return len(data) > 0 && data[0] == '{' }

func (s *openaiStream) step(ev sseEvent) (step, error) {
	var c openaiChunk
	restore, err := ev.decode(&c)
	if err != nil {
		return step{}, err
	}
	if vendorapi.Present(c.Groq.Error) || c.Base.bad() || vendorapi.Present(c.Error) && !allIsWell(string(c.Error)) {
		return step{}, vendorapi.DeclaredFailure(ev.data, s.key)
	}
	var st step
	for _, choice := range c.Choices {
		if choice.Index != 0 {
			continue
		}
		s.news(&st, choice, restore)
		st.thinks = st.thinks || choice.Delta.thinks() || choice.Message.thinks()
		c.Usage.add(choice.Usage)
		if ev.whole && choice.Message.text() != "" && !strings.HasSuffix(string(c.Object), "chunk") {
			s.whole = true
		}
		if vendorapi.Present(choice.Error) {
			err = vendorapi.DeclaredFailure(slices.Concat([]byte(`{"error":`), choice.Error, []byte("}")), s.key)
			break
		}
		if err = st.end(string(cmp.Or(choice.FinishReason, choice.FinishCamel)), s.key); err != nil {
			break
		}
	}
	if err == nil {
		err = s.suspect(ev, st)
	}
	s.usage.add(openaiUsage{Prompt: c.Timings.Prompt, Completion: c.Timings.Completion})
	s.usage.add(c.Groq.Usage)
	s.usage.add(c.Usage)
	st.usage = s.usage.known()
	return st, err
}

// suspect returns the error of an event that contains no part of the answer. An
// uncertain error is stored in s.doubt.
func (s *openaiStream) suspect(ev sseEvent, st step) error {
	if st.text != "" || st.replace || st.finish != "" || st.ended || st.thinks {
		s.doubt = nil
		return nil
	}
	f, sure := ev.complains(s.key)
	switch {
	case sure:
		return f
	case f != nil:
		s.doubt = f
	}
	return nil
}

// news adds the text of a choice to the step. See retelling for text that comes
// as a message.
func (s *openaiStream) news(st *step, c openaiChoice, restore func(string) string) {
	text := restore(cmp.Or(c.Delta.text(), c.Text.text))
	if message := restore(c.Message.text()); text == "" && message != "" {
		how, _ := endingOf(string(cmp.Or(c.FinishReason, c.FinishCamel)))
		text, st.replace = s.told.message(message, how != endNone)
	} else {
		s.told.delta(text)
	}
	st.text += text
}

// content is a string, or a list of parts of which some have text.
type content struct {
	text   string
	thinks bool // a part contains reasoning
}

// UnmarshalJSON never fails. A value without text is decoded as "".
func (c *content) UnmarshalJSON(data []byte) error {
	*c = content{}
	c.read(data, vendorapi.MaxNesting)
	return nil
}

func (c *content) read(data []byte, depth int) {
	if len(data) == 0 || depth == 0 {
		return
	}
	switch data[0] {
	case '"':
		var text string
		vendorapi.DecodeLoosely(data, &text)
		c.text += text
	case '[':
		var parts []json.RawMessage
		vendorapi.DecodeLoosely(data, &parts)
		for _, p := range parts {
			c.read(p, depth-1)
		}
	case '{':
		var part struct {
			Type    vendorapi.Texted `json:"type"`
			Text    json.RawMessage  `json:"text"`
			Value   json.RawMessage  `json:"value"`
			Parts   json.RawMessage  `json:"parts"`
			Content json.RawMessage  `json:"content"`
			Refusal json.RawMessage  `json:"refusal"`
		}
		vendorapi.DecodeLoosely(data, &part)
		switch part.Type {
		case "", "text", "output_text", "text_delta", "refusal", "message":
			for _, inner := range []json.RawMessage{part.Text, part.Value, part.Parts, part.Content, part.Refusal} {
				c.read(inner, depth-1)
			}
		case "thinking", "reasoning", "reasoning_text", "thought":
			c.thinks = true
		}
	}
}
