package llm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"chatbox"
)

// Timeout says which patience was exhausted; it is in the chain of every
// error of code chatbox.ModelTimeout.
type Timeout string

// The timeouts.
const (
	TimeoutHeader Timeout = "no response within the header timeout"
	TimeoutIdle   Timeout = "no sign of life within the idle timeout"
	TimeoutTotal  Timeout = "no whole answer within the stream timeout"
)

// Error makes a timeout the cause of a cancelled context.
func (t Timeout) Error() string { return string(t) }

func (t Timeout) message() string {
	switch t {
	case TimeoutHeader:
		return "The model did not begin to answer in time."
	case TimeoutTotal:
		return "The answer took too long."
	default:
		return "The model fell silent."
	}
}

// failure is how a provider failed, in words of this package: nothing in it
// was written by the vendor except an identifier, so neither keys nor what
// people said can come back through it.
type failure struct {
	status     int    // HTTP, zero where the request got no response
	kind       string // the vendor's code for it
	text       string
	retryAfter time.Duration
	refused    bool // nobody listens at the endpoint
	declared   bool // the provider said so itself, in the middle of its stream
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
	return strings.Join(parts, ", ")
}

// transient reports whether the same request may succeed in a moment.
func (f *failure) transient() bool {
	return f.refused || f.status == http.StatusTooManyRequests || f.status >= http.StatusInternalServerError
}

// statusOverloaded is Anthropic's word for being busy.
const statusOverloaded = 529

func (f *failure) filtered() bool {
	return f.kind == "content_filter" || f.kind == "content_policy_violation"
}

func (f *failure) message() string {
	switch {
	case f.filtered():
		return "The model's provider declined to answer this."
	case f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable || f.status == statusOverloaded:
		return "The model is busy. Please try again in a moment."
	case f.status == 0 && !f.declared:
		return "The connection to the model broke off."
	default:
		return "The model could not answer."
	}
}

// explain turns whatever ended a stream into an error with a code. A caller's
// own cancellation keeps its cause; it is nobody's failure.
func explain(ctx context.Context, key Secret, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if t, ok := errors.AsType[Timeout](cause); ok {
			return chatbox.Errorf(chatbox.ModelTimeout, t.message(), t)
		}
		return fmt.Errorf("llm: stopped: %w", cause)
	}
	if e, ok := errors.AsType[*chatbox.Error](err); ok {
		return e
	}
	f := asFailure(key, err)
	code := chatbox.ModelFailed
	if f.filtered() {
		code = chatbox.ModelFiltered
	}
	e := chatbox.Errorf(code, f.message(), f)
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
		text:    strings.ToValidUTF8(clip(hide(err.Error(), key), maxFailureText), ""),
		refused: errors.Is(err, syscall.ECONNREFUSED),
	}
}

const maxFailureText = 200

func clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit]
	}
	return s
}

// hide takes the key out of a text that somebody else wrote.
func hide(text string, key Secret) string {
	if k := key.Reveal(); k != "" {
		return strings.ReplaceAll(text, k, redacted)
	}
	return text
}

const maxErrorBody = 64 << 10

// declaredFailure is an error event in the middle of a stream.
func declaredFailure(event []byte, key Secret) *failure {
	return &failure{kind: vendorCode(event, key), text: "the provider reported an error in its stream", declared: true}
}

// responseFailure reads what a vendor said instead of an answer.
func responseFailure(resp *http.Response, key Secret) *failure {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody)) // best effort: the status says enough
	f := &failure{status: resp.StatusCode, kind: vendorCode(body, key)}
	if f.transient() {
		f.retryAfter = retryAfter(resp.Header.Get("Retry-After"))
	}
	return f
}

// vendorCode finds the identifier of an error in the shapes vendors use:
// {"error":{"code","type"}}, {"error":{"type"}}, {"code"}. Prose is left out.
func vendorCode(body []byte, key Secret) string {
	type shape struct {
		Code any    `json:"code"`
		Type string `json:"type"`
	}
	var outer struct {
		shape
		Error json.RawMessage `json:"error"`
	}
	var inner shape
	_ = json.Unmarshal(body, &outer) // what is not JSON names no code
	_ = json.Unmarshal(outer.Error, &inner)
	for _, s := range []shape{inner, outer.shape} {
		code, _ := s.Code.(string)
		for _, id := range []string{code, s.Type} {
			if id = cleanCode(id, key); id != "" && id != "error" {
				return id
			}
		}
	}
	return ""
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
