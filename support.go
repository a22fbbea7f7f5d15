package chatbox

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of support settings.
const (
	MaxAwayMessage = 1000 // code points
	MaxClosedDays  = 366
)

// Names of the settings on the wire.
const (
	fieldHours       = "hours"
	fieldTimeZone    = "time_zone"
	fieldClosedDays  = "closed_days"
	fieldAwayMessage = "away_message"
)

// SupportSettings are what a tenant says of when its team is there. The zero
// value: always, and nothing to say where nobody is.
type SupportSettings struct {
	Hours       string   `json:"hours"`     // as ParseWeek reads them; empty: always
	TimeZone    string   `json:"time_zone"` // an IANA name; empty: UTC
	ClosedDays  []string `json:"closed_days"`
	AwayMessage string   `json:"away_message"`
}

// Clean returns the settings in their one written form, with the hours that
// they mean. It refuses the first field that is wrong.
func (s SupportSettings) Clean() (SupportSettings, Hours, error) {
	week, err := ParseWeek(s.Hours)
	if err != nil {
		return s, Hours{}, Invalid(fieldHours, err.Error())
	}
	zone, err := ParseZone(s.TimeZone)
	if err != nil {
		return s, Hours{}, Invalid(fieldTimeZone, err.Error())
	}
	days, err := ParseClosedDays(s.ClosedDays)
	if err != nil {
		return s, Hours{}, Invalid(fieldClosedDays, err.Error())
	}
	if err := CheckAwayMessage(s.AwayMessage); err != nil {
		return s, Hours{}, Invalid(fieldAwayMessage, err.Error())
	}
	h := Hours{week: week, zone: zone, closed: make(map[date]struct{}, len(days))}
	for _, d := range days {
		t, _ := time.Parse(time.DateOnly, d)
		h.closed[dateOf(t)] = struct{}{}
	}
	return SupportSettings{Hours: week.String(), TimeZone: zone.String(), ClosedDays: days, AwayMessage: s.AwayMessage}, h, nil
}

// ParseZone finds a time zone by its IANA name; the empty one is UTC. A zone of
// this machine's own is none.
func ParseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > 64 {
		return nil, errors.New("must be the name of a time zone such as Europe/Berlin")
	}
	return zone, nil
}

// ParseClosedDays checks dates and returns them in order, each once.
func ParseClosedDays(days []string) ([]string, error) {
	if len(days) > MaxClosedDays {
		return nil, errors.New("has more than " + strconv.Itoa(MaxClosedDays) + " days")
	}
	out := make([]string, 0, len(days))
	for _, d := range days {
		if _, err := time.Parse(time.DateOnly, d); err != nil {
			return nil, errors.New(quoted(d) + " is no date such as 2026-12-24")
		}
		out = append(out, d)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// CheckAwayMessage refuses what cannot be shown to a user as a message.
func CheckAwayMessage(text string) error {
	control := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }
	switch {
	case !utf8.ValidString(text):
		return errors.New("is not valid UTF-8")
	case utf8.RuneCountInString(text) > MaxAwayMessage:
		return errors.New("is longer than 1,000 characters")
	case strings.ContainsFunc(text, control):
		return errors.New("has control characters")
	}
	return nil
}

// Reason is why somebody of the team is there for users, or nobody.
type Reason string

// The reasons.
const (
	ReasonOpen   Reason = "open"
	ReasonClosed Reason = "closed" // outside the hours
	ReasonNobody Reason = "nobody" // within the hours, and nobody is connected and available
)

// Availability is what users are told of the team.
type Availability struct {
	Reason  Reason
	Message string    // what the team says where nobody is there; may be empty
	OpensAt time.Time // when it opens; zero: it is open, or stays closed for a year
}

// Available reports whether somebody is there.
func (a Availability) Available() bool { return a.Reason == ReasonOpen }

// StaffStatus is what a member of staff says of themselves.
type StaffStatus string

// The statuses.
const (
	StaffAvailable StaffStatus = "available"
	StaffAway      StaffStatus = "away"
)

// StaffMember is one of those who may help, as far as the cluster knows.
type StaffMember struct {
	User   UserKey
	Name   string
	Status StaffStatus
	Said   time.Time // when they said so; zero: they never did
	Since  time.Time // they have been connected, but for moments; zero: not known
}

// StaffOnline is a member of staff who is connected, with the work they have.
type StaffOnline struct {
	StaffMember

	Holding int // sessions they hold
}

// SupportInfo is a tenant's settings and what they come to just now.
type SupportInfo struct {
	SupportSettings

	Custom   bool      // the tenant's own, not those of the environment
	Open     bool      // by the hours alone
	OpensAt  time.Time // zero: it is open, or not within a year
	ClosesAt time.Time // zero: it is closed, or not within a year
}

// EventPlace is the name, on the wire, of telling somebody their Place.
const EventPlace = "queue_position"

// MaxPlaces is up to which place those who wait are told theirs.
const MaxPlaces = 1000

// QueuePosition is where a session stands among those of its tenant that wait for a
// person.
type QueuePosition struct {
	Position int  // 1: it is the next one's turn
	Beyond   bool // it is Position, which is MaxPlaces, or farther back
	Waiting  int  // how many wait in all, counted up to MaxCounted
}

// HelpInfo is what the owner of a session is told of their asking for help.
// What could not be found out is left out: a nil QueuePosition, an empty Reason.
type HelpInfo struct {
	SessionID string
	Requested bool // ever
	Pending   bool // and nobody has come yet
	Since     time.Time
	Place     *QueuePosition
	Availability
}
