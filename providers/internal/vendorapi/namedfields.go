package vendorapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// namedIn returns the fields that a refusal is about. A field that occurs only in
// a quotation of the request does not count.
func namedIn(refusal []byte, status int, fields []string) []string {
	if status != http.StatusBadRequest && status != http.StatusUnprocessableEntity {
		return nil
	}
	text := aboutFields(refusal)
	return slices.DeleteFunc(slices.Clone(fields), func(field string) bool {
		return !Names(text, field) && (field != "stream_options" || !Names(text, "include_usage"))
	})
}

// aboutFields returns the parts of a refusal that name fields.
func aboutFields(refusal []byte) string {
	var list []json.RawMessage
	if json.Unmarshal(refusal, &list) == nil && len(list) > 0 {
		refusal = list[0]
	}
	o := ObjectOf(refusal)
	if o == nil {
		return withoutEcho(plainText(refusal))
	}
	var text strings.Builder
	for _, in := range o.within(MaxNesting) {
		text.WriteString(withoutEcho(in.Sentence()) + "\n" + in.Scalar("param") + "\n" + in.Scalar("code") + "\n")
		for _, name := range []string{"detail", "details", "errors", "error"} {
			var faults []struct {
				Loc   json.RawMessage `json:"loc"`
				Field Texted          `json:"field"`
				Msg   Texted          `json:"msg"`
				Text  Texted          `json:"message"`
			}
			DecodeLoosely(in[name], &faults)
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

// Names reports whether the text contains the word as a whole word.
func Names(text, word string) bool {
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

// Texted is a field that is documented as a string. A value of another type is
// decoded as "".
type Texted string

// UnmarshalJSON never fails.
func (w *Texted) UnmarshalJSON(data []byte) error {
	*w = ""
	var s string
	if json.Unmarshal(data, &s) == nil {
		*w = Texted(s)
	}
	return nil
}

// Present reports whether a field exists and is not null, false or empty.
func Present(field json.RawMessage) bool {
	switch string(bytes.TrimSpace(field)) {
	case "", "null", "false", `""`, "{}", "[]":
		return false
	default:
		return true
	}
}
