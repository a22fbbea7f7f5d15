package record

import (
	"encoding/base64"
	"encoding/json"

	"chatbox"
)

// SearchCursor is a message's place among all of a tenant's messages, newest
// first. Messages of one time are sorted by session and seq, descending.
type SearchCursor struct {
	Time    int64 // milliseconds since 1970 UTC
	Session string
	Seq     int64
	Passed  int64 // how many messages the search has read so far
}

type place struct {
	V       int    `json:"v"`
	Time    int64  `json:"t"`
	Session string `json:"s"`
	Seq     int64  `json:"q"`
	Passed  int64  `json:"n"`
}

const placeVersion = 2 // cursors of sessions have another version

// String encodes the place for clients.
func (p SearchCursor) String() string {
	text, _ := json.Marshal(place{placeVersion, p.Time, p.Session, p.Seq, p.Passed}) // plain values cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseSearchCursor accepts exactly the output of String. A cursor grants no
// rights: only messages of the asking tenant are found.
func ParseSearchCursor(s string) (SearchCursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(s)
	var in place
	if err != nil || json.Unmarshal(raw, &in) != nil || in.V != placeVersion || !chatbox.ValidSessionID(in.Session) {
		return SearchCursor{}, chatbox.Invalid("cursor", "is not one of ours")
	}
	p := SearchCursor{in.Time, in.Session, in.Seq, in.Passed}
	if p.String() != s {
		return SearchCursor{}, chatbox.Invalid("cursor", "is not one of ours")
	}
	return p, nil
}

// Before reports whether p is newer than o.
func (p SearchCursor) Before(o SearchCursor) bool {
	switch {
	case p.Time != o.Time:
		return p.Time > o.Time
	case p.Session != o.Session:
		return p.Session > o.Session
	default:
		return p.Seq > o.Seq
	}
}
