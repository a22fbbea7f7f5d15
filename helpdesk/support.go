package helpdesk

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"chatbox"
)

// MaxClosedDays is the maximal number of closed days in the settings.
const MaxClosedDays = 366

// Names of the settings on the wire.
const (
	fieldHours       = "hours"
	fieldTimeZone    = "time_zone"
	fieldClosedDays  = "closed_days"
	fieldAwayMessage = "away_message"
)

// Settings are a tenant's opening hours and away message. The zero
// value means always open, without an away message.
type Settings struct {
	Hours       string   `json:"hours"`     // as parsed by ParseWeek; empty: always
	TimeZone    string   `json:"time_zone"` // an IANA name; empty: UTC
	ClosedDays  []string `json:"closed_days"`
	AwayMessage string   `json:"away_message"`
}

// Clean returns the settings in canonical form and the hours that they
// describe. The error names the first invalid field.
func (s Settings) Clean() (Settings, Hours, error) {
	week, err := ParseWeek(s.Hours)
	if err != nil {
		return s, Hours{}, chatbox.Invalid(fieldHours, err.Error())
	}
	zone, err := ParseZone(s.TimeZone)
	if err != nil {
		return s, Hours{}, chatbox.Invalid(fieldTimeZone, err.Error())
	}
	days, err := ParseClosedDays(s.ClosedDays)
	if err != nil {
		return s, Hours{}, chatbox.Invalid(fieldClosedDays, err.Error())
	}
	if err := chatbox.CheckShownText(s.AwayMessage); err != nil {
		return s, Hours{}, chatbox.Invalid(fieldAwayMessage, err.Error())
	}
	h := Hours{week: week, zone: zone, closed: make(map[date]struct{}, len(days))}
	for _, d := range days {
		t, _ := time.Parse(time.DateOnly, d)
		h.closed[dateOf(t)] = struct{}{}
	}
	return Settings{Hours: week.String(), TimeZone: zone.String(), ClosedDays: days, AwayMessage: s.AwayMessage}, h, nil
}

// ParseZone returns the time zone with an IANA name; "" is UTC. It rejects
// Local, which differs between machines.
func ParseZone(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" || len(name) > 64 {
		return nil, errors.New("must be the name of a time zone such as Europe/Berlin")
	}
	return zone, nil
}

// ParseClosedDays checks dates and returns them sorted, without duplicates.
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

// Reason is why the team is available, or why it is not.
type Reason string

// The reasons.
const (
	ReasonOpen   Reason = "open"
	ReasonClosed Reason = "closed" // outside the hours
	ReasonNobody Reason = "nobody" // within the hours, but nobody is connected and available
)

// Availability is the team's availability as users see it.
type Availability struct {
	Reason  Reason
	Message string    // the away message; may be empty
	OpensAt time.Time // when it opens; zero: it is open, or stays closed for a year
}

// Available reports whether the team is available.
func (a Availability) Available() bool { return a.Reason == ReasonOpen }

// StaffStatus is the status that a member of staff has set.
type StaffStatus string

// The statuses.
const (
	StaffAvailable StaffStatus = "available"
	StaffAway      StaffStatus = "away"
)

// StaffMember is a connected member of staff, as far as the cluster knows.
type StaffMember struct {
	User   chatbox.UserKey
	Name   string
	Status StaffStatus
	Said   time.Time // when they set the status; zero: never
	Since  time.Time // connected since then, apart from short gaps; zero: unknown
}

// StaffOnline is a connected member of staff and their work.
type StaffOnline struct {
	StaffMember

	Holding int // sessions they hold
}

// EffectiveSettings is a tenant's settings and their effect at the moment.
type EffectiveSettings struct {
	Settings

	Custom   bool      // set by the tenant, not by the environment
	Open     bool      // by the hours alone
	OpensAt  time.Time // zero: it is open, or does not open within a year
	ClosesAt time.Time // zero: it is closed, or does not close within a year
}

// EventPlace is the wire name of the notification about a queue position.
const EventPlace = "queue_position"

// MaxPlaces is the last position of which waiting users are notified exactly.
const MaxPlaces = 1000

// QueuePosition is a session's position among its tenant's sessions that wait
// for a person.
type QueuePosition struct {
	Position int  // 1: next in the queue
	Beyond   bool // at Position, which is MaxPlaces, or farther back
	Waiting  int  // the length of the queue, counted up to MaxCounted
}

// HelpInfo is the state of a session's help request, for its owner. Facts that
// could not be determined are missing: a nil Place, an empty Reason.
type HelpInfo struct {
	SessionID string
	Requested bool // ever
	Pending   bool // no person has joined yet
	Since     time.Time
	Place     *QueuePosition
	Availability
}
