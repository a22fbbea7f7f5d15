package helpdesk

import (
	"strings"
	"time"
	"unicode/utf8"

	"chatbox"
)

// Block refuses a user's requests and sockets until it is lifted or expires.
// Unlike a Withdrawal it applies to all credentials of the user.
// Credentials issued before the block are valid again afterwards.
type Block struct {
	User   chatbox.UserKey
	Reason string    // shown to staff only
	Until  time.Time // when it expires; zero: only when it is lifted
	At     time.Time
	By     string // the admin; empty: erased
	// Unreadable is set if no key decrypts the reason, which is then empty.
	Unreadable bool
}

// Over reports whether the block has expired.
func (b Block) Over(now time.Time) bool { return !b.Until.IsZero() && !now.Before(b.Until) }

// BlockQuery requests one page of a tenant's blocks, ordered by user id.
type BlockQuery struct {
	Tenant string
	After  string // the previous page's last user
	Limit  int
	Now    time.Time // blocks that have expired by then are skipped
}

// MaxBlockReason is the maximal length of a block's reason, in code points.
const MaxBlockReason = 500

// CheckBlockReason returns the reason as it is stored: without NUL characters.
// It returns InvalidArgument if the reason is too long or not UTF-8.
func CheckBlockReason(reason string) (string, error) {
	reason = strings.ReplaceAll(reason, "\x00", "")
	switch {
	case !utf8.ValidString(reason):
		return "", chatbox.Invalid("reason", "is not valid UTF-8")
	case utf8.RuneCountInString(reason) > MaxBlockReason:
		return "", chatbox.Invalid("reason", "is longer than 500 characters")
	}
	return reason, nil
}
