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

// Timeout says which patience was exhausted; it is in the chain of every
// error of code chatbox.ModelTimeout.
type Timeout string

// The timeouts.
const (
	TimeoutHeader Timeout = "no response within the header timeout"
	TimeoutFirst  Timeout = "no word within the first token's timeout"
	TimeoutIdle   Timeout = "no sign of life within the idle timeout"
	TimeoutTotal  Timeout = "no whole answer within the stream timeout"
)

// timeoutFinish ends the wait for what may follow a whole answer. No error has it.
const timeoutFinish Timeout = "nothing more after the finish"

func isTimeout(err error) bool {
	_, ok := errors.AsType[Timeout](err)
	return ok
}

// Error makes a timeout the cause of a cancelled context.
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

// failure is how a provider failed, in words of this package: nothing in it
// was written by the vendor except an identifier, so neither keys nor what
// people said can come back through it.
type failure struct {
	status     int    // HTTP, zero where the request got no response
	kind       string // the vendor's code for it
	text       string
	why        reason
	retryAfter time.Duration
	permanent  bool     // the same request would fail again
	declared   bool     // the provider said so itself, in the middle of its stream
	empty      bool     // the answer was whole and had no text
	fields     []string // of the request, which the provider refuses and can do without
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

// transient reports whether the same request may succeed in a moment.
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

// code is the domain's: whether a repeat can help, and who declined.
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

// explain turns whatever ended a stream into an error with a code. A caller's
// own cancellation keeps its cause; it is nobody's failure.
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

// asFailure keeps of a foreign error what is safe and useful to operators.
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

// misconfigured tells an endpoint that cannot be reached as it is written from
// one that cannot be reached just now.
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

// hide takes the key, and what is hidden with it, out of a text that somebody
// else wrote.
func hide(text string, key Secret) string {
	for _, secret := range key.hidden() {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return text
}

const maxErrorBody = 64 << 10

// declaredFailure is an error that the provider reports in its stream, or in
// place of an answer under a status of success.
func declaredFailure(event []byte, key Secret) *failure {
	r := readRefusal(event, key)
	return &failure{
		status: r.status, kind: r.kind, why: r.reason(), retryAfter: r.retryAfter,
		text: "the provider reported an error in its stream", declared: true,
	}
}

// responseFailure reads what a vendor said instead of an answer. fields are
// those of the request whose refusal is noted.
func responseFailure(resp *http.Response, key Secret, fields []string) *failure {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // best effort: the status says enough
	r := readRefusal(body, key)
	r.status = resp.StatusCode
	f := &failure{status: r.status, kind: r.kind, why: r.reason(), fields: namedIn(body, r.status, fields)}
	if f.why == reasonLength {
		f.fields = nil // it may name max_tokens, and is about the prompt
	}
	if f.transient() {
		f.retryAfter = max(r.retryAfter, retryAfterOf(resp.Header))
	}
	return f
}

const maxIdentifier = 64

// cleanCode returns what is an identifier and does not hold the key, else "".
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

// retryAfterOf reads how long a response asks to wait.
func retryAfterOf(h http.Header) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms >= 0 {
		return min(time.Duration(min(ms, 1e9))*time.Millisecond, maxRetryAfter)
	}
	return retryAfter(h.Get("Retry-After"))
}

// retryAfter reads the header's two forms; zero where it says nothing usable.
func retryAfter(value string) time.Duration {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds >= 0 {
		return time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter)
	}
	return 0
}
