package llm

import (
	"encoding/json"
	"errors"
	"io"

	"chatbox/providers/internal/vendorapi"
)

// page returns a failure if the body is HTML, since then the endpoint is not a
// model's. The failure is permanent if the page asks for a login.
func (e *events) page() error {
	head, _ := e.r.Peek(len("<!doctype"))
	if !vendorapi.IsPage(head) {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(e.r, vendorapi.MaxErrorBody))
	f := &vendorapi.Failure{Text: "a page came in place of an answer"}
	switch {
	case vendorapi.AsksToSignIn(body):
		f.Why, f.Permanent = vendorapi.ReasonRequest, true
	case err != nil:
		return err
	}
	return f
}

// nextLone returns the next JSON value of a body that is not a stream of events.
// A list is returned as separate events. It returns nil if no JSON follows.
func (e *events) nextLone() ([]sseEvent, error) {
	for {
		head, err := e.peek()
		if err != nil {
			return nil, err
		}
		if head == '[' {
			next, _ := e.r.Peek(2)
			if len(next) == 2 && (next[1] >= 'A' && next[1] <= 'Z' || next[1] >= 'a' && next[1] <= 'z') { // [DONE]
				return nil, nil
			}
		} else if head != '{' {
			return nil, nil
		}
		value, err := e.value()
		if err != nil {
			return nil, err
		}
		if head == '{' {
			return []sseEvent{{data: value, whole: true}}, nil
		}
		var list []json.RawMessage
		_ = json.Unmarshal(value, &list) // the value is valid and a list
		var events []sseEvent
		for _, item := range list {
			events = append(events, sseEvent{data: item, whole: true})
		}
		if events != nil {
			return events, nil
		}
	}
}

// value reads one JSON object or list.
func (e *events) value() ([]byte, error) {
	var value []byte
	depth, quoted, escaped := 0, false, false
	for {
		b, err := e.r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case len(value) >= maxBody:
			return nil, errTooLong
		}
		value = append(value, b)
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
		if depth > 0 {
			continue
		}
		if !json.Valid(value) {
			return nil, notJSON()
		}
		return value, nil
	}
}
