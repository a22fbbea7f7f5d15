package record

import (
	"fmt"
	"time"

	"chatbox"
)

// Failed is chatbox.StoreFailed for the act; the cause is for logs.
func Failed(act string, cause error) error {
	return chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached at the moment",
		fmt.Errorf("%s: %w", act, cause))
}

// Busy is chatbox.Unavailable for an act that others were in the way of for as
// long as it could wait. The store was there, and nothing was written.
func Busy(act string, cause error) error {
	return &chatbox.Error{
		Code: chatbox.Unavailable, Message: "too many do this at the same time; please try again", RetryAfter: time.Second,
		Err: fmt.Errorf("%s: %w", act, cause),
	}
}

// Clash says that the place in the log, or the key, is taken.
func Clash(e chatbox.Event) error {
	return chatbox.NewError(chatbox.Clash, "", fmt.Errorf("session %s: seq %d or its key is taken", e.Session.ID, e.Seq))
}

// NoEvent says that the session has no such event.
func NoEvent(k chatbox.SessionKey) error {
	return chatbox.NewError(chatbox.NotFound, "no such message", fmt.Errorf("session %s", k.ID))
}

// NoSession says that there is no such session.
func NoSession(k chatbox.SessionKey) error {
	return chatbox.NewError(chatbox.NotFound, "no such session", fmt.Errorf("session %s", k.ID))
}

// NoShare says that no share has the token, which is not repeated.
func NoShare() error { return chatbox.NewError(chatbox.NotFound, "no such share", nil) }

// TooManyShares refuses one more share of a session.
func TooManyShares(most int) error {
	return chatbox.NewError(chatbox.Full, fmt.Sprintf("the session has %d shares; revoke them first", most), nil)
}
