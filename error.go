package chatbox

import (
	"errors"
	"fmt"
	"time"
)

// Code is the kind of a failure. It is itself an error, so that errors.Is(err,
// chatbox.NotFound) works.
type Code string

// The codes. app/api maps each to its wire code, HTTP status and close code in
// one table.
const (
	InvalidArgument  Code = "invalid_argument"
	MissingField     Code = "missing_field"
	Unauthenticated  Code = "unauthenticated"
	TokenExpired     Code = "token_expired"
	NotYours         Code = "not_yours" // someone else's session; REST answers as for an unknown one
	PermissionDenied Code = "permission_denied"
	NotFound         Code = "not_found"
	Ended            Code = "ended"
	TakenOver        Code = "taken_over"
	RateLimited      Code = "rate_limited"
	LimitExceeded    Code = "limit_exceeded"
	Full             Code = "full"     // the collection is full; delete something first
	Conflict         Code = "conflict" // a unique value is taken
	TooLarge         Code = "too_large"
	FileType         Code = "file_type"      // a file of a type that is not accepted, or damaged
	FileSize         Code = "file_size"      // a file larger than accepted
	FileInfected     Code = "file_infected"  // the virus scanner refuses the file
	NoSuchRange      Code = "no_such_range"  // the content has no bytes there
	FilesFailed      Code = "files_failed"   // the file store cannot be read or written now; retrying is safe
	Unavailable      Code = "unavailable"    // Redis or the pod cannot serve now; retrying is safe
	StoreFailed      Code = "store_failed"   // the history cannot be read or written now; retrying is safe
	ModelFailed      Code = "model_failed"   // the provider failed or is not available; a retry may help
	ModelRefused     Code = "model_refused"  // the provider refuses and would again: key, model, quota, length
	ModelTimeout     Code = "model_timeout"  // the provider sent nothing for too long
	ModelFiltered    Code = "model_filtered" // the provider's filter ended the answer
	Draining         Code = "draining"
	Unreadable       Code = "unreadable" // no key decrypts the record; a retry does not help
	Internal         Code = "internal"

	// Never shown to users.
	Clash    Code = "clash"     // the seq or the key is taken
	NotOwner Code = "not_owner" // a stale fence: another pod holds the lease
)

// Error returns the code, which makes it usable as an error and as a target of
// errors.Is.
func (c Code) Error() string { return string(c) }

// Error is a failure with a code. Message is safe to show to users; Err is for
// logs only.
type Error struct {
	Code       Code
	Message    string
	Field      string            // the invalid field's wire name, if there is one
	Metadata   map[string]string // facts that clients may show, such as the holder of a session
	RetryAfter time.Duration     // zero: unknown
	Refusal    Refusal           // the label it is counted under; empty: derived from Code
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

// Is reports whether target is the error's code.
func (e *Error) Is(target error) bool {
	c, ok := target.(Code)
	return ok && c == e.Code
}

// UnfitError explains why a pod cannot work in its environment: for example,
// the data belongs to another cluster's key or to another program. A restart
// does not help, so the pod exits without having written anything.
type UnfitError struct{ Reason string }

// Error returns the reason. It is for operators and contains no secret.
func (e *UnfitError) Error() string { return e.Reason }

// NewError returns an error with the code. cause is for logs and is not part
// of Message; it may be nil.
func NewError(code Code, message string, cause error) *Error {
	return &Error{Code: code, Message: message, Err: cause}
}

// Invalid rejects a field's value; field is its wire name.
func Invalid(field, why string) *Error {
	return &Error{Code: InvalidArgument, Field: field, Message: fmt.Sprintf("%s: %s", field, why)}
}

// Missing rejects a command that lacks a field; field is its wire name.
func Missing(field string) *Error {
	return &Error{Code: MissingField, Field: field, Message: field + " is required"}
}

// AskedTooMuch refuses an act that waited too long for other acts of the same
// user.
func AskedTooMuch(retryAfter time.Duration, cause error) *Error {
	return &Error{Code: RateLimited, Message: "too much was asked for at once", RetryAfter: retryAfter, Refusal: RefusedRate, Err: cause}
}

// IsTransient reports whether the error is temporary: Redis, the pod or the
// history cannot serve now. A retry is safe and may succeed.
func IsTransient(err error) bool {
	return errors.Is(err, Unavailable) || errors.Is(err, StoreFailed)
}

// AsError returns the Error in an error's chain. For an error without one it returns
// an Error with the error's code and no text for users.
func AsError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: CodeOf(err), Err: err}
}

// CodeOf returns the code in an error's chain. It returns Internal for an
// error without a code and "" for nil.
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
