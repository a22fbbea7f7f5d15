package helpdesk

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatbox"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestParseWeek_Writes(t *testing.T) {
	for given, want := range map[string]string{
		"":                                     "",
		";":                                    "",
		"Mon-Fri 09:00-17:00; Sat 10:00-14:00": "Mon-Fri 09:00-17:00; Sat 10:00-14:00",
		"monday–FRI 9:00 - 12:30 , 13:00-17:00":    "Mon-Fri 09:00-12:30, 13:00-17:00",
		"Tues, Thur 08:05-09:00\nSun 00:00-24:00;": "Tue, Thu 08:05-09:00; Sun 00:00-24:00",
		"Sat-Mon 22:00-02:00":                      "Mon, Sat-Sun 22:00-02:00",
		"daily 20:00-00:00":                        "Mon-Sun 20:00-24:00",
		"Fri 13:00-17:00; Fri 09:00-12:00":         "Fri 09:00-12:00, 13:00-17:00",
		"Sun 22:00-06:00; Mon 06:00-07:00":         "Mon 06:00-07:00; Sun 22:00-06:00",
		"Mon-Sun 00:00-24:00":                      "Mon-Sun 00:00-24:00",
	} {
		w, err := ParseWeek(given)
		require.NoError(t, err, given)
		assert.Equal(t, want, w.String(), given)
	}
}

func TestParseWeek_Refuses(t *testing.T) {
	for given, why := range map[string]string{
		"09:00-17:00":                         `"09:00-17:00" must be days and times such as Mon-Fri 09:00-17:00`,
		"Mon":                                 `"Mon" must be days and times such as Mon-Fri 09:00-17:00`,
		"Mo 09:00-17:00":                      `"mo" is no day such as Mon`,
		"Mon- 09:00-17:00":                    `"" is no day such as Mon`,
		"Mon, 09:00-17:00":                    `"" is no day such as Mon`,
		"Mon-Tue-Wed 09:00-17:00":             `"tue-wed" is no day such as Mon`,
		"mondays 09:00-17:00":                 `"mondays" is no day such as Mon`,
		"Mon 09:00":                           `"09:00" must be times such as 09:00-17:00`,
		"Mon 09-17":                           `"09-17" must be times such as 09:00-17:00`,
		"Mon 9:0-17:00":                       `"9:0-17:00" must be times such as 09:00-17:00`,
		"Mon 09:60-17:00":                     `"09:60-17:00" must be times such as 09:00-17:00`,
		"Mon 24:00-01:00":                     `"24:00-01:00" must be times such as 09:00-17:00`,
		"Mon 09:00-24:01":                     `"09:00-24:01" must be times such as 09:00-17:00`,
		"Mon 009:00-17:00":                    `"009:00-17:00" must be times such as 09:00-17:00`,
		"Mon 09:00-17:00pm":                   `"09:00-17:00pm" must be times such as 09:00-17:00`,
		"Mon 09:00-17:00,":                    `"" must be times such as 09:00-17:00`,
		"Mon 09:00-09:00":                     `"09:00-09:00" ends where it begins; a whole day is 00:00-24:00`,
		"Mon 09:00-12:00, 11:59-13:00":        "Mon 09:00-12:00 overlaps Mon 11:59-13:00",
		"Mon-Fri 09:00-17:00; Wed 7:00-20:00": "Wed 07:00-20:00 overlaps Wed 09:00-17:00",
		"Sun 22:00-06:00; Mon 05:00-07:00":    "Sun 22:00-06:00 overlaps Mon 05:00-07:00",
		"Mon,Mon 09:00-17:00":                 "Mon 09:00-17:00 overlaps Mon 09:00-17:00",
		"Mon " + strings.Repeat("1", 60):      `"1111111111111111111111111111111111111111…" must be times such as 09:00-17:00`,
		strings.Repeat(" ", 1001):             "is longer than 1,000 bytes",
	} {
		_, err := ParseWeek(given)
		require.Error(t, err, given)
		assert.Equal(t, why, err.Error(), given)
	}
}

