package llm

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"chatbox/providers/internal/vendorapi"
)

const (
	maxLine = 4 << 20  // bytes of one event of a stream
	maxBody = 16 << 20 // bytes of a whole answer that is not a stream
)

// sseEvent is one event of a stream. An event without data is a sign of life: a
// comment, or an event that has only a name.
type sseEvent struct {
	name  string
	data  []byte
	whole bool // the body contained it as plain JSON, not as the data of an event
	cut   bool // the stream ended within the event

	objects []json.RawMessage // the objects in data, if nextEvent looked for them
}

// events reads server-sent events according to the HTML standard, and the
// variants that vendors send. It differs from the standard as follows:
//
//   - An event ends with its blank line, with the end of the stream, or as soon
//     as its data consists of complete JSON objects, since some servers omit
//     blank lines. Several objects are several events.
//   - Comments are returned as signs of life. So is any data that is not JSON if
//     it precedes the first object or is a known keep-alive.
//   - A line that is a JSON object is an event, and so is a body that begins with
//     one. Errors come in this form, and whole answers although a stream was
//     requested.
//   - Field names may be in capitals, repeated, or surrounded by spaces.
type events struct {
	r      *bufio.Reader
	begun  bool
	lone   bool // the body has been JSON so far, not a stream of events
	queue  []sseEvent
	skipLF bool  // the last line ended in CR, so a following LF belongs to it
	heard  bool  // a JSON object was received
	over   error // the error that ended the stream
}

// maxChecks bounds the number of attempts to parse an event's data as JSON while
// its lines arrive. An event with more lines ends at its blank line.
const maxChecks = 64

func newEvents(body io.Reader) *events { return &events{r: bufio.NewReader(body)} }

// next returns the next event. It returns io.EOF at the end of the stream.
func (e *events) next() (sseEvent, error) {
	if !e.begun {
		e.begun = true
		if err := e.begin(); err != nil {
			return sseEvent{}, err
		}
	}
	if len(e.queue) == 0 {
		ev, err := e.read()
		if err != nil {
			return sseEvent{}, err
		}
		e.queue = ev
	}
	ev := e.queue[0]
	e.queue = e.queue[1:]
	return ev, nil
}

// nextTold is next, except that it removes the data of keep-alive events.
func (e *events) nextTold() (sseEvent, error) {
	ev, err := e.next()
	if err == nil && e.idle(ev) {
		ev.data = nil
	}
	return ev, err
}

// read returns at least one event.
func (e *events) read() ([]sseEvent, error) {
	if e.lone {
		if list, err := e.nextLone(); list != nil || err != nil {
			return list, err
		}
		e.lone = false // server-sent events follow
	}
	ev, err := e.nextEvent()
	if err != nil {
		return nil, err
	}
	return ev.apart(), nil
}

// apart returns one event for each JSON object in the data.
func (e sseEvent) apart() []sseEvent {
	if e.objects == nil {
		e.objects = objectsIn(e.data)
	}
	if len(e.objects) < 2 {
		return []sseEvent{e}
	}
	list := make([]sseEvent, len(e.objects))
	for i, data := range e.objects {
		list[i] = sseEvent{name: e.name, data: data}
	}
	return list
}

const bom = "\uFEFF"

// begin skips byte order marks and white space and determines the form of the
// body.
func (e *events) begin() error {
	switch head, err := e.peek(); {
	case err != nil:
		return err
	case head == '<':
		return e.page()
	case head == '{', head == '[':
		e.lone = true
	}
	return nil
}

// peek returns the next byte after white space and byte order marks.
func (e *events) peek() (byte, error) {
	for {
		head, err := e.r.Peek(1)
		if err != nil {
			return 0, err
		}
		switch head[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = e.r.Discard(1)
			continue
		case bom[0]:
			if mark, _ := e.r.Peek(len(bom)); string(mark) == bom {
				_, _ = e.r.Discard(len(bom))
				continue
			}
		}
		return head[0], nil
	}
}

func notJSON() error {
	return &vendorapi.Failure{Text: "the stream carries something that is not JSON"}
}

