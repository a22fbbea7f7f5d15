package chatbox

import (
	"errors"
	"fmt"
	"time"
)

// Code says what kind of failure an error is. It is itself an error, so
// errors.Is(err, chatbox.NotFound) reads aloud.
type Code string

// The codes. app/api maps each to its wire code, HTTP status and close code in
// one table.
const (
	InvalidArgument  Code = "invalid_argument"
	MissingField     Code = "missing_field"
	Unauthenticated  Code = "unauthenticated"
	TokenExpired     Code = "token_expired"
	NotYours         Code = "not_yours" // someone else's session: looks unknown over REST
	PermissionDenied Code = "permission_denied"
	NotFound         Code = "not_found"
	Ended            Code = "ended"
	TakenOver        Code = "taken_over"
	RateLimited      Code = "rate_limited"
	LimitExceeded    Code = "limit_exceeded"
	Full             Code = "full"     // there is room for no more of these; something must go first
	Conflict         Code = "conflict" // something else has what may be there once
	TooLarge         Code = "too_large"
	Unavailable      Code = "unavailable"    // Redis or the pod cannot serve now; a repeat is safe
	StoreFailed      Code = "store_failed"   // the history cannot be read or written now; a repeat is safe
	ModelFailed      Code = "model_failed"   // the provider broke off or is not available; a repeat may help
	ModelRefused     Code = "model_refused"  // the provider refuses, and would again: key, model, quota, length
	ModelTimeout     Code = "model_timeout"  // the provider was silent for too long
	ModelFiltered    Code = "model_filtered" // the provider's filter ended the answer
	Draining         Code = "draining"
	Unreadable       Code = "unreadable" // no key opens the record: a repeat does not help
	Internal         Code = "internal"

	// Never shown to users.
	Clash    Code = "clash"     // the place in the log, or the key, is taken
	NotOwner Code = "not_owner" // a stale fence: somebody else holds the lease
)

// Error makes a bare code usable as an error and as a target of errors.Is.
func (c Code) Error() string { return string(c) }

// Error is a failure with a meaning. Message is safe to show to users; Err is
// for logs only.
type Error struct {
	Code       Code
	Message    string
	Field      string            // the offending field's wire name, if there is one
	Metadata   map[string]string // facts the client may show: who holds a session
	RetryAfter time.Duration     // zero: not said
	Refusal    Refusal           // what it is counted as; empty: what its code says
	Err        error
}

// Error renders code, message and cause, for logs.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches a code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// UnfitError says what keeps a pod from working in its surroundings: another
// cluster's key, another program's data. A restart does not change it, so the
// pod ends, having written nothing.
type UnfitError struct{ Reason string }

// Error is the reason, which is for operators and has no secret in it.
func (e *UnfitError) Error() string { return e.Reason }

// NewError makes an error of the code; %w keeps a cause for logs but its text
// stays out of Message.
func NewError(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, Err: cause}
}

// Invalid is the refusal of a field's value; field is its wire name.
func Invalid(field, why string) *Error {
	return &Error{Code: InvalidArgument, Field: field, Message: fmt.Sprintf("%s: %s", field, why)}
}

// Missing is the refusal of a command that lacks a field.
func Missing(field string) *Error {
	return &Error{Code: MissingField, Field: field, Message: field + " is required"}
}

// IsTransient reports whether the error passes by itself, so that a repeat is
// safe and may succeed: Redis, the pod or the history cannot serve now.
func IsTransient(err error) bool {
	return errors.Is(err, Unavailable) || errors.Is(err, StoreFailed)
}

// CodeOf finds the code in an error's chain; an error that carries none is
// Internal, nil is "".
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if c, ok := errors.AsType[Code](err); ok {
		return c
	}
	return Internal
}
