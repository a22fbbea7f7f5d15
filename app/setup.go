package app

import "chatbox"

// fail has the process end because of the pod's surroundings, with a
// chatbox.UnfitError; the first one counts. In development, where several pods
// share a process, nobody listens and the pod is just not ready.
func (a *App) fail(err error) {
	select {
	case a.failed <- &chatbox.UnfitError{Reason: err.Error()}:
	default:
	}
}

// Failed brings the one error for which the pod must end, if there ever is one.
func (a *App) Failed() <-chan error { return a.failed }
