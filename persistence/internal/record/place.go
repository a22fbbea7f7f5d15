package record

import (
	"encoding/base64"
	"encoding/json"

	"chatbox"
)

// SearchCursor is where a message stands among all of a tenant's, newest first; those
// of one time by session and seq, backwards too.
type SearchCursor struct {
	Time    int64 // milliseconds since 1970 UTC
	Session string
	Seq     int64
	Passed  int64 // how many messages the search has opened up to here
}

type place struct {
	V       int    `json:"v"`
	Time    int64  `json:"t"`
	Session string `json:"s"`
	Seq     int64  `json:"q"`
	Passed  int64  `json:"n"`
}

const placeVersion = 2 // a cursor of sessions is of another

// String encodes the place for a client to give back.
func (p SearchCursor) String() string {
	text, _ := json.Marshal(place{placeVersion, p.Time, p.Session, p.Seq, p.Passed}) // plain values
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseSearchCursor takes exactly what String gives. It carries no right: what is
// found is always the asking tenant's.
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

// Before reports whether p comes before o: it is newer.
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