// nextEvent returns the next event of the stream. If the stream ends within an
// event, nextEvent returns the event with cut set. If the connection is reset,
// the event is lost.
func (e *events) nextEvent() (sseEvent, error) {
	if e.over != nil {
		return sseEvent{}, e.over
	}
	var ev sseEvent
	seen, checks := false, 0
	for {
		line, err := e.line()
		e.over = err
		field, value := fieldOf(line)
		switch field {
		case "data":
			ev.data = addLine(ev.data, seen, value)
			seen = true
			if len(ev.data) > maxLine {
				return sseEvent{}, errTooLong
			}
			if checks++; checks <= maxChecks {
				ev.objects = objectsIn(ev.data)
			}
			if ev.objects != nil {
				return ev, nil
			}
		case "event":
			ev.name = string(value)
		}
		switch {
		case err != nil && seen && errors.Is(err, io.EOF):
			ev.cut = true
			return ev, nil
		case err != nil:
			return sseEvent{}, err
		case len(line) == 0 && (seen || ev.name != ""), line != nil && field == "" && !seen:
			return ev, nil
		}
	}
}

func addLine(data []byte, more bool, line []byte) []byte {
	if more {
		data = append(data, '\n')
	}
	return append(data, line...)
}

// fieldOf splits a line. The field of a comment is "". A JSON object or an end
// marker without a field name counts as data.
func fieldOf(line []byte) (field string, value []byte) {
	line = trimMarks(line)
	if len(line) > 0 && (line[0] == '{' || line[0] == '[' && isDone(line)) {
		return "data", line
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	field = strings.ToLower(strings.TrimRight(string(name), " \t"))
	for field == "data" {
		twice, again := bytes.CutPrefix(bytes.TrimLeft(value, " \t"), []byte("data:"))
		if !again {
			break
		}
		value = twice
	}
	if field == "event" {
		return field, bytes.TrimSpace(value)
	}
	return field, bytes.TrimPrefix(value, []byte(" "))
}

func trimMarks(line []byte) []byte {
	for {
		rest := bytes.TrimPrefix(bytes.TrimLeft(line, " \t"), []byte(bom))
		if len(rest) == len(line) {
			return line
		}
		line = rest
	}
}

// objectsIn returns the complete JSON objects of which the data consists, or nil
// if it contains anything else.
func objectsIn(data []byte) []json.RawMessage {
	data = bytes.TrimSpace(data)
	if len(data) < 2 || data[0] != '{' || data[len(data)-1] != '}' {
		return nil
	}
	if json.Valid(data) {
		return []json.RawMessage{data}
	}
	if !bytes.Contains(data, []byte("}{")) && !bytes.Contains(data, []byte("} {")) && !bytes.Contains(data, []byte("}\n{")) {
		return nil
	}
	var objects []json.RawMessage
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var object json.RawMessage
		switch err := d.Decode(&object); {
		case errors.Is(err, io.EOF):
			return objects
		case err != nil || object[0] != '{':
			return nil
		}
		objects = append(objects, object)
	}
}

var errTooLong = errors.New("an event is longer than an answer can be")

// line returns the next line without its LF, CR or CRLF. If the stream ends
// within the line, line returns the incomplete line and the error.
func (e *events) line() ([]byte, error) {
	var line []byte
	for {
		if _, err := e.r.Peek(1); err != nil {
			return line, err
		}
		chunk, _ := e.r.Peek(e.r.Buffered())
		if e.skipLF {
			e.skipLF = false
			if chunk[0] == '\n' {
				_, _ = e.r.Discard(1)
				continue
			}
		}
		end := bytes.IndexAny(chunk, "\r\n")
		if end < 0 {
			line = append(line, chunk...)
			_, _ = e.r.Discard(len(chunk))
			if len(line) > maxLine {
				return nil, errTooLong
			}
			continue
		}
		e.skipLF = chunk[end] == '\r'
		line = append(line, chunk[:end]...)
		_, _ = e.r.Discard(end + 1)
		return line, nil
	}
}
