package llm

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// optional stores the names of request fields that a provider refuses. It is safe
// for concurrent use and holds at most maxRefused names.
type optional struct {
	found   func(field string) // called for each new field; may be nil
	mu      sync.Mutex         // guards following
	refused map[string]bool
}

// maxRefused bounds the number of fields that are omitted from a provider's
// requests.
const maxRefused = 16

// required reports whether a request without the field would have another
// meaning.
func required(field string) bool {
	switch field {
	case "model", "messages", "stream", "system", // OpenAI and Anthropic
		"query", "inputs", "response_mode", "user", "files": // Dify
		return true
	default:
		return false
	}
}

// optionalIn returns the sorted fields of a request that can be omitted.
func optionalIn(request []byte) []string {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(request, &fields) // the request was encoded by this package
	return slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), required)
}

func (o *optional) known() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Collect(maps.Keys(o.refused))
}

func (o *optional) remember(fields []string) {
	for _, field := range fields {
		o.mu.Lock()
		fresh := !o.refused[field] && len(o.refused) < maxRefused
		if fresh {
			if o.refused == nil {
				o.refused = map[string]bool{}
			}
			o.refused[field] = true
		}
		o.mu.Unlock()
		if fresh && o.found != nil {
			o.found(field)
		}
	}
}

// leave returns the request without the fields.
func leave(request []byte, fields []string) []byte {
	var all map[string]json.RawMessage
	if len(fields) == 0 || json.Unmarshal(request, &all) != nil {
		return request
	}
	for _, f := range fields {
		delete(all, f)
	}
	smaller, err := json.Marshal(all)
	if err != nil {
		return request
	}
	return smaller
}
