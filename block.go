package chatbox

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Block keeps a user out: no request, no socket, until it is lifted or over.
// Unlike a Withdrawal it is about the person, whatever the credential; those
// issued before count again afterwards.
type Block struct {
	User   UserKey
	Reason string    // for staff alone
	Until  time.Time // when it is over by itself; zero: it is lifted, or stays
	At     time.Time
	By     string // the admin; empty: erased since
	// Unreadable is set where no key opens the reason, which is empty then.
	Unreadable bool
}

// Over reports whether the block has ended by itself.
func (b Block) Over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// BlockQuery asks for one page of a tenant's blocks, by the users' ids.
type BlockQuery struct {
	Tenant string
	After  string // the last user of the page before
	Limit  int
	Now    time.Time // blocks that are over then are passed over
}

// MaxBlockReason is how long a block's reason may be, in code points.
const MaxBlockReason = 500

// CheckBlockReason returns the reason as it is kept: as written, but NUL.
func CheckBlockReason(reason string) (string, error) {
	reason = strings.ReplaceAll(reason, "\x00", "")
	switch {
	case !utf8.ValidString(reason):
		return "", Invalid("reason", "is not valid UTF-8")
	case utf8.RuneCountInString(reason) > MaxBlockReason:
		return "", Invalid("reason", "is longer than 500 characters")
	}
	return reason, nil
}
