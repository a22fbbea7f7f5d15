package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decode parses an event's data. Fields with an undocumented type are ignored, so
// that a wrong field does not fail the answer. The returned function restores
// characters that the JSON decoder cannot represent; see protect. decode returns
// io.ErrUnexpectedEOF if the stream broke off within the event, and a failure if
// the data is not JSON.
func (e sseEvent) decode(into any) (func(string) string, error) {
	data, restore := protect(e.data)
	err := json.Unmarshal(data, into)
	if _, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		err = nil
	}
	switch {
	case err == nil:
		return restore, nil
	case e.cut:
		return nil, io.ErrUnexpectedEOF
	default:
		return nil, notJSON()
	}
}

// strayBytes is the first of 256 private code points, at the end of a private
// plane. They represent bytes that are not valid UTF-8, since the JSON decoder
// would replace each such byte by U+FFFD.
const strayBytes = 0x10FE00

// protect replaces the fragments of characters that servers split between two
// events by private code points, so that the JSON decoder preserves them. A
// fragment is a byte that is not valid UTF-8, or half a surrogate pair, which
// becomes the three bytes that UTF-8 would use for it.
func protect(data []byte) ([]byte, func(string) string) {
	whole := utf8.Valid(data)
	halves := bytes.Contains(data, []byte(`\ud`)) || bytes.Contains(data, []byte(`\uD`))
	if whole && !halves {
		return data, func(s string) string { return s }
	}
	safe := make([]byte, 0, len(data)+16)
	for rest := data; len(rest) > 0; {
		if rest[0] == '\\' && len(rest) > 1 {
			n := 2
			if half, size := halfPair(rest); size == 6 {
				for _, b := range []byte{0xED, 0x80 | byte(half>>6&0x3F), 0x80 | byte(half&0x3F)} {
					safe = utf8.AppendRune(safe, strayBytes+rune(b))
				}
				rest = rest[size:]
				continue
			} else if size > 0 {
				n = size
			}
			safe = append(safe, rest[:n]...)
			rest = rest[n:]
			continue
		}
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 {
			r = strayBytes + rune(rest[0])
		}
		safe = utf8.AppendRune(safe, r)
		rest = rest[n:]
	}
	return safe, restoreBytes
}

// halfPair reads an escaped surrogate at the start of s. The size is 6 for a
// single half, 12 if the other half follows, and 0 if there is no surrogate.
func halfPair(s []byte) (half rune, size int) {
	unit := func(s []byte) rune {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return 0
		}
		v, err := strconv.ParseInt(string(s[2:6]), 16, 32)
		if err != nil {
			return 0
		}
		return rune(v)
	}
	first := unit(s)
	if !utf16.IsSurrogate(first) {
		return 0, 0
	}
	if len(s) >= 12 && utf16.DecodeRune(first, unit(s[6:])) != utf8.RuneError {
		return first, 12
	}
	return first, 6
}

func restoreBytes(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r > strayBytes+0x7F && r <= strayBytes+0xFF {
			b = append(b, byte(r-strayBytes))
		} else {
			b = utf8.AppendRune(b, r)
		}
	}
	return string(b)
}

// pairing joins the halves of surrogate pairs that arrived in two pieces of text.
// It replaces a half without its other half by U+FFFD.
type pairing struct{ high string }

const halfSize = 3 // bytes of half a pair in the encoding of protect

// join returns the complete characters and holds back a half at the end.
func (p *pairing) join(text string) string {
	text, p.high = p.high+text, ""
	if !strings.Contains(text, "\xED") {
		return text
	}
	var out strings.Builder
	for len(text) > 0 {
		half, ok := halfAt(text)
		if !ok {
			out.WriteByte(text[0])
			text = text[1:]
			continue
		}
		if len(text) == halfSize && half < 0xDC00 {
			p.high = text
			break
		}
		other, ok := halfAt(text[halfSize:])
		if r := utf16.DecodeRune(half, other); ok && r != utf8.RuneError {
			out.WriteRune(r)
			text = text[2*halfSize:]
			continue
		}
		out.WriteRune(utf8.RuneError)
		text = text[halfSize:]
	}
	return out.String()
}

// rest returns U+FFFD if a half was held back and no text follows, or "".
func (p *pairing) rest() string {
	if p.high == "" {
		return ""
	}
	p.high = ""
	return string(utf8.RuneError)
}

func halfAt(s string) (rune, bool) {
	if len(s) < halfSize || s[0] != 0xED || s[1] < 0xA0 || s[1] > 0xBF || s[2] < 0x80 || s[2] > 0xBF {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}

// count is a number of tokens, which vendors send as 9, 9.0 or "9". Any other
// value is decoded as zero, which means unknown.
type count int

const maxCount = 1 << 31

// UnmarshalJSON never fails.
func (c *count) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(strings.Trim(string(data), `" `), 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > maxCount {
		v = 0
	}
	*c = count(math.Round(v))
	return nil
}
