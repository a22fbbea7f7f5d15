package vendorapi

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// MaxNesting is how deep parts of a response are searched.
const MaxNesting = 8 // levels of objects within objects

// refusal holds the fields that are read from a vendor's error. prose is the
// vendor's sentence as proseOf returns it. It is analysed and never stored.
type refusal struct {
	status     int
	kind       string
	prose      string
	retryAfter time.Duration
}

// readRefusal parses the forms of errors that vendors send: {"error":{"code",
// "type","message"}}, {"error":"prose"}, {"code","message"}, {"detail"}, and
// lists of these. Text that is neither JSON nor HTML is prose.
func readRefusal(body []byte, key Secret) refusal {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	outer := ObjectOf(body)
	if outer == nil {
		return refusal{prose: proseOf(plainText(body))}
	}
	var r refusal
	for _, o := range outer.within(MaxNesting) {
		r.read(o, key)
	}
	return r
}

// plainText returns a body that is only a sentence, as a JSON string or as plain
// text. It returns "" for other JSON and for HTML.
func plainText(body []byte) string {
	var text string
	switch {
	case json.Unmarshal(body, &text) == nil:
		return text
	case IsPage(body) || json.Valid(body):
		return ""
	default:
		return string(body)
	}
}

// read merges one object into r. Values that are already set win.
func (r *refusal) read(o Object, key Secret) {
	for _, name := range []string{"code", "errorcode", "errcode", "errno", "statuscode", "type", "errortype", "status"} {
		said := o.Scalar(name)
		if n, err := strconv.Atoi(said); err == nil {
			if r.status == 0 && n >= 300 && n < 600 {
				r.status = n
			}
		} else if id := CleanCode(said, key); r.kind == "" && id != "" && !strings.EqualFold(id, "error") {
			r.kind = id
		}
	}
	if r.prose == "" {
		r.prose = proseOf(o.Sentence())
	}
	r.retryAfter = max(r.retryAfter, o.wait())
}

// Object is a JSON object with its names in lower case, without underscores and
// hyphens. Vendors write error_code, errorCode and ErrorCode.
type Object map[string]json.RawMessage

// ObjectOf returns nil if the data is not an object.
func ObjectOf(data []byte) Object {
	data = bytes.TrimSpace(data)
	if len(data) == 0 || data[0] != '{' {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return nil
	}
	o := make(Object, len(fields))
	for name, value := range fields {
		o[Squeezed(name)] = value
	}
	return o
}

// Squeezed normalises an identifier for comparisons: lower case without
// separators.
func Squeezed(s string) string {
	if s == "" { // the name of most events
		return ""
	}
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(s))
}

// within returns the object and the nested objects that describe an error,
// innermost first.
func (o Object) within(depth int) []Object {
	var all []Object
	if depth > 0 {
		for _, name := range []string{"error", "errors", "errormsg", "fault", "exception", "message", "detail", "baseresp", "header", "responsemetadata", "response"} {
			inner := o[name]
			if list := []json.RawMessage{}; name == "errors" && json.Unmarshal(inner, &list) == nil && len(list) > 0 {
				inner = list[0]
			}
			if in := ObjectOf(inner); in != nil {
				all = append(all, in.within(depth-1)...)
			}
		}
	}
	return append(all, o)
}

// Scalar returns a field that is a string or a number, or "".
func (o Object) Scalar(name string) string {
	var s scalar
	if value, ok := o[name]; ok {
		_ = s.UnmarshalJSON(value) // never fails
	}
	return string(s)
}

// Sentence returns the vendor's message for people, or "". It ignores lists such
// as FastAPI's detail, since they quote the request.
func (o Object) Sentence() string {
	for _, name := range []string{
		"message", "msg", "errormessage", "errormsg", "errmsg", "statusmsg", "errordescription", "faultstring", "description", "detail", "error",
	} {
		var text string
		if value, ok := o[name]; ok && json.Unmarshal(value, &text) == nil && text != "" {
			return text
		}
	}
	return ""
}

// wait returns the delay that the vendor requests.
func (o Object) wait() time.Duration {
	if ms, err := strconv.ParseFloat(o.Scalar("retryafterms"), 64); err == nil && ms > 0 {
		return min(time.Duration(min(ms, 1e9))*time.Millisecond, maxRetryAfter)
	}
	return max(retryAfter(o.Scalar("retryafter")), retryAfter(o.Scalar("estimatedtime"))) // estimatedtime is the time until the model is loaded
}

// scalar is a string, or a number as it was written.
type scalar string

// UnmarshalJSON never fails.
func (s *scalar) UnmarshalJSON(data []byte) error {
	*s = ""
	var text string
	if json.Unmarshal(data, &text) == nil {
		*s = scalar(text)
	} else if _, err := strconv.ParseFloat(string(data), 64); err == nil {
		*s = scalar(data)
	}
	return nil
}

// DecodeLoosely decodes the fields that have the documented type and ignores the
// others.
func DecodeLoosely(data []byte, into any) { _ = json.Unmarshal(data, into) }
