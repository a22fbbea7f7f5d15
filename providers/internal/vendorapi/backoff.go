package vendorapi

import (
	"errors"
	"math/rand/v2"
	"time"

	"chatbox"
)

// FirstBackoff is about the delay before the first retry.
const FirstBackoff = 250 * time.Millisecond

const (
	maxRetries      = 2
	maxEmptyRetries = 1
	maxBackoff      = 10 * time.Second // if the vendor asks for a longer delay, the request is not retried
)

// Backoff reports whether to retry, and after which delay. The delay is at least
// the one that the vendor requested. Jitter prevents pods from retrying at the
// same time.
func Backoff(key Secret, err error, try int) (time.Duration, bool) {
	if _, ok := errors.AsType[*chatbox.Error](err); ok {
		return 0, false
	}
	f := AsFailure(key, err)
	most := maxRetries
	if f.Empty {
		most = maxEmptyRetries
	}
	if !f.transient() || try >= most || f.RetryAfter > maxBackoff {
		return 0, false
	}
	step := FirstBackoff << try
	return f.RetryAfter + step/2 + rand.N(step), true //nolint:gosec // jitter, not a secret
}
