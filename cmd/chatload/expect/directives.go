package expect

import (
	"strconv"
	"strings"
	"time"
)

// Directives are the instructions to the fake model between double brackets in a
// user message, as in `[[words=200 delay=20ms]]`. Several brackets add up; the
// last value of a name wins; unknown names and invalid values are ignored.
type Directives struct {
	Words      int           // length of the answer
	Delay      time.Duration // between two pieces; negative: the server's own
	Fail       int           // respond with this HTTP status instead
	Truncate   int           // close the connection after so many pieces; negative: never
	Stall      int           // stall after so many pieces; negative: never
	SlowHeader time.Duration // wait before the response's header
	Finish     string        // finish_reason instead of stop
	Times      int           // how often the fault happens for this message; 0: always
}

// ParseDirectives parses the directives of a message.
func ParseDirectives(message string) Directives {
	d := Directives{Words: defaultWords, Delay: -1, Truncate: -1, Stall: -1}
	for rest := message; ; {
		_, after, ok := strings.Cut(rest, "[[")
		if !ok {
			return d
		}
		inside, tail, ok := strings.Cut(after, "]]")
		if !ok {
			return d
		}
		for field := range strings.FieldsSeq(inside) {
			if name, value, ok := strings.Cut(field, "="); ok {
				d.set(name, value)
			}
		}
		rest = tail
	}
}

func (d *Directives) set(name, value string) {
	switch name {
	case "words":
		setInt(&d.Words, value, maxWords)
	case "fail":
		setInt(&d.Fail, value, 599)
	case "truncate":
		setInt(&d.Truncate, value, maxWords)
	case "stall":
		setInt(&d.Stall, value, maxWords)
	case "times":
		setInt(&d.Times, value, maxWords)
	case "delay":
		setDuration(&d.Delay, value)
	case "slowheader":
		setDuration(&d.SlowHeader, value)
	case "finish":
		d.Finish = value
	}
}

func setInt(to *int, value string, limit int) {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= limit {
		*to = n
	}
}

func setDuration(to *time.Duration, value string) {
	if v, err := time.ParseDuration(value); err == nil && v >= 0 {
		*to = v
	}
}
