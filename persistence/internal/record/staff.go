package record

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"chatbox"
	"chatbox/helpdesk"
)

// StaffCursor is a place in staff's list of sessions, for one order and one set
// of filters. It carries the total, so that only the first page has to count.
type StaffCursor struct {
	Sort  helpdesk.SessionSort
	Desc  bool
	Value int64  // of the sort field
	Text  string // of SortUser
	ID    string
	Total int64
	More  bool
	Of    string // the filters, as FiltersOf returns them; empty: made by a version without the field
}

type staffCursor struct {
	V     int    `json:"v"`
	Sort  string `json:"s"`
	Desc  bool   `json:"d,omitempty"`
	Value int64  `json:"n,omitempty"`
	Text  string `json:"t,omitempty"`
	ID    string `json:"i"`
	Total int64  `json:"c,omitempty"`
	More  bool   `json:"m,omitempty"`
	Of    string `json:"f,omitempty"`
}

// String encodes the cursor for clients.
func (c StaffCursor) String() string {
	text, _ := json.Marshal(staffCursor{1, string(c.Sort), c.Desc, c.Value, c.Text, c.ID, c.Total, c.More, c.Of}) // plain values cannot fail
	return base64.RawURLEncoding.EncodeToString(text)
}

// FiltersOf returns a text that differs for queries whose filters differ.
func FiltersOf(q helpdesk.StaffQuery) string {
	q.Tags = slices.Clone(q.Tags)
	slices.Sort(q.Tags)
	text, _ := json.Marshal([]any{ // plain values cannot fail
		q.Tenant, q.UserID, q.Status, q.Assisted, q.Help, q.WaitingOnly(), q.Tags, q.Assigned, q.HeldBy, q.Name, q.Feedback, q.From.UnixMilli(), q.To.UnixMilli(),
	})
	sum := sha256.Sum256(text)
	return base64.RawURLEncoding.EncodeToString(sum[:9])
}

// ParseStaffCursor parses the query's cursor. It refuses a cursor that String did
// not make, and one of another order or other filters, since its total would be
// wrong. A cursor grants no rights: a list contains only sessions of the asking
// tenant.
func ParseStaffCursor(q helpdesk.StaffQuery) (StaffCursor, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(q.Cursor)
	var in staffCursor
	if err != nil || json.Unmarshal(raw, &in) != nil || in.V != 1 || !chatbox.ValidSessionID(in.ID) {
		return StaffCursor{}, chatbox.Invalid("cursor", "is not one of ours")
	}
	c := StaffCursor{helpdesk.SessionSort(in.Sort), in.Desc, in.Value, in.Text, in.ID, in.Total, in.More, in.Of}
	switch {
	case c.String() != q.Cursor:
		return StaffCursor{}, chatbox.Invalid("cursor", "is not one of ours")
	case c.Sort != q.Sort || c.Desc != q.Desc:
		return StaffCursor{}, chatbox.Invalid("cursor", "belongs to another order")
	case c.Of != "" && c.Of != FiltersOf(q):
		return StaffCursor{}, chatbox.Invalid("cursor", "belongs to other filters")
	}
	return c, nil
}

// CheckStaffQuery returns an error for a query that cannot be listed.
func CheckStaffQuery(q helpdesk.StaffQuery) error {
	switch {
	case !slices.Contains(helpdesk.SessionSorts(), q.Sort):
		return chatbox.Invalid("sort_by", "is not known")
	case q.Status != "" && q.Status != "active" && q.Status != "ended":
		return chatbox.Invalid("status", "must be active or ended")
	case q.Sort == helpdesk.SortWaiting && q.Waiting != nil && !*q.Waiting:
		return chatbox.Invalid("sort_by", "waiting_since lists those that wait")
	case q.Cursor != "" && q.Offset != 0:
		return chatbox.Invalid("offset", "cannot be combined with cursor")
	}
	return nil
}

// SortValue returns the session's place in the order. activity is the time that
// lists sort by.
func SortValue(by helpdesk.SessionSort, s chatbox.Session, activity int64) (number int64, text string) {
	switch by {
	case helpdesk.SortStart:
		return Millis(s.CreatedAt), ""
	case helpdesk.SortEnd:
		return Millis(s.State.EndedAt), ""
	case helpdesk.SortDuration:
		return s.State.Duration().Milliseconds(), ""
	case helpdesk.SortMessages:
		return s.State.Head, ""
	case helpdesk.SortTokens:
		return s.State.Tokens, ""
	case helpdesk.SortUser:
		return 0, s.Owner
	case helpdesk.SortWaiting:
		return Millis(s.State.WaitingSince), ""
	default:
		return activity, ""
	}
}

// SampleID returns the id of one tenant's count for one minute on one run of a
// pod.
func SampleID(c helpdesk.ConcurrencySample) string {
	return joined(c.Tenant, string(c.Pod), c.Run, strconv.FormatInt(Millis(c.Minute), 10))
}

// CardID returns the id of one card.
func CardID(p helpdesk.CardPile, id string) string {
	return joined(p.Tenant, string(p.Kind), p.Subject, id)
}

// joined escapes and joins the parts, so that two different lists of the same
// length never give the same text.
func joined(parts ...string) string {
	for i, p := range parts {
		parts[i] = url.QueryEscape(p)
	}
	return strings.Join(parts, "/")
}
