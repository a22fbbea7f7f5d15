package llm

import (
	"encoding/json"
	"strconv"
	"strings"

	"chatbox/providers/internal/vendorapi"
)

// complaint says whether an event of a stream reports an error that has no
// documented field of its own.
type complaint int

const (
	noComplaint complaint = iota
	perhaps               // an error, unless more of the answer follows
	certainly
)

// complaintIn looks for an error in an event that contains no part of the answer.
// If the event has the form of a chunk, it checks only fields that exist for
// errors.
func complaintIn(o vendorapi.Object) complaint {
	for _, name := range []string{
		"error", "errors", "errorcode", "errcode", "errno", "errormsg", "errmsg", "errormessage", "errortype", "errordescription", "exception", "fault",
	} {
		if said := o.Scalar(name); vendorapi.Present(o[name]) && (said == "" || !allIsWell(said)) {
			return certainly
		}
	}
	for _, name := range []string{"baseresp", "header", "responsemetadata", "response"} {
		if inner := vendorapi.ObjectOf(o[name]); inner != nil && (badCode(inner) || vendorapi.Present(inner["error"])) {
			return certainly
		}
	}
	for _, name := range []string{"object", "type", "event", "status"} {
		if isErrorName(o.Scalar(name)) {
			return certainly
		}
	}
	if string(o["success"]) == "false" || string(o["ok"]) == "false" {
		return certainly
	}
	if vendorapi.Present(o["choices"]) {
		return noComplaint
	}
	if vendorapi.Present(o["detail"]) || badCode(o) {
		return certainly
	}
	if s := o.Sentence(); s != "" && !allIsWell(s) {
		return perhaps
	}
	return noComplaint
}

func isErrorName(name string) bool {
	name = vendorapi.Squeezed(name)
	return name == "failed" || name == "failure" || strings.HasSuffix(name, "error") || strings.HasSuffix(name, "exception")
}

// badCode reports whether the object has the code of an error. Some vendors send
// a code with every event, and 0 or 200 if there is no error.
func badCode(o vendorapi.Object) bool {
	if allIsWell(o.Sentence()) && o.Sentence() != "" {
		return false
	}
	for _, name := range []string{"code", "statuscode"} {
		if !allIsWell(o.Scalar(name)) {
			return true
		}
	}
	status, err := strconv.Atoi(o.Scalar("status"))
	return err == nil && status >= 300 && status < 600
}

// allIsWell reports whether the text is a value that vendors send if there is no
// error.
func allIsWell(said string) bool {
	if n, err := strconv.ParseFloat(said, 64); err == nil {
		return n == 0 || n >= 200 && n < 300 || n == 10000 || n == 20000
	}
	switch vendorapi.Squeezed(strings.Trim(said, " .!")) {
	case "", "ok", "success", "succeed", "succeeded", "successful", "none", "null", "noerror", "false", "normal":
		return true
	default:
		return false
	}
}

// complains returns the failure that an event of a stream reports, or nil. If
// sure is false, the failure counts only if no more of the answer follows.
func (e sseEvent) complains(key Secret) (f *vendorapi.Failure, sure bool) {
	if isErrorName(e.name) {
		return vendorapi.DeclaredFailure(e.data, key), true
	}
	switch complaintIn(vendorapi.ObjectOf(e.data)) {
	case certainly:
		return vendorapi.DeclaredFailure(e.data, key), true
	case perhaps:
		return vendorapi.DeclaredFailure(e.data, key), false
	default:
		return nil, false
	}
}

// baseResponse is the field in which MiniMax reports errors. The event may
// contain other fields too.
type baseResponse struct {
	Code json.RawMessage `json:"status_code"`
}

func (b baseResponse) bad() bool {
	return vendorapi.Present(b.Code) && !allIsWell(strings.Trim(string(b.Code), `"`))
}
