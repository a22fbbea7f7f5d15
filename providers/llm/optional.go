package llm

import (
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
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

// namedIn returns the fields that a refusal is about. A field that occurs only in
// a quotation of the request does not count.
func namedIn(refusal []byte, status int, fields []string) []string {
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return nil
	}
	text := aboutFields(refusal)
	return slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		return !names(text, field) && (field != "stream_options" || !names(text, "include_usage"))
	})
}

// aboutFields returns the parts of a refusal that name fields.
func aboutFields(refusal []byte) string {
	var list []json.RawMessage
	if json.Unmarshal(refusal, &list) == nil && len(list) > 0 {
		refusal = list[0]
	}
	o := objectOf(refusal)
	if o == nil {
		return withoutEcho(plainText(refusal))
	}
	var text strings.Builder
	for _, in := range o.within(maxNesting) {
		text.WriteString(withoutEcho(in.sentence()) + "\n" + in.scalar("param") + "\n" + in.scalar("code") + "\n")
		for _, name := range []string{"detail", "details", "errors", "error"} {
			var faults []struct {
				Loc   json.RawMessage `json:"loc"`
				Field texted          `json:"field"`
				Msg   texted          `json:"msg"`
				Text  texted          `json:"message"`
			}
			decodeLoosely(in[name], &faults)
			for _, f := range faults {
				text.WriteString(string(f.Loc) + "\n" + string(f.Field) + "\n" + withoutEcho(string(f.Msg+"\n"+f.Text)) + "\n")
			}
		}
	}
	return text.String()
}

// withoutEcho cuts a sentence where a quotation of the request begins.
func withoutEcho(sentence string) string {
	for _, begin := range []*regexp.Regexp{echo(), regexp.MustCompile(`\{\s*\\?['"](model|messages|role|content|stream)\b`)} {
		if at := begin.FindStringIndex(sentence); at != nil {
			sentence = sentence[:at[0]]
		}
	}
	return sentence
}

// names reports whether the text contains the word as a whole word.
func names(text, word string) bool {
	inWord := func(b byte) bool {
		return b == '_' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !inWord(text[start-1])) && (end == len(text) || !inWord(text[end])) {
			return true
		}
		from = end
	}
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
