package llm

import (
	"bytes"
	"encoding/json"
	"strings"
)

// idle reports whether an event only shows that the server lives: before the
// first object, that is all that is no JSON.
func (e *events) idle(ev sseEvent) bool {
	data := bytes.TrimSpace(ev.data)
	switch {
	case len(data) == 0:
		return true
	case data[0] == '{':
		e.heard = true
		return false
	case isErrorName(ev.name), isDone(data), isEnd(ev.name), json.Valid(data):
		return false
	default:
		return isPing(ev.name) || isPing(string(data)) || !e.heard && data[0] != '['
	}
}

// isPing recognises names and data of events that mean nothing.
func isPing(said string) bool {
	switch squeezed(strings.Trim(said, " :[]<>().!\"\r\n\t")) {
	case "ping", "pong", "keepalive", "heartbeat", "alive", "hb", "noop", "waiting", "processing", "openrouterprocessing", "connected", "queued", "pending":
		return true
	default:
		return false
	}
}

// isEnd recognises names of events that end a stream.
func isEnd(name string) bool {
	switch squeezed(strings.Trim(name, "[]")) {
	case "done", "end", "eos", "complete", "completed", "finish", "finished", "messagestop", "messageend":
		return true
	default:
		return false
	}
}
