package vendorapi

import (
	"net/http"
	"slices"
	"strings"
)

// Reason is the type of a provider's failure. It determines whether the request
// is retried.
type Reason int

// The reasons.
const (
	ReasonUnknown    Reason = iota
	ReasonConnection        // the response did not arrive, or not completely
	ReasonBusy              // overloaded, or too many requests
	ReasonDown              // temporarily broken
	ReasonKey               // the key was refused
	ReasonModel             // the model does not exist
	ReasonLength            // the prompt is longer than the model's window
	ReasonContent           // the provider's filter refused
	ReasonQuota             // the quota or the credit is used up
	ReasonRequest           // the request was refused for another reason
)

// Reason returns the failure's own reason, or the reason of its status and code.
func (f *Failure) Reason() Reason {
	if f.Why != ReasonUnknown {
		return f.Why
	}
	return refusal{status: f.Status, kind: f.Kind}.reason()
}

// statusOverloaded is Anthropic's status for an overloaded service.
const statusOverloaded = 529

// reason classifies a refusal by the vendor's code, then by clear phrases in the
// vendor's sentence, then by the status. Code and sentence cannot contradict an
// unambiguous status; see fits.
func (r refusal) reason() Reason {
	kind := Squeezed(r.kind)
	for _, s := range particular() {
		if r.fits(s.of) && containsAny(kind, s.codes) {
			return s.of
		}
	}
	for _, s := range particular() {
		if r.fits(s.of) && saysAny(r.prose, s.phrases) {
			return s.of
		}
	}
	for _, s := range general() {
		if r.fits(s.of) && (containsAny(kind, s.codes) || r.status == 0 && saysAny(r.prose, s.phrases)) {
			return s.of
		}
	}
	return statusReason(r.status)
}

func statusReason(status int) Reason {
	switch {
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return ReasonKey
	case status == http.StatusPaymentRequired:
		return ReasonQuota
	case status == http.StatusNotFound:
		return ReasonModel
	case status == http.StatusRequestEntityTooLarge:
		return ReasonLength
	case status == http.StatusUnavailableForLegalReasons:
		return ReasonContent
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable, status == statusOverloaded:
		return ReasonBusy
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusConflict:
		return ReasonDown
	case status >= 300:
		return ReasonRequest
	default:
		return ReasonUnknown
	}
}

// fits reports whether a reason is possible for the status. It prevents codes and
// prose from contradicting an unambiguous status.
func (r refusal) fits(of Reason) bool {
	switch r.status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusRequestTimeout, http.StatusTooEarly:
		return false
	case http.StatusTooManyRequests:
		return of == ReasonQuota || of == ReasonBusy
	case http.StatusNotFound:
		return of == ReasonQuota || of == ReasonModel
	default:
		return r.status < 500 || of == ReasonBusy || of == ReasonQuota || of == ReasonLength
	}
}

// saying lists the vendors' terms for a reason. codes are parts of identifiers in
// the form that squeezed returns. phrases are parts of sentences, long enough to
// be unambiguous.
type saying struct {
	of      Reason
	codes   []string
	phrases []string
}

// particular lists specific terms. The first match wins.
func particular() []saying {
	return []saying{
		{ReasonQuota, []string{
			"insufficientquota", "quotaexceeded", "outofquota", "quotaexhausted", "billing", "creditbalance", "insufficientbalance", "insufficientcredit", "insufficientfunds",
			"payment", "spendinglimit", "arrear",
		}, []string{
			"exceeded your current quota", "exceeded your quota", "quota exceeded", "quota has been exceeded", "quota is exceeded", "quota exhausted", "insufficient quota", "out of quota",
			"credit balance", "insufficient balance", "balance is insufficient", "balance not enough", "insufficient credits", "insufficient credit", "not enough credits", "insufficient funds",
			"payment required", "payment is required", "billing details", "billing account", "billing hard limit", "spending limit", "in arrears", "余额不足", "欠费",
		}},
		{ReasonLength, []string{
			"contextlength", "contextwindow", "contextsize", "stringabovemaxlength", "requesttoolarge", "promptistoolong", "prompttoolong", "inputtoolong", "toomanytokens",
		}, []string{
			"maximum context length", "maximum context", "maximum prompt length", "context length & exceeds", "context length & exceeded", "context length exceeded", "context window & exceeds", "context window & exceeded",
			"context window & too long", "context size & exceeds", "context size & exceeded", "context length & too long", "longer than the context length", "longer than the context window",
			"prompt is too long", "prompt too long", "input is too long", "input too long", "too many tokens", "too many input tokens", "request too large", "exceeds the maximum number of tokens",
		}},
		{ReasonContent, []string{
			"contentfilter", "contentpolicy", "responsibleaipolicy", "moderation", "datainspection", "safety", "sensitive", "promptblocked", "contentblocked", "inappropriatecontent",
		}, []string{
			"content filter", "content filtering", "content policy", "content management policy", "content policies", "usage policy", "usage policies", "inappropriate content", "sensitive content", "sensitive words",
			"safety policy", "safety policies", "safety system", "flagged by moderation", "blocked by moderation", "blocked by our content", "敏感内容",
		}},
		{ReasonKey, []string{
			"authentication", "apikey", "unauthorized", "unauthenticated", "permissionerror", "permissiondenied", "accessdenied", "providernotinitialize", "invalidtoken",
		}, []string{
			"api key", "api-key", "apikey", "x-api-key", "api_key", "invalid access token", "authentication failed", "authentication error", "authentication required", "not authorized", "unauthorized", "unauthenticated",
			"permission denied", "access denied",
		}},
		{ReasonModel, []string{
			"modelnotfound", "modelnotsupport", "modelnotexist", "notfounderror", "deploymentnotfound", "nosuchmodel", "unknownmodel", "invalidmodel",
			"modelcurrentlynotsupport", "appunavailable",
		}, []string{
			"model not found", "model & not found", "model & does not exist", "deployment & does not exist", "no such model", "unknown model", "invalid model", "model & not supported", "model & decommissioned",
		}},
		{ReasonBusy, []string{
			"overloaded", "ratelimit", "toomanyrequests", "resourceexhausted", "unavailable", "atcapacity", "enginebusy", "throttl",
		}, []string{
			"overloaded", "rate limit", "rate limited", "rate limits", "rate-limited", "request limit reached", "too many requests", "resource exhausted", "temporarily unavailable", "unavailable", "at capacity", "over capacity",
			"is busy", "throttled", "throttling", "currently loading",
		}},
	}
}

// general lists unspecific terms, which are checked after all others.
func general() []saying {
	return []saying{
		{
			ReasonDown,
			[]string{"servererror", "apierror", "internal", "timeout", "completionrequesterror"},
			[]string{"server had an error", "internal server error", "internal error"},
		},
		{
			ReasonRequest,
			[]string{"invalidrequest", "invalidparam", "invalidargument", "badrequest", "validation", "unprocessable", "unsupported"},
			[]string{"bad request", "invalid request", "validation error", "is not supported"},
		},
	}
}

func containsAny(s string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(s, w) })
}

func saysAny(prose string, phrases []string) bool {
	return slices.ContainsFunc(phrases, func(p string) bool { return says(prose, p) })
}