// anyWeek draws hours that do not overlap.
func anyWeek(t *rapid.T) Week {
	var w Week
	at, least := rapid.IntRange(0, dayMinutes-1).Draw(t, "first"), 0
	end := at + weekMinutes
	for range rapid.IntRange(0, 20).Draw(t, "shifts") {
		at += rapid.IntRange(least, 3000).Draw(t, "gap")
		length := rapid.IntRange(1, dayMinutes-1).Draw(t, "length")
		if rapid.Bool().Draw(t, "whole") {
			length = dayMinutes - at%dayMinutes
		}
		if at+length > end {
			break
		}
		w.shifts = append(w.shifts, shift{at / dayMinutes % 7, at % dayMinutes, at%dayMinutes + length})
		at += length
	}
	slices.SortFunc(w.shifts, func(a, b shift) int { return a.begin() - b.begin() })
	return w
}

func TestWeek_IsReadAsItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := anyWeek(t)
		back, err := ParseWeek(w.String())
		if len(w.String()) > maxHoursText {
			return
		}
		require.NoError(t, err, w.String())
		assert.Equal(t, w, back)
	})
}

func FuzzParseWeek(f *testing.F) {
	f.Add("Mon-Fri 09:00-12:30, 13:00-17:00; Sat 22:00-02:00")
	f.Add("daily 0:00-24:00")
	fuzz.Run(f, func(t fuzz.T, text string) {
		w, err := ParseWeek(text)
		if err != nil {
			return
		}
		back, err := ParseWeek(w.String())
		require.NoError(t, err)
		require.Equal(t, w, back)
	})
}

// hours makes opening hours from their texts.
func hours(tb testing.TB, week, zone string, closed ...string) Hours {
	tb.Helper()
	_, h, err := Settings{Hours: week, TimeZone: zone, ClosedDays: closed}.Clean()
	require.NoError(tb, err)
	return h
}

