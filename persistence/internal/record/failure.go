package record

import (
	"fmt"
	"time"

	"chatbox"
)

// Failed returns chatbox.StoreFailed for the operation. The cause is for logs.
func Failed(act string, cause error) error {
	return chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached at the moment",
		fmt.Errorf("%s: %w", act, cause))
}

// Busy returns chatbox.Unavailable for an operation that conflicted with others
// until its time ended. The store was reachable, and nothing was written.
func Busy(act string, cause error) error {
	return &chatbox.Error{
		Code: chatbox.Unavailable, Message: "too many do this at the same time; please try again", RetryAfter: time.Second,
		Err: fmt.Errorf("%s: %w", act, cause),
	}
}

// Clash is the error for a seq or a key that is taken.
func Clash(e chatbox.Event) error {
	return chatbox.NewError(chatbox.Clash, "", fmt.Errorf("session %s: seq %d or its key is taken", e.Session.ID, e.Seq))
}

// NoEvent is the error for an event that the session does not have.
func NoEvent(k chatbox.SessionKey) error {
	return chatbox.NewError(chatbox.NotFound, "no such message", fmt.Errorf("session %s", k.ID))
}

// NotClaimed is the error for a claim on work that is settled or another's. noun
// names the work.
func NotClaimed(noun string) error {
	return chatbox.NewError(chatbox.NotOwner, noun+" is settled or claimed by another", nil)
}

// NoSession is the error for a session that does not exist.
func NoSession(k chatbox.SessionKey) error {
	return chatbox.NewError(chatbox.NotFound, "no such session", fmt.Errorf("session %s", k.ID))
}

// NoShare is the error for an unknown share token, which it does not contain.
func NoShare() error { return chatbox.NewError(chatbox.NotFound, "no such share", nil) }

// TooManyShares is the error for a session with too many shares.
func TooManyShares(most int) error {
	return chatbox.NewError(chatbox.Full, fmt.Sprintf("the session has %d shares; revoke them first", most), nil)
}
