package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// Headers are additional request headers of a provider. Their values may be
// secrets.
type Headers map[string]Secret

const (
	maxHeaders     = 32
	maxHeaderValue = 8 << 10 // bytes
)

// ParseHeaders reads "Name: value" pairs separated by commas or line ends, or a
// JSON object of strings. A value with a comma requires the JSON form. Its errors
// contain no values.
func ParseHeaders(text string) (Headers, error) {
	pairs := [][2]string{}
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var object map[string]string
		if json.Unmarshal([]byte(text), &object) != nil {
			return nil, errors.New("is not a JSON object of texts")
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			pairs = append(pairs, [2]string{name, object[name]})
		}
	} else {
		for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
			if strings.TrimSpace(part) == "" {
				continue
			}
			name, value, ok := strings.Cut(part, ":")
			if !ok {
				return nil, errors.New("must be Name: value pairs separated by commas; a value with a comma needs the form of a JSON object")
			}
			pairs = append(pairs, [2]string{name, value})
		}
	}
	headers := Headers{}
	for _, p := range pairs {
		name, value := http.CanonicalHeaderKey(strings.TrimSpace(p[0])), strings.TrimSpace(p[1])
		if err := headers.check(name, value); err != nil {
			return nil, err
		}
		headers[name] = NewSecret(value)
	}
	return headers, nil
}

func (h Headers) check(name, value string) error {
	reserved := []string{
		"Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "Keep-Alive", "Upgrade", "Te", "Trailer",
		"Accept", "Accept-Encoding", "Expect", "Proxy-Authorization", "Proxy-Connection",
	}
	_, twice := h[name]
	switch {
	case !regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$").MatchString(name):
		return errors.New("holds a name that is no header's")
	case slices.Contains(reserved, name):
		return fmt.Errorf("must not set %s, which the request sets itself", name)
	case twice:
		return fmt.Errorf("sets %s twice", name)
	case value == "" || len(value) > maxHeaderValue || !printableASCII(value):
		return fmt.Errorf("gives %s a value that is empty, too long or no header's", name)
	case len(h) >= maxHeaders:
		return fmt.Errorf("sets more than %d headers", maxHeaders)
	}
	return nil
}

func printableASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return (r < ' ' || r > '~') && r != '\t' })
}

// over returns a copy of header with the provider's own headers set.
func (h Headers) over(header http.Header) http.Header {
	header = header.Clone()
	for name, value := range h {
		header.Set(name, value.Reveal())
	}
	return header
}

// values returns the values, which may be secrets.
func (h Headers) values() []string {
	var texts []string
	for _, value := range h {
		texts = append(texts, value.Reveal())
	}
	return texts
}

// Extra is merged into a provider's requests. A null removes a field.
type Extra map[string]any

// ParseExtra reads a JSON object.
func ParseExtra(text string) (Extra, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var extra Extra
	if err := d.Decode(&extra); err != nil || extra == nil {
		return nil, errors.New(`must be a JSON object such as {"temperature": 0.2}`)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("holds more than one JSON object")
	}
	return extra, nil
}

// taken returns the first field in e that must not be changed in requests of the
// type, or "".
func (e Extra) taken(kind string) string {
	fields := []string{"stream", "messages"}
	if kind == TypeDify {
		fields = []string{"response_mode", "query"}
	}
	for _, f := range fields {
		if _, ok := e[f]; ok {
			return f
		}
	}
	return ""
}

// into merges the fields into a request according to RFC 7386 (JSON Merge Patch):
// objects are merged, null removes a field, any other value replaces it.
func (e Extra) into(request any) (any, error) {
	if len(e) == 0 {
		return request, nil
	}
	raw, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("llm: encoding the request: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var fields map[string]any
	if err := d.Decode(&fields); err != nil {
		return nil, fmt.Errorf("llm: merging the request: %w", err)
	}
	return mergePatch(fields, map[string]any(e)), nil
}

func mergePatch(target, patch any) any {
	changes, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	merged := map[string]any{}
	if object, ok := target.(map[string]any); ok {
		maps.Copy(merged, object)
	}
	for name, value := range changes {
		if value == nil {
			delete(merged, name)
		} else {
			merged[name] = mergePatch(merged[name], value)
		}
	}
	return merged
}
