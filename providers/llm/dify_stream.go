package llm

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"chatbox/providers/internal/vendorapi"
)

// difyStream reads one response. It belongs to one goroutine.
type difyStream struct {
	events  *events
	key     Secret
	task    string
	over    bool            // Dify has no running answer to stop
	told    strings.Builder // the text, including reasoning
	usage   openaiUsage
	whole   bool // an answer came as one JSON object, which may be the whole body although a stream was requested
	objects int  // events with data
}

// difyEvent holds the fields that are read from an event or from a whole answer.
type difyEvent struct {
	Event    vendorapi.Texted `json:"event"`
	Task     vendorapi.Texted `json:"task_id"`
	Answer   content          `json:"answer"`
	Thought  vendorapi.Texted `json:"thought"`
	Metadata openaiNested     `json:"metadata"`
	Data     difyData         `json:"data"`
}

type difyData struct {
	Text    content          `json:"text"`
	Status  vendorapi.Texted `json:"status"`
	Error   json.RawMessage  `json:"error"`
	Outputs struct {
		Answer vendorapi.Texted `json:"answer"`
		Text   vendorapi.Texted `json:"text"`
		Result vendorapi.Texted `json:"result"`
		Output vendorapi.Texted `json:"output"`
	} `json:"outputs"`
}

// difyFailure is the code of a failed workflow.
const difyFailure = "workflow_failed"

func (s *difyStream) next() (step, error) {
	ev, err := s.events.nextTold()
	switch {
	case err != nil:
		s.over = s.over || errors.Is(err, io.EOF)
		return step{ended: s.whole && s.objects == 1}, err
	case isErrorName(ev.name):
		s.over = true
		return step{}, vendorapi.DeclaredFailure(ev.data, s.key)
	case isDone(ev.data), isEnd(ev.name) && !isObject(bytes.TrimSpace(ev.data)):
		s.over = true
		return step{ended: true, terminal: true}, nil
	case len(bytes.TrimSpace(ev.data)) == 0:
		return step{}, nil
	}
	s.objects++
	var e difyEvent
	restore, err := ev.decode(&e)
	if err != nil {
		return step{}, err
	}
	if task := string(e.Task); task != "" {
		s.task = task
	}
	s.usage.add(e.Metadata.Usage)
	st, err := s.step(e, ev)
	st.text = restore(st.text)
	st.usage = s.usage.known()
	if st.replace {
		s.told.Reset()
	}
	s.told.WriteString(st.text)
	return st, err
}

func (s *difyStream) step(e difyEvent, ev sseEvent) (step, error) {
	switch kind := cmp.Or(string(e.Event), ev.name); kind {
	case "message", "agent_message":
		s.whole = s.whole || ev.whole
		return step{text: e.Answer.text}, nil
	case "text_chunk":
		return step{text: e.Data.Text.text}, nil
	case "message_replace", "text_replace":
		return step{text: cmp.Or(e.Answer.text, e.Data.Text.text), replace: true}, nil
	case "agent_thought":
		return step{thinks: e.Thought != ""}, nil
	case "message_end":
		s.over = true
		return step{ended: true, terminal: true}, nil
	case "workflow_finished":
		return s.finished(e)
	case "error":
		s.over = true
		return step{}, vendorapi.DeclaredFailure(ev.data, s.key)
	case "":
		if e.Answer.text != "" {
			s.whole = s.whole || ev.whole
			return step{text: e.Answer.text}, nil
		}
		if f, _ := ev.complains(s.key); f != nil { // every event of the protocol has a name
			s.over = true
			return step{}, f
		}
		return step{}, nil
	default: // steps of a workflow, speech and pings are signs of life
		return step{ended: isEnd(kind)}, nil
	}
}

// finished handles the end of a workflow. The outputs of the workflow are the
// answer if no text came before.
func (s *difyStream) finished(e difyEvent) (step, error) {
	switch strings.ToLower(string(e.Data.Status)) {
	case "succeeded", "success", "partial-succeeded", "":
	default:
		s.over = true
		return step{}, &vendorapi.Failure{Kind: difyFailure, Text: "the workflow failed", Declared: true}
	}
	st := step{ended: true}
	if shown, _ := visible(s.told.String()); shown == "" {
		o := e.Data.Outputs
		st.text = string(cmp.Or(o.Answer, o.Text, o.Result, o.Output))
		st.replace = st.text != "" && s.told.Len() > 0 // reasoning may have been streamed
	}
	return st, nil
}
