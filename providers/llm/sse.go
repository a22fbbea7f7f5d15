package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// sseEvent is one thing that a stream carries. One without data is a sign of
// life: a comment, or an event that has only a name.
type sseEvent struct {
	name  string
	data  []byte
	whole bool // it stood in the body by itself, as JSON that is no event's data
	cut   bool // the stream ended inside it
}

// events reads server-sent events as the HTML standard describes them, and
// what vendors send in their place. It differs from the standard in this:
//
//   - An event ends with its blank line, with the end of the stream, or as soon
//     as its data is one whole JSON object: some servers leave blank lines out.
//   - Comments are returned as signs of life.
//   - A line that is a JSON object by itself is an event, and so is a body that
//     begins with one: errors, and whole answers though a stream was asked for.
type events struct {
	r      *bufio.Reader
	begun  bool
	lone   *json.Decoder // where the body is JSON and not a stream of events
	queue  []json.RawMessage
	skipLF bool  // the last line ended in CR: an LF that follows belongs to it
	over   error // why nothing follows
}

// maxChecks bounds how often an event's data is tried as JSON while its lines
// arrive; one of more lines waits for its blank line.
const maxChecks = 64

func newEvents(body io.Reader) *events { return &events{r: bufio.NewReader(body)} }

// next returns the next event; io.EOF is the end of the stream.
func (e *events) next() (sseEvent, error) {
	if !e.begun {
		e.begun = true
		if err := e.begin(); err != nil {
			return sseEvent{}, err
		}
	}
	if e.lone != nil {
		return e.nextLone()
	}
	return e.nextEvent()
}

// begin skips a byte order mark and white space, and finds out what the body
// is.
func (e *events) begin() error {
	const bom = "\uFEFF"
	if head, _ := e.r.Peek(1); len(head) == 1 && head[0] == bom[0] {
		if head, _ = e.r.Peek(len(bom)); string(head) == bom {
			_, _ = e.r.Discard(len(bom))
		}
	}
	for {
		head, err := e.r.Peek(1)
		if err != nil {
			return err
		}
		switch head[0] {
		case ' ', '\t', '\r', '\n':
			_, _ = e.r.Discard(1)
			continue
		case '<':
			return e.page()
		case '{', '[':
			e.lone = json.NewDecoder(io.LimitReader(e.r, maxBody))
		}
		return nil
	}
}

// page fails a body that is HTML: something else than a model answers at the
// endpoint. Where that asks to sign in, it will ask the next time too.
func (e *events) page() error {
	head, _ := e.r.Peek(len("<!doctype"))
	if !isPage(head) {
		return nil
	}
	body, err := io.ReadAll(io.LimitReader(e.r, maxErrorBody))
	f := &failure{text: "a page came in place of an answer"}
	switch {
	case asksToSignIn(body):
		f.why, f.permanent = reasonRequest, true
	case err != nil:
		return err
	}
	return f
}

// nextLone returns the next JSON value of a body that is no stream of events.
// Those of a list count one by one.
func (e *events) nextLone() (sseEvent, error) {
	for len(e.queue) == 0 {
		var value json.RawMessage
		switch err := e.lone.Decode(&value); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return sseEvent{}, err
		case err != nil:
			return sseEvent{}, lineError(err)
		}
		if value[0] != '[' {
			return sseEvent{data: value, whole: true}, nil
		}
		_ = json.Unmarshal(value, &e.queue) // it is valid, and a list
	}
	value := e.queue[0]
	e.queue = e.queue[1:]
	return sseEvent{data: value, whole: true}, nil
}

// lineError keeps an error of reading and names any other for what it is.
func lineError(err error) error {
	if _, ok := errors.AsType[*json.SyntaxError](err); ok {
		return notJSON()
	}
	return err
}

func notJSON() error { return &failure{text: "the stream carries something that is not JSON"} }

// nextEvent returns what stands next in the stream. An event that a reset cuts
// off is lost; one that the end cuts off is returned as cut.
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
			if checks++; checks <= maxChecks && wholeObject(ev.data) {
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

// fieldOf splits a line; a comment has no field, and an object by itself is
// data.
func fieldOf(line []byte) (field string, value []byte) {
	line = bytes.TrimLeft(line, " \t")
	if len(line) > 0 && line[0] == '{' {
		return "data", line
	}
	name, value, _ := bytes.Cut(line, []byte(":"))
	return string(name), bytes.TrimPrefix(value, []byte(" "))
}

func wholeObject(data []byte) bool {
	data = bytes.TrimSpace(data)
	return len(data) > 1 && data[0] == '{' && data[len(data)-1] == '}' && json.Valid(data)
}

var errTooLong = errors.New("an event is longer than an answer can be")

// line reads up to LF, CR or both, which it leaves out. What the stream's end
// cuts off comes with the error.
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

// post asks a vendor for a stream of events. The caller closes the body.
//
// Where the vendor refuses a field of the request that can be left out, it is
// asked again without it, and so from then on.
func (g *guard) post(ctx context.Context, url string, header http.Header, body any) (io.ReadCloser, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("llm: encoding the request: %w", err)
	}
	request := leave(raw, g.optional.known())
	var left []string
	for {
		stream, err := g.send(ctx, url, header, request)
		if err == nil {
			g.optional.remember(left)
			return stream, nil
		}
		f, ok := errors.AsType[*failure](err)
		if !ok || len(f.fields) == 0 || len(left) >= maxRefused {
			return nil, err
		}
		left = append(left, f.fields...)
		request = leave(request, f.fields)
	}
}

func (g *guard) send(ctx context.Context, url string, header http.Header, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, asFailure(g.key, err)
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Accept-Encoding", "identity") // a compressed stream comes in lumps
	resp, err := g.do(req, optionalIn(body))
	if err != nil {
		return nil, err
	}
	return resp.Body, nil
}
