package helpdesk

import (
	"time"
	_ "time/tzdata" // 450 KB: zones are known even in an image without zone files
)

// Hours are a team's opening hours in its time zone, minus the days on which
// it is closed.
type Hours struct {
	week   Week
	zone   *time.Location
	closed map[date]struct{}
}

// date is a day of the calendar, in no particular zone.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

// wall returns the minute of the day as a UTC time. A minute past the end of
// the day is on the next one.
func (d date) wall(minutes int) time.Time {
	return time.Date(d.year, d.month, d.day, 0, minutes, 0, 0, time.UTC)
}

func (d date) add(days int) date { return dateOf(d.wall(0).AddDate(0, 0, days)) }

// weekday is 0 on Mondays.
func (d date) weekday() int { return (int(d.wall(0).Weekday()) + 6) % 7 }

// horizon is how many days ahead At looks for a change.
const horizon = 366

// At reports whether the team is there at t, and when that changes next. until
// is zero if it does not change within a year.
//
// A time of day begins at the first moment at which the local clock shows it
// or a later time. So times that the clock skips begin at the change of the
// clock, times that it shows twice count once, and adjacent hours leave no gap
// when the clock changes. A shift belongs to the day on which it begins: no
// shift begins on a closed day, and a shift that passes midnight runs to its
// end.
func (h Hours) At(t time.Time) (open bool, until time.Time) {
	today := dateOf(t.In(h.zone))
	if h.never() {
		return true, time.Time{}
	}
	for n := -2; n <= horizon; n++ { // the clock may go back past midnight
		d := today.add(n)
		if _, closed := h.closed[d]; closed {
			continue
		}
		for _, s := range h.week.on(d.weekday()) {
			begin, end := h.moment(d, s.from), h.moment(d, s.to)
			switch {
			case !t.Before(end) || !begin.Before(end): // over, or skipped by the clock
			case !open && begin.After(t):
				return false, begin
			case !open:
				open, until = true, end
			case begin.After(until):
				return true, until
			default:
				until = end
			}
		}
	}
	if open && until.After(h.moment(today.add(horizon), 0)) {
		return true, time.Time{}
	}
	return open, until
}

// never reports whether the team never closes.
func (h Hours) never() bool {
	minutes := 0
	for _, s := range h.week.shifts {
		minutes += s.to - s.from
	}
	return len(h.closed) == 0 && (len(h.week.shifts) == 0 || minutes == weekMinutes)
}

// on returns the shifts that begin on the weekday.
func (w Week) on(weekday int) []shift {
	if len(w.shifts) == 0 {
		return []shift{{weekday, 0, dayMinutes}}
	}
	var out []shift
	for _, s := range w.shifts {
		if s.day == weekday {
			out = append(out, s)
		}
	}
	return out
}

// moment returns the first time at which the zone's clock shows the minute of
// the day, or a later one.
func (h Hours) moment(d date, minutes int) time.Time {
	wall := d.wall(minutes)
	t := wall.Add(-26 * time.Hour).In(h.zone) // no zone is that far ahead
	for {
		_, offset := t.Zone()
		at := wall.Add(-time.Duration(offset) * time.Second).In(h.zone)
		if at.Before(t) {
			return t // the change of the clock skipped the minute
		}
		_, end := t.ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
	}
}
