package llm

import (
	"net/http"
	"slices"
	"strings"
)

// reason is the type of a provider's failure. It determines whether the request
// is retried and which message users get.
type reason int

const (
	reasonUnknown    reason = iota
	reasonConnection        // the response did not arrive, or not completely
	reasonBusy              // overloaded, or too many requests
	reasonDown              // temporarily broken
	reasonKey               // the key was refused
	reasonModel             // the model does not exist
	reasonLength            // the prompt is longer than the model's window
	reasonContent           // the provider's filter refused
	reasonQuota             // the quota or the credit is used up
	reasonRequest           // the request was refused for another reason
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

// reason returns the failure's own reason, or the reason of its status and code.
func (f *failure) reason() reason {
	if f.why != reasonUnknown {
		return f.why
	}
	return refusal{status: f.status, kind: f.kind}.reason()
}

// statusOverloaded is Anthropic's status for an overloaded service.
const statusOverloaded = 529

// reason classifies a refusal by the vendor's code, then by clear phrases in the
// vendor's sentence, then by the status. Code and sentence cannot contradict an
// unambiguous status; see fits.
func (r refusal) reason() reason {
	kind := squeezed(r.kind)
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

func statusReason(status int) reason {
	switch {
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

// fits reports whether a reason is possible for the status. It prevents codes and
// prose from contradicting an unambiguous status.
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

// saying lists the vendors' terms for a reason. codes are parts of identifiers in
// the form that squeezed returns. phrases are parts of sentences, long enough to
// be unambiguous.
type saying struct {
	of      reason
	codes   []string
	phrases []string
}

// particular lists specific terms. The first match wins.
func particular() []saying {
	return []saying{
		{reasonQuota, []string{
			"insufficientquota", "quotaexceeded", "outofquota", "quotaexhausted", "billing", "creditbalance", "insufficientbalance", "insufficientcredit", "insufficientfunds",
			"payment", "spendinglimit", "arrear",
		}, []string{
			"exceeded your current quota", "exceeded your quota", "quota exceeded", "quota has been exceeded", "quota is exceeded", "quota exhausted", "insufficient quota", "out of quota",
			"credit balance", "insufficient balance", "balance is insufficient", "balance not enough", "insufficient credits", "insufficient credit", "not enough credits", "insufficient funds",
			"payment required", "payment is required", "billing details", "billing account", "billing hard limit", "spending limit", "in arrears", "余额不足", "欠费",
		}},
		{reasonLength, []string{
			"contextlength", "contextwindow", "contextsize", "stringabovemaxlength", "requesttoolarge", "promptistoolong", "prompttoolong", "inputtoolong", "toomanytokens",
		}, []string{
			"maximum context length", "maximum context", "maximum prompt length", "context length & exceeds", "context length & exceeded", "context length exceeded", "context window & exceeds", "context window & exceeded",
			"context window & too long", "context size & exceeds", "context size & exceeded", "context length & too long", "longer than the context length", "longer than the context window",
			"prompt is too long", "prompt too long", "input is too long", "input too long", "too many tokens", "too many input tokens", "request too large", "exceeds the maximum number of tokens",
		}},
		{reasonContent, []string{
			"contentfilter", "contentpolicy", "responsibleaipolicy", "moderation", "datainspection", "safety", "sensitive", "promptblocked", "contentblocked", "inappropriatecontent",
		}, []string{
			"content filter", "content filtering", "content policy", "content management policy", "content policies", "usage policy", "usage policies", "inappropriate content", "sensitive content", "sensitive words",
			"safety policy", "safety policies", "safety system", "flagged by moderation", "blocked by moderation", "blocked by our content", "敏感内容",
		}},
		{reasonKey, []string{
			"authentication", "apikey", "unauthorized", "unauthenticated", "permissionerror", "permissiondenied", "accessdenied", "providernotinitialize", "invalidtoken",
		}, []string{
			"api key", "api-key", "apikey", "x-api-key", "api_key", "invalid access token", "authentication failed", "authentication error", "authentication required", "not authorized", "unauthorized", "unauthenticated",
			"permission denied", "access denied",
		}},
		{reasonModel, []string{
			"modelnotfound", "modelnotsupport", "modelnotexist", "notfounderror", "deploymentnotfound", "nosuchmodel", "unknownmodel", "invalidmodel",
			"modelcurrentlynotsupport", "appunavailable",
		}, []string{
			"model not found", "model & not found", "model & does not exist", "deployment & does not exist", "no such model", "unknown model", "invalid model", "model & not supported", "model & decommissioned",
		}},
		{reasonBusy, []string{
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
			reasonDown,
			[]string{"servererror", "apierror", "internal", "timeout", "completionrequesterror"},
			[]string{"server had an error", "internal server error", "internal error"},
		},
		{
			reasonRequest,
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
