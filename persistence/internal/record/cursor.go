package record

import (
	"encoding/base64"
	"strconv"
	"strings"

	"chatbox"
)

// Cursor is a place in a list of sessions ordered by newest activity, then id.
type Cursor struct {
	Activity int64 // milliseconds since 1970 UTC
	ID       string
}

const cursorVersion = "1"

// String encodes the cursor for a client to give back.
func (c Cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(
		[]byte(cursorVersion + "|" + strconv.FormatInt(c.Activity, 10) + "|" + c.ID))
}

// ParseCursor takes exactly what String gives; anything else is
// chatbox.InvalidArgument naming the field. A cursor carries no right: a list
// is always the asking user's, so a made-up place in it shows nothing else.
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
