package llm

import (
	"bytes"
	"unicode/utf8"
)

// onlyText returns the text of a chunk of the documented form that has only text.
// Almost all events of a stream are such chunks, and the general decoder needs
// many times as long for them. onlyText returns "" for any other event, which the
// general decoder then reads.
func onlyText(ev sseEvent) string {
	if len(ev.objects) != 1 || ev.whole || ev.cut || !utf8.Valid(ev.data) {
		return "" // it is not known to be one valid object
	}
	s := plainScanner{rest: ev.data}
	var text string
	if !s.object(func(key string) bool {
		switch key {
		case "id", "object", "created", "model", "system_fingerprint", "service_tier", "obfuscation", "provider":
			return s.scalar()
		case "usage":
			return s.null()
		case "choices":
			return text == "" && s.oneOf(func() bool { return s.choice(&text) })
		default:
			return false
		}
	}) {
		return ""
	}
	return text
}

// plainScanner reads valid JSON of a few forms. Its methods return false for any
// other form.
type plainScanner struct{ rest []byte }

func (s *plainScanner) choice(text *string) bool {
	return s.object(func(key string) bool {
		switch key {
		case "index":
			return s.next('0')
		case "finish_reason", "logprobs", "native_finish_reason":
			return s.null()
		case "delta":
			return *text == "" && s.object(func(key string) bool {
				switch key {
				case "role":
					return s.scalar()
				case "refusal":
					return s.null()
				case "content":
					return *text == "" && s.text(text)
				default:
					return false
				}
			})
		default:
			return false
		}
	})
}

// object reads an object; member reads the value of one key.
func (s *plainScanner) object(member func(key string) bool) bool {
	if !s.next('{') {
		return false
	}
	for {
		key, ok := s.bare()
		if !ok || !s.next(':') || !member(string(key)) {
			return false
		}
		if s.next('}') {
			return true
		}
		if !s.next(',') {
			return false
		}
	}
}

// oneOf reads a list of one element.
func (s *plainScanner) oneOf(element func() bool) bool {
	return s.next('[') && element() && s.next(']')
}

// next reads one byte, and white space before and after it.
func (s *plainScanner) next(want byte) bool {
	s.space()
	if len(s.rest) == 0 || s.rest[0] != want {
		return false
	}
	s.rest = s.rest[1:]
	s.space()
	return true
}

func (s *plainScanner) space() {
	for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\n' || s.rest[0] == '\t' || s.rest[0] == '\r') {
		s.rest = s.rest[1:]
	}
}

func (s *plainScanner) null() bool {
	after, ok := bytes.CutPrefix(s.rest, []byte("null"))
	if ok {
		s.rest = after
	}
	return ok
}

// scalar reads a string without escapes, a number or a word.
func (s *plainScanner) scalar() bool {
	if len(s.rest) > 0 && s.rest[0] == '"' {
		_, ok := s.bare()
		return ok
	}
	end := bytes.IndexAny(s.rest, ",}] \n\r\t")
	if end <= 0 || s.rest[0] == '{' || s.rest[0] == '[' {
		return false
	}
	s.rest = s.rest[end:]
	return true
}

// bare reads a string without escapes.
func (s *plainScanner) bare() ([]byte, bool) {
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return nil, false
	}
	end := bytes.IndexByte(s.rest[1:], '"')
	if end < 0 || bytes.IndexByte(s.rest[1:1+end], '\\') >= 0 {
		return nil, false
	}
	value := s.rest[1 : 1+end]
	s.rest = s.rest[2+end:]
	return value, true
}

// text reads a string with at most the escapes of one character.
func (s *plainScanner) text(into *string) bool {
	if value, ok := s.bare(); ok {
		*into = string(value)
		return true
	}
	if len(s.rest) == 0 || s.rest[0] != '"' {
		return false
	}
	out := make([]byte, 0, 64)
	for i := 1; i < len(s.rest); i++ {
		c := s.rest[i]
		switch c {
		case '"':
			*into, s.rest = string(out), s.rest[i+1:]
			return true
		case '\\':
			i++
			at := bytes.IndexByte([]byte(`"\/bfnrt`), s.rest[i])
			if at < 0 {
				return false // \u
			}
			c = "\"\\/\b\f\n\r\t"[at]
		}
		out = append(out, c)
	}
	return false
}
