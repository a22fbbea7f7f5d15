package llm

import (
	"context"
	"errors"
	"fmt"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
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
	f := vendorapi.AsFailure(key, err)
	e := chatbox.NewError(f.Code(), messageOf(f), f)
	e.RetryAfter = f.RetryAfter
	return e
}

// messageOf returns what users are shown of a failure.
func messageOf(f *vendorapi.Failure) string {
	const operator = " Please tell those who run this service."
	if f.Empty {
		return "The model gave no answer. Please try again."
	}
	switch f.Reason() {
	case vendorapi.ReasonConnection:
		return "The connection to the model broke off. Please try again."
	case vendorapi.ReasonBusy:
		return "The model is busy. Please try again in a moment."
	case vendorapi.ReasonKey:
		return "The model's provider refuses the access key." + operator
	case vendorapi.ReasonModel:
		return "The model is not available at its provider. Please choose another model."
	case vendorapi.ReasonLength:
		return "This conversation is too long for the model. Please shorten your message or start a new conversation."
	case vendorapi.ReasonContent:
		return "The model's provider declined to answer this. Please ask in other words."
	case vendorapi.ReasonQuota:
		return "The quota at the model's provider is used up." + operator
	case vendorapi.ReasonRequest:
		return "The model's provider does not accept the request." + operator
	default:
		return "The model could not answer. Please try again."
	}
}
