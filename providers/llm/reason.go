package llm

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// reason is the kind of a provider's failure, which decides whether it is
// asked again and what users are told.
type reason int

const (
	reasonUnknown    reason = iota
	reasonConnection        // no whole response came
	reasonBusy              // overloaded, or too many requests
	reasonDown              // broken for now
	reasonKey               // the key is refused
	reasonModel             // there is no such model
	reasonLength            // the prompt is longer than the model's window
	reasonContent           // the provider's filter
	reasonQuota             // paid up, used up
	reasonRequest           // the request is refused for another cause
)

func (r reason) message() string {
	const operator = " Please tell those who run this service."
	switch r {
	case reasonConnection:
		return "The connection to the model broke off. Please try again."
	case reasonBusy:
		return "The model is busy. Please try again in a moment."
	case reasonKey:
		return "The model's provider refuses the access key." + operator
	case reasonModel:
		return "The model is not available at its provider. Please choose another model."
	case reasonLength:
		return "This conversation is too long for the model. Please shorten your message or start a new conversation."
	case reasonContent:
		return "The model's provider declined to answer this. Please ask in other words."
	case reasonQuota:
		return "The quota at the model's provider is used up." + operator
	case reasonRequest:
		return "The model's provider does not accept the request." + operator
	default:
		return "The model could not answer. Please try again."
	}
}

// reason is what the failure says of itself, else what its status means.
func (f *failure) reason() reason {
	if f.why != reasonUnknown {
		return f.why
	}
	return refusal{status: f.status, kind: f.kind}.reason()
}

// statusOverloaded is Anthropic's word for being busy.
const statusOverloaded = 529

// refusal is what is read of a vendor's error. prose is in lower case; it is
// looked at and never kept.
type refusal struct {
	status     int
	kind       string
	prose      string
	retryAfter time.Duration
}

// reason finds the kind of a failure: by the vendor's code for it, then by
// words that vendors use, then by its status.
func (r refusal) reason() reason {
	kind := strings.ToLower(r.kind)
	for _, look := range []struct {
		in   string
		list []saying
	}{{kind, particular()}, {r.prose, particular()}, {kind, general()}, {r.prose, general()}} {
		for _, s := range look.list {
			if r.fits(s.of) && containsAny(look.in, s.words) {
				return s.of
			}
		}
	}
	switch status := r.status; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return reasonKey
	case status == http.StatusPaymentRequired:
		return reasonQuota
	case status == http.StatusNotFound:
		return reasonModel
	case status == http.StatusRequestEntityTooLarge:
		return reasonLength
	case status == http.StatusUnavailableForLegalReasons:
		return reasonContent
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, status == statusOverloaded:
		return reasonBusy
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusConflict:
		return reasonDown
	case status >= 300:
		return reasonRequest
	default:
		return reasonUnknown
	}
}

// fits keeps prose from contradicting a status that is plain.
func (r refusal) fits(of reason) bool {
	switch r.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusRequestTimeout, http.StatusTooEarly:
		return false
	case http.StatusTooManyRequests:
		return of == reasonQuota || of == reasonBusy
	case http.StatusNotFound:
		return of == reasonQuota || of == reasonModel
	default:
		return r.status < 500 || of == reasonBusy || of == reasonQuota || of == reasonLength
	}
}

type saying struct {
	of    reason
	words []string
}

// particular lists what vendors call failures, in codes and in prose. The order
// counts.
func particular() []saying {
	return []saying{
		{reasonQuota, []string{
			"insufficient_quota", "quota_exceeded", "exceeded your current quota", "billing", "credit balance",
			"insufficient balance", "insufficient_balance", "insufficient credits", "payment", "spending limit",
		}},
		{reasonLength, []string{
			"context_length", "context length", "context window", "context size", "maximum context", "string_above_max_length",
			"prompt is too long", "input is too long", "too many tokens", "request_too_large", "request too large", "exceeds the maximum number of tokens",
		}},
		{reasonContent, []string{
			"content_filter", "content_policy", "content policy", "content management policy", "responsibleaipolicy", "moderation", "data_inspection",
			"safety", "sensitive", "prompt_blocked", "blocked by",
		}},
		{reasonKey, []string{
			"authentication", "invalid_api_key", "api key", "api_key", "unauthorized", "unauthenticated", "permission_error", "permission_denied", "access_denied", "provider_not_initialize",
		}},
		{reasonModel, []string{
			"model_not_found", "model not found", "model_not_support", "not_found_error", "deploymentnotfound", "no such model", "unknown model", "does not exist", "invalid_model",
			"model_currently_not_support", "app_unavailable",
		}},
		{reasonBusy, []string{"overloaded", "rate_limit", "rate limit", "too many requests", "resource_exhausted", "unavailable", "at capacity", "engine is busy", "throttl"}},
	}
}

// general lists codes that say little: what else is said goes before them.
func general() []saying {
	return []saying{
		{reasonDown, []string{"server_error", "api_error", "internal", "timeout", "server had an error", "completion_request_error"}},
		{reasonRequest, []string{"invalid_request", "invalid_param", "bad_request", "badrequest", "bad request", "validation", "unprocessable", "unsupported"}},
	}
}

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// readRefusal reads the shapes that vendors give their errors: {"error":{"code",
// "type","message"}}, {"error":"prose"}, {"code","message"}, {"detail"}, a list of
// any of them. What is no JSON is prose.
func readRefusal(body []byte, key Secret) refusal {
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	r := refusal{prose: strings.ToLower(string(body))}
	var outer vendorError
	var nest struct {
		Error json.RawMessage `json:"error"`
	}
	decodeLoosely(body, &outer)
	decodeLoosely(body, &nest)
	var inner vendorError
	decodeLoosely(nest.Error, &inner)
	for _, e := range []vendorError{inner, outer} {
		for _, said := range []scalar{e.Code, e.Type, e.Status} {
			if n, err := strconv.Atoi(string(said)); err == nil {
				if r.status == 0 && n >= 300 && n < 600 {
					r.status = n
				}
			} else if id := cleanCode(string(said), key); r.kind == "" && id != "" && !strings.EqualFold(id, "error") {
				r.kind = id
			}
		}
		r.retryAfter = max(r.retryAfter, e.wait())
	}
	return r
}

// decodeLoosely decodes what has the documented kind and passes the rest over.
func decodeLoosely(data []byte, into any) { _ = json.Unmarshal(data, into) }

type vendorError struct {
	Code         scalar `json:"code"`
	Type         scalar `json:"type"`
	Status       scalar `json:"status"`
	RetryAfter   scalar `json:"retry_after"` // seconds
	RetryAfterMS scalar `json:"retry_after_ms"`
	Estimated    scalar `json:"estimated_time"` // seconds, until a model is loaded
}

func (e vendorError) wait() time.Duration {
	if ms, err := strconv.ParseFloat(string(e.RetryAfterMS), 64); err == nil && ms > 0 {
		return min(time.Duration(min(ms, 1e9))*time.Millisecond, maxRetryAfter)
	}
	return max(retryAfter(string(e.RetryAfter)), retryAfter(string(e.Estimated)))
}

// scalar is a text, or a number as it was written.
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
