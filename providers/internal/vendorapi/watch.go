package vendorapi

import (
	"context"
	"time"
)

// Watch cancels a request whose provider is silent for too long. It belongs to
// one goroutine. Only the function of its timer runs in another one.
type Watch struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	cause  error
}

// NewWatch returns a watch that ends a request by the function.
func NewWatch(cancel context.CancelCauseFunc) *Watch { return &Watch{cancel: cancel} }

// Start cancels the request with the cause unless Stop is called within the given
// time. The cause is comparable.
func (w *Watch) Start(within time.Duration, cause error) {
	if w.timer != nil && w.cause == cause { //nolint:errorlint // the same cause, not one like it
		w.timer.Reset(within)
		return
	}
	w.Stop()
	w.cause = cause
	w.timer = time.AfterFunc(within, func() { w.cancel(cause) })
}

// Stop ends the wait.
func (w *Watch) Stop() {
	if w.timer != nil {
		w.timer.Stop()
	}
}
