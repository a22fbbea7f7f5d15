package app

import "chatbox"

// fail ends the process because of the pod's surroundings, with a
// chatbox.UnfitError. Only the first error counts. In development several pods
// share a process; there the pod is only not ready.
func (a *App) fail(err error) {
	select {
	case a.failed <- &chatbox.UnfitError{Reason: err.Error()}:
	default:
	}
}

// Failed receives the error that must end the pod, if there is one.
func (a *App) Failed() <-chan error { return a.failed }
