package record

import (
	"encoding/base64"
	"strconv"
	"strings"

	"chatbox"
)

// Cursor is a place in a list of sessions, by newest activity and then id.
type Cursor struct {
	Activity int64 // milliseconds since 1970 UTC
	ID       string
}

const cursorVersion = "1"

// String encodes the cursor for clients.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(cursorVersion + "|" + strconv.FormatInt(c.Activity, 10) + "|" + c.ID))
}

// ParseCursor accepts exactly the output of String. Anything else is
// chatbox.InvalidArgument naming the field. A cursor grants no rights: a list
// contains only the asking user's sessions, so a forged cursor shows nothing
// else.
func ParseCursor(s string) (Cursor, error) {
	refused := chatbox.Invalid("cursor", "is not one of ours")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return Cursor{}, refused
	}
	parts := strings.SplitN(string(raw), "|", 3)
	if len(parts) != 3 || parts[0] != cursorVersion || !chatbox.ValidSessionID(parts[2]) {
		return Cursor{}, refused
	}
	ms, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Cursor{}, refused
	}
	c := Cursor{Activity: ms, ID: parts[2]}
	if c.String() != s {
		return Cursor{}, refused
	}
	return c, nil
}
