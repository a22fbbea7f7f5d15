package voice

import (
	"context"
	"errors"
	"fmt"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
	"chatbox/providers/internal/vendorapi"
)

// Timeout names the time-out that expired.
type Timeout string

// The time-outs.
const (
	TimeoutHeader Timeout = "no response within the time-out"
	TimeoutIdle   Timeout = "nothing more within the time-out"
	TimeoutTotal  Timeout = "not finished within the time-out"
)

// Error makes Timeout the cause of a cancelled context.
func (t Timeout) Error() string { return string(t) }

// act is what a user waits for, as sentences begin that tell of its failure.
type act string

const (
	transcribing act = "The recording could not be transcribed."
	speaking     act = "The answer could not be spoken."
)

// explain converts the error that ended a request to one with a code. If the
// caller cancelled ctx, the returned error wraps the cause, and is not a failure
// of the vendor.
func (v *vendor) explain(ctx context.Context, a act, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		if t, ok := errors.AsType[Timeout](cause); ok {
			return chatbox.NewError(chatbox.ModelTimeout, "The provider took too long. Please try again.", t)
		}
		return fmt.Errorf("voice: stopped: %w", cause)
	}
	if e, ok := errors.AsType[*chatbox.Error](err); ok {
		return e
	}
	f := vendorapi.AsFailure(v.cfg.APIKey, err)
	if f.Code() == chatbox.ModelFailed {
		e := chatbox.NewError(chatbox.ModelFailed, string(a)+" Please try again.", f)
		e.RetryAfter = f.RetryAfter
		return e
	}
	message := string(a) + " Please tell those who run this service."
	switch f.Reason() {
	case vendorapi.ReasonContent:
		message = string(a) + " The provider declined."
	case vendorapi.ReasonLength:
		message = string(a) + " It is too long for the provider."
	default:
	}
	return chatbox.NewError(chatbox.ModelRefused, message, f)
}

// again waits before a retry. It returns false if a retry cannot help or if no
// time is left.
func (v *vendor) again(ctx context.Context, err error, try int) bool {
	if ctx.Err() != nil {
		return false
	}
	wait, again := vendorapi.Backoff(v.cfg.APIKey, err, try)
	if deadline, ok := ctx.Deadline(); !again || ok && time.Until(deadline) < wait {
		return false
	}
	v.log.WarnContext(ctx, "voice request failed, trying again",
		"model", v.cfg.Model, "reason", vendorapi.AsFailure(v.cfg.APIKey, err).Error(), "wait_ms", wait.Milliseconds())
	return sleep.For(ctx, wait)
}

func refused(text string) *vendorapi.Failure {
	return &vendorapi.Failure{Text: text, Why: vendorapi.ReasonRequest}
}