func TestHours_At(t *testing.T) {
	const office = "Mon-Fri 09:00-12:00, 13:00-17:00"
	for _, tc := range []struct {
		name, week, zone string
		closed           []string
		at               string
		open             bool
		until            string
	}{
		{"always", "", "", nil, "2026-03-02T09:00:00Z", true, ""},
		{"always, in words", "daily 00:00-24:00", "Europe/Berlin", nil, "2026-03-02T09:00:00Z", true, ""},
		{"always but one day", "", "", []string{"2026-03-04"}, "2026-03-02T09:00:00Z", true, "2026-03-04T00:00:00Z"},
		{"always but today", "", "Asia/Tokyo", []string{"2026-03-04"}, "2026-03-04T09:00:00+09:00", false, "2026-03-05T00:00:00+09:00"},
		{"always but long ago", "", "", []string{"2020-03-04"}, "2026-03-02T09:00:00Z", true, ""},
		{"before", office, "Europe/Berlin", nil, "2026-03-02T08:59:59+01:00", false, "2026-03-02T09:00:00+01:00"},
		{"the moment it opens", office, "Europe/Berlin", nil, "2026-03-02T09:00:00+01:00", true, "2026-03-02T12:00:00+01:00"},
		{"the moment it closes", office, "Europe/Berlin", nil, "2026-03-02T12:00:00+01:00", false, "2026-03-02T13:00:00+01:00"},
		{"another zone's evening", office, "America/New_York", nil, "2026-03-03T02:00:00+05:30", true, "2026-03-02T17:00:00-05:00"},
		{"over the weekend", office, "Europe/Berlin", nil, "2026-03-06T17:00:00+01:00", false, "2026-03-09T09:00:00+01:00"},
		{"over a closed Monday", office, "Europe/Berlin", []string{"2026-03-09"}, "2026-03-06T17:00:00+01:00", false, "2026-03-10T09:00:00+01:00"},
		{"after midnight", "Sat 22:00-02:00", "", nil, "2026-03-08T01:00:00Z", true, "2026-03-08T02:00:00Z"},
		{"over the week's end", "Sun 22:00-02:00", "", nil, "2026-03-09T01:00:00Z", true, "2026-03-09T02:00:00Z"},
		{"hours that touch are one", "Mon 22:00-24:00; Tue 00:00-01:00, 01:00-03:00", "", nil, "2026-03-02T23:00:00Z", true, "2026-03-03T03:00:00Z"},
		{"a night into a closed day ends", "daily 22:00-02:00", "", []string{"2026-03-08"}, "2026-03-08T01:00:00Z", true, "2026-03-08T02:00:00Z"},
		{"a closed day's night does not begin", "daily 22:00-02:00", "", []string{"2026-03-08"}, "2026-03-09T01:00:00Z", false, "2026-03-09T22:00:00Z"},
		{"closed for longer than a year", "Mon 09:00-10:00", "", everyMonday(60), "2026-03-02T09:00:00Z", false, ""},

		{"the clock skips the opening", "Sun 02:30-05:00", "Europe/Berlin", nil, "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"},
		{"the clock skips the closing", "Sun 01:00-02:30", "Europe/Berlin", nil, "2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z"},
		{"the clock skips all of it", "Sun 02:10-02:50; Mon 09:00-10:00", "Europe/Berlin", nil, "2026-03-29T00:30:00Z", false, "2026-03-30T07:00:00Z"},
		{"hours that the clock shows twice are there once", "Sun 02:00-03:00; Mon 09:00-10:00", "Europe/Berlin", nil, "2026-10-25T00:30:00Z", true, "2026-10-25T02:00:00Z"},
		{"a closing that the clock shows twice", "Sun 01:00-02:30; Mon 09:00-10:00", "Europe/Berlin", nil, "2026-10-25T00:15:00Z", true, "2026-10-25T00:30:00Z"},
		{"and not again", "Sun 01:00-02:30; Mon 09:00-10:00", "Europe/Berlin", nil, "2026-10-25T01:15:00Z", false, "2026-10-26T08:00:00Z"},
		{"a long night", "Sat 20:00-06:00", "Europe/Berlin", nil, "2026-10-25T03:00:00Z", true, "2026-10-25T05:00:00Z"},
		{"a short night", "Sat 20:00-06:00", "Europe/Berlin", nil, "2026-03-29T03:30:00Z", true, "2026-03-29T04:00:00Z"},
		{"midnight is skipped", "Sun 00:00-08:00", "America/Havana", nil, "2026-03-08T04:59:59Z", false, "2026-03-08T05:00:00Z"},
		{"midnight is shown twice", "Sun 00:00-08:00", "America/Havana", nil, "2026-11-01T03:59:59Z", false, "2026-11-01T04:00:00Z"},
		{"back over midnight", "Sat 12:00-24:00; Sun 00:00-08:00", "America/Sao_Paulo", nil, "2018-02-18T02:30:00Z", true, "2018-02-18T11:00:00Z"},
		{"back over midnight, and it closes at it", "Sat 12:00-24:00", "America/Sao_Paulo", nil, "2018-02-18T02:30:00Z", true, "2018-02-18T03:00:00Z"},
		{"a minute past midnight and back", "Sun 00:00-08:00", "America/St_Johns", nil, "2010-11-07T02:30:30Z", true, "2010-11-07T11:30:00Z"},
		{"a day that is not", "Fri 09:00-17:00; Sat 09:00-10:00", "Pacific/Apia", nil, "2011-12-30T09:59:59Z", false, "2011-12-30T19:00:00Z"},
		{"half an hour", "Sun 02:15-03:00", "Australia/Lord_Howe", nil, "2026-10-03T15:29:59Z", false, "2026-10-03T15:30:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, tc.at)
		require.NoError(t, err)
		open, until := hours(t, tc.week, tc.zone, tc.closed...).At(at)
		assert.Equal(t, tc.open, open, tc.name)
		if tc.until == "" {
			assert.True(t, until.IsZero(), "%s: %s", tc.name, until)
			continue
		}
		want, err := time.Parse(time.RFC3339, tc.until)
		require.NoError(t, err)
		assert.WithinDuration(t, want, until, 0, tc.name)
	}
}

func everyMonday(n int) (days []string) {
	for i := range n {
		days = append(days, time.Date(2026, 3, 2+7*i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
	}
	return days
}

func anyZone() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/Havana", "America/St_Johns", "Australia/Lord_Howe",
		"Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Asia/Gaza", "Europe/Dublin", "Antarctica/Troll",
	})
}

// anyTime draws times around changes of the clock more often than others.
func anyTime(zone *time.Location) *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		at := time.Unix(rapid.Int64Range(1_000_000_000, 1_900_000_000).Draw(t, "unix"), 0).In(zone)
		if _, end := at.ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "change") {
			at = end.Add(time.Duration(rapid.IntRange(-2*86400, 86400).Draw(t, "off")) * time.Second)
		}
		return at
	})
}

