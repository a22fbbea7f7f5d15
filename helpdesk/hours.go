package helpdesk

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	dayMinutes  = 24 * 60
	weekMinutes = 7 * dayMinutes

	maxHoursText = 1000 // bytes
)

// Week is a team's weekly opening hours in local time. The zero Week means
// that the team is always there.
type Week struct {
	shifts []shift // sorted by begin; no two overlap
}

// shift is one period of opening hours. It belongs to the day on which it
// begins.
type shift struct {
	day      int // 0 is Monday
	from, to int // minutes of the day; to may be on the next day
}

// ParseWeek parses hours such as "Mon-Fri 09:00-12:30, 13:00-17:00; Sat
// 22:00-02:00". Semicolons or line ends separate entries, commas separate days
// and times. Days are English names of at least three letters, in any case; or
// ranges of days, which may span the end of the week; or "daily". An end that
// is not after its beginning is on the next day; 24:00 is the end of the day.
// The empty text gives the zero Week. The error describes the problem and
// names no field. Overlapping hours are rejected, since one of them would have
// no effect.
func ParseWeek(text string) (Week, error) {
	var w Week
	if len(text) > maxHoursText {
		return w, errors.New("is longer than 1,000 bytes")
	}
	for entry := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if entry = strings.TrimSpace(strings.ReplaceAll(entry, "–", "-")); entry == "" {
			continue
		}
		at := strings.IndexAny(entry, "0123456789")
		if at <= 0 {
			return Week{}, fmt.Errorf("%s must be days and times such as Mon-Fri 09:00-17:00", quoted(entry))
		}
		days, err := parseDays(entry[:at])
		if err != nil {
			return Week{}, err
		}
		for part := range strings.SplitSeq(entry[at:], ",") {
			from, to, err := parseTimes(part)
			if err != nil {
				return Week{}, err
			}
			for _, d := range days {
				w.shifts = append(w.shifts, shift{d, from, to})
			}
		}
	}
	slices.SortFunc(w.shifts, func(a, b shift) int { return a.begin() - b.begin() })
	return w, w.disjoint()
}

func (s shift) begin() int { return s.day*dayMinutes + s.from }

func (s shift) String() string { return weekdays()[s.day] + " " + s.times() }

func (s shift) times() string { return clock(s.from) + "-" + clock(s.to) }

func clock(minutes int) string {
	if minutes > dayMinutes {
		minutes -= dayMinutes
	}
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}

// disjoint rejects overlapping shifts, including overlaps of the week's last
// and first.
func (w Week) disjoint() error {
	for i, s := range w.shifts {
		next := w.shifts[(i+1)%len(w.shifts)]
		begin := next.begin()
		if i == len(w.shifts)-1 {
			begin += weekMinutes
		}
		if s.begin()+s.to-s.from > begin {
			return fmt.Errorf("%s overlaps %s", s, next)
		}
	}
	return nil
}

func weekdays() []string { return []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"} }

func parseDays(text string) ([]int, error) {
	var days []int
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if strings.EqualFold(part, "daily") {
			part = "Mon-Sun"
		}
		first, last, ranged := strings.Cut(part, "-")
		from, err := parseDay(first)
		if err != nil {
			return nil, err
		}
		to := from
		if ranged {
			if to, err = parseDay(last); err != nil {
				return nil, err
			}
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == to {
				break
			}
		}
	}
	return days, nil
}

func parseDay(name string) (int, error) {
	name = strings.ToLower(strings.TrimSpace(name))
	for d := range 7 {
		if len(name) >= 3 && strings.HasPrefix(strings.ToLower(time.Weekday((d+1)%7).String()), name) {
			return d, nil
		}
	}
	return 0, fmt.Errorf("%s is no day such as Mon", quoted(name))
}

// parseTimes parses one period such as "09:00-17:00".
func parseTimes(text string) (from, to int, err error) {
	begin, end, ok := strings.Cut(text, "-")
	if ok {
		from, ok = parseClock(begin)
	}
	if ok {
		to, ok = parseClock(end)
	}
	switch {
	case !ok || from == dayMinutes:
		return 0, 0, fmt.Errorf("%s must be times such as 09:00-17:00", quoted(text))
	case from == to:
		return 0, 0, fmt.Errorf("%s ends where it begins; a whole day is 00:00-24:00", quoted(text))
	case to < from:
		to += dayMinutes
	}
	return from, to, nil
}

func parseClock(text string) (int, bool) {
	hours, minutes, ok := strings.Cut(strings.TrimSpace(text), ":")
	h, herr := strconv.ParseUint(hours, 10, 8)
	m, merr := strconv.ParseUint(minutes, 10, 8)
	if !ok || herr != nil || merr != nil || len(hours) > 2 || len(minutes) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return int(h)*60 + int(m), true
}

// quoted returns s in quotation marks for a message, cut to 40 characters.
func quoted(s string) string {
	if r := []rune(strings.TrimSpace(s)); len(r) > 40 {
		return strconv.Quote(string(r[:40]) + "…")
	}
	return strconv.Quote(strings.TrimSpace(s))
}

// String returns the canonical text of the hours, which ParseWeek understands.
// Days with the same hours are grouped, from Monday on. The zero Week gives
// the empty text.
func (w Week) String() string {
	var of [7][]string
	for _, s := range w.shifts {
		of[s.day] = append(of[s.day], s.times())
	}
	var entries []string
	for d := range of {
		times := strings.Join(of[d], ", ")
		if times == "" || slices.ContainsFunc(of[:d], func(o []string) bool { return slices.Equal(o, of[d]) }) {
			continue
		}
		var same []int
		for o := d; o < 7; o++ {
			if slices.Equal(of[o], of[d]) {
				same = append(same, o)
			}
		}
		entries = append(entries, dayList(same)+" "+times)
	}
	return strings.Join(entries, "; ")
}

// dayList writes days in order and runs of days as ranges.
func dayList(days []int) string {
	var out []string
	for i := 0; i < len(days); {
		j := i
		for j+1 < len(days) && days[j+1] == days[j]+1 {
			j++
		}
		name := weekdays()[days[i]]
		if j > i {
			name += "-" + weekdays()[days[j]]
		}
		out = append(out, name)
		i = j + 1
	}
	return strings.Join(out, ", ")
}
