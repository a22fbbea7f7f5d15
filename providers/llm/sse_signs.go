package llm

import (
	"bytes"
	"encoding/json"
	"strings"

	"chatbox/providers/internal/vendorapi"
)

// idle reports whether an event is only a sign of life. Before the first object,
// any data that is not JSON is one.
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

// isPing reports whether the name or the data of an event is a known keep-alive.
func isPing(said string) bool {
	switch vendorapi.Squeezed(strings.Trim(said, " :[]<>().!\"\r\n\t")) {
	case "ping", "pong", "keepalive", "heartbeat", "alive", "hb", "noop", "waiting", "processing", "openrouterprocessing", "connected", "queued", "pending":
		return true
	default:
		return false
	}
}

// isEnd reports whether an event of this name ends a stream.
func isEnd(name string) bool {
	switch vendorapi.Squeezed(strings.Trim(name, "[]")) {
	case "done", "end", "eos", "complete", "completed", "finish", "finished", "messagestop", "messageend":
		return true
	default:
		return false
	}
}