// An hour is the first minute at which the clock shows it or more: found by
// looking at the clock minute by minute.
func TestHours_MomentIsTheFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone, err := time.LoadLocation(anyZone().Draw(t, "zone"))
		require.NoError(t, err)
		d := dateOf(anyTime(zone).Draw(t, "day"))
		minutes := rapid.IntRange(0, 2*dayMinutes).Draw(t, "minutes")
		shows := func(at time.Time) string { return at.In(zone).Format("2006-01-02T15:04") }
		want := d.wall(minutes).Format("2006-01-02T15:04")
		at := d.wall(minutes).Add(-26 * time.Hour)
		for shows(at) < want {
			at = at.Add(time.Minute)
		}
		assert.WithinDuration(t, at, Hours{zone: zone}.moment(d, minutes), 0)
	})
}

// The result of At holds until the time that it returns, and not longer.
func TestHours_AtHoldsUntil(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := anyZone().Draw(t, "zone")
		zone, err := time.LoadLocation(name)
		require.NoError(t, err)
		h := Hours{week: anyWeek(t), zone: zone, closed: map[date]struct{}{}}
		at := anyTime(zone).Draw(t, "at")
		for _, n := range rapid.SliceOfN(rapid.IntRange(-2, 9), 0, 4).Draw(t, "closed") {
			h.closed[dateOf(at).add(n)] = struct{}{}
		}
		open, until := h.At(at)
		assert.Equal(t, h.someShift(at), open)
		if until.IsZero() {
			until = at.AddDate(0, 6, 0)
		} else {
			require.True(t, until.After(at))
			assert.Equal(t, !open, h.someShift(until), "it changes then")
		}
		for range 20 {
			in := at.Add(time.Duration(rapid.Int64Range(0, int64(until.Sub(at))-1).Draw(t, "in")))
			assert.Equal(t, open, h.someShift(in), "%s: %s in %s", fmt.Sprint(at), fmt.Sprint(in), h.week)
		}
	})
}

// someShift is the definition: a shift of some day is under way.
func (h Hours) someShift(at time.Time) bool {
	for n := -3; n <= 3; n++ {
		d := dateOf(at.In(h.zone)).add(n)
		if _, closed := h.closed[d]; closed {
			continue
		}
		for _, s := range h.week.on(d.weekday()) {
			if !at.Before(h.moment(d, s.from)) && at.Before(h.moment(d, s.to)) {
				return true
			}
		}
	}
	return false
}

func TestSettings_Clean(t *testing.T) {
	s, _, err := Settings{}.Clean()
	require.NoError(t, err)
	assert.Equal(t, Settings{TimeZone: "UTC", ClosedDays: []string{}}, s)
	s, _, err = Settings{
		Hours: "mon 9:00-10:00", TimeZone: "Europe/Berlin", ClosedDays: []string{"2026-12-25", "2026-01-01", "2026-12-25"}, AwayMessage: " Back\nsoon ",
	}.Clean()
	require.NoError(t, err)
	assert.Equal(t, Settings{
		Hours: "Mon 09:00-10:00", TimeZone: "Europe/Berlin", ClosedDays: []string{"2026-01-01", "2026-12-25"}, AwayMessage: " Back\nsoon ",
	}, s)
	for field, wrong := range map[string][]Settings{
		"hours":        {{Hours: "Mon"}},
		"time_zone":    {{TimeZone: "Local"}, {TimeZone: "Berlin"}, {TimeZone: "../UTC"}, {TimeZone: "/etc/localtime"}, {TimeZone: strings.Repeat("A/", 40)}},
		"closed_days":  {{ClosedDays: []string{"2026-02-29"}}, {ClosedDays: []string{"24.12.2026"}}, {ClosedDays: everyMonday(367)}},
		"away_message": {{AwayMessage: strings.Repeat("é", 1001)}, {AwayMessage: "a\x00b"}, {AwayMessage: "\xff"}, {AwayMessage: "\x1b[2J"}},
	} {
		for _, s := range wrong {
			_, _, err := s.Clean()
			var e *chatbox.Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, chatbox.InvalidArgument, e.Code)
			assert.Equal(t, field, e.Field)
			assert.True(t, strings.HasPrefix(e.Message, field+": "), e.Message)
		}
	}
	_, _, err = Settings{AwayMessage: strings.Repeat("é", 1000), ClosedDays: everyMonday(366)}.Clean()
	require.NoError(t, err)
}
