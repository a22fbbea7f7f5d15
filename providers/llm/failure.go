package llm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chatbox"
)

// Timeout names the timeout that expired. Every error with the code
// chatbox.ModelTimeout wraps one.
type Timeout string

// The timeouts.
const (
	TimeoutHeader Timeout = "no response within the header timeout"
	TimeoutFirst  Timeout = "no word within the first token's timeout"
	TimeoutIdle   Timeout = "no sign of life within the idle timeout"
	TimeoutTotal  Timeout = "no whole answer within the stream timeout"
)

// timeoutFinish ends the wait for data after a complete answer. No error contains
// it.
const timeoutFinish Timeout = "nothing more after the finish"

func isTimeout(err error) bool {
	_, ok := errors.AsType[Timeout](err)
	return ok
}

// Error makes Timeout an error, so that it can be the cause of a cancelled
// context.
func (t Timeout) Error() string { return string(t) }

func (t Timeout) message() string {
	switch t {
	case TimeoutHeader, TimeoutFirst:
		return "The model did not begin to answer in time. Please try again."
	case TimeoutTotal:
		return "The answer took too long. Please try again."
	default:
		return "The model fell silent. Please try again."
	}
}

// failure describes a provider's failure in the words of this package. Only kind
// comes from the vendor, and it is an identifier. A failure thus cannot disclose
// keys or the content of messages.
type failure struct {
	status     int    // HTTP status; zero: there was no response
	kind       string // the vendor's code of the error
	text       string
	why        reason
	retryAfter time.Duration
	permanent  bool     // the same request would fail again
	declared   bool     // the provider reported the failure within its stream
	empty      bool     // the answer was complete and had no text
	fields     []string // optional fields of the request that the provider refuses
}

func (f *failure) Error() string {
	parts := make([]string, 0, 3)
	if f.status != 0 {
		parts = append(parts, fmt.Sprintf("status %d", f.status))
	}
	if f.kind != "" {
		parts = append(parts, "code "+f.kind)
	}
	if f.text != "" {
		parts = append(parts, f.text)
	}
	if len(parts) == 0 {
		return "the provider failed and did not say how"
	}
	return strings.Join(parts, ", ")
}

// transient reports whether the same request may succeed later.
func (f *failure) transient() bool {
	switch f.reason() {
	case reasonKey, reasonModel, reasonLength, reasonContent, reasonQuota, reasonRequest:
		return false
	default:
		return !f.permanent
	}
}

func (f *failure) message() string {
	if f.empty {
		return "The model gave no answer. Please try again."
	}
	return f.reason().message()
}

// code returns the domain's error code. It says whether a retry can help, and
// whether a filter refused the request.
func (f *failure) code() chatbox.Code {
	switch {
	case f.reason() == reasonContent:
		return chatbox.ModelFiltered
	case f.reason() == reasonBusy || f.transient():
		return chatbox.ModelFailed
	default:
		return chatbox.ModelRefused
	}
}

// explain converts the error that ended a stream to an error with a code. If the
// caller cancelled ctx, the returned error wraps the cause, and is not a failure
// of the model.
func explain(ctx context.Context, key Secret, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if t, ok := errors.AsType[Timeout](cause); ok {
			return chatbox.NewError(chatbox.ModelTimeout, t.message(), t)
		}
		return fmt.Errorf("llm: stopped: %w", cause)
	}
	if e, ok := errors.AsType[*chatbox.Error](err); ok {
		return e
	}
	f := asFailure(key, err)
	e := chatbox.NewError(f.code(), f.message(), f)
	e.RetryAfter = f.retryAfter
	return e
}

// asFailure returns the parts of another package's error that are safe and useful
// for operators.
func asFailure(key Secret, err error) *failure {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL
	}
	return &failure{
		text:      strings.ToValidUTF8(clip(hide(err.Error(), key), maxFailureText), ""),
		why:       reasonConnection,
		permanent: misconfigured(err),
	}
}

// misconfigured reports whether an endpoint cannot be reached because it is
// configured incorrectly, rather than temporarily.
func misconfigured(err error) bool {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.IsNotFound
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	_, ok := errors.AsType[tls.RecordHeaderError](err)
	return ok
}

const maxFailureText = 200

func clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// hide redacts the key and the secrets hidden with it in a text from another
// source.
func hide(text string, key Secret) string {
	for _, secret := range key.hidden() {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

const maxErrorBody = 64 << 10

// declaredFailure returns the failure for an error that the provider reported in
// its stream, or instead of an answer with a successful status.
func declaredFailure(event []byte, key Secret) *failure {
	r := readRefusal(event, key)
	return &failure{
		status: r.status, kind: r.kind, why: r.reason(), retryAfter: r.retryAfter,
		text: "the provider reported an error in its stream", declared: true,
	}
}

// responseFailure reads the body of an error response. fields are the fields of
// the request that the failure may report as refused.
func responseFailure(resp *http.Response, key Secret, fields []string) *failure {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // best effort: the status is sufficient
	r := readRefusal(body, key)
	r.status = resp.StatusCode
	f := &failure{status: r.status, kind: r.kind, why: r.reason(), fields: namedIn(body, r.status, fields)}
	if f.why == reasonLength {
		f.fields = nil // the message may name max_tokens although it concerns the prompt
	}
	if f.transient() {
		f.retryAfter = max(r.retryAfter, retryAfterOf(resp.Header))
	}
	return f
}

const maxIdentifier = 64

// cleanCode returns s if it is an identifier that does not contain the key, or
// "".
func cleanCode(s string, key Secret) string {
	foreign := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}
	if len(s) > maxIdentifier || strings.ContainsFunc(s, foreign) || hide(s, key) != s {
		return ""
	}
	return s
}

const maxRetryAfter = time.Hour

// retryAfterOf returns the delay that a response requests, at most maxRetryAfter.
func retryAfterOf(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms >= 0 {
		return min(time.Duration(min(ms, 1e9))*time.Millisecond, maxRetryAfter)
	}
	return retryAfter(h.Get("Retry-After"))
}

// retryAfter parses both forms of the Retry-After header. It returns zero for any
// other value.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
