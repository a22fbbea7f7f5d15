package vendorapi

import (
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

// Failure describes a provider's failure in the words of this package. Only Kind
// comes from the vendor, and it is an identifier. A failure thus cannot disclose
// keys or content.
type Failure struct {
	Status     int    // HTTP status; zero: there was no response
	Kind       string // the vendor's code of the error
	Text       string
	Why        Reason
	RetryAfter time.Duration
	Permanent  bool     // the same request would fail again
	Declared   bool     // the provider reported the failure within its stream
	Empty      bool     // the answer was complete and had no text
	Fields     []string // optional fields of the request that the provider refuses
}

func (f *Failure) Error() string {
	parts := make([]string, 0, 3)
	if f.Status != 0 {
		parts = append(parts, fmt.Sprintf("status %d", f.Status))
	}
	if f.Kind != "" {
		parts = append(parts, "code "+f.Kind)
	}
	if f.Text != "" {
		parts = append(parts, f.Text)
	}
	if len(parts) == 0 {
		return "the provider failed and did not say how"
	}
	return strings.Join(parts, ", ")
}

// transient reports whether the same request may succeed later.
func (f *Failure) transient() bool {
	switch f.Reason() {
	case ReasonKey, ReasonModel, ReasonLength, ReasonContent, ReasonQuota, ReasonRequest:
		return false
	default:
		return !f.Permanent
	}
}

// Code returns the domain's error code. It says whether a retry can help, and
// whether a filter refused the request.
func (f *Failure) Code() chatbox.Code {
	switch {
	case f.Reason() == ReasonContent:
		return chatbox.ModelFiltered
	case f.Reason() == ReasonBusy || f.transient():
		return chatbox.ModelFailed
	default:
		return chatbox.ModelRefused
	}
}

// AsFailure returns the parts of another package's error that are safe and useful
// for operators.
func AsFailure(key Secret, err error) *Failure {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // without the URL
	}
	return &Failure{
		Text:      strings.ToValidUTF8(Clip(Hide(err.Error(), key), MaxFailureText), ""),
		Why:       ReasonConnection,
		Permanent: misconfigured(err),
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

// MaxFailureText is how many bytes of another package's error a failure quotes.
const MaxFailureText = 200

// Clip returns the first bytes of a text.
func Clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// Hide redacts the key and the secrets hidden with it in a text from another
// source.
func Hide(text string, key Secret) string {
	for _, secret := range key.hidden() {
		text = strings.ReplaceAll(text, secret, Redacted)
	}
	return text
}

// MaxErrorBody is how many bytes of an unsuccessful response are read.
const MaxErrorBody = 64 << 10

// DeclaredFailure returns the failure for an error that the provider reported in
// its stream, or instead of an answer with a successful status.
func DeclaredFailure(event []byte, key Secret) *Failure {
	r := readRefusal(event, key)
	return &Failure{
		Status: r.status, Kind: r.kind, Why: r.reason(), RetryAfter: r.retryAfter,
		Text: "the provider reported an error in its stream", Declared: true,
	}
}

// responseFailure reads the body of an error response. fields are the fields of
// the request that the failure may report as refused.
func responseFailure(resp *http.Response, key Secret, fields []string) *Failure {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, MaxErrorBody)) // best effort: the status is sufficient
	r := readRefusal(body, key)
	r.status = resp.StatusCode
	f := &Failure{Status: r.status, Kind: r.kind, Why: r.reason(), Fields: namedIn(body, r.status, fields)}
	if f.Why == ReasonLength {
		f.Fields = nil // the message may name max_tokens although it concerns the prompt
	}
	if f.transient() {
		f.RetryAfter = max(r.retryAfter, retryAfterOf(resp.Header))
	}
	return f
}

// MaxIdentifier is the longest identifier in bytes that a failure quotes.
const MaxIdentifier = 64

// CleanCode returns s if it is an identifier that does not contain the key, or
// "".
func CleanCode(s string, key Secret) string {
	foreign := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}
	if len(s) > MaxIdentifier || strings.ContainsFunc(s, foreign) || Hide(s, key) != s {
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
