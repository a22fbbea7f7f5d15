// Package doctor examines what a pod depends on, by the pod's own settings, and
// says in plain words what to do. It serves operators: command chatbox doctor. It
// leaves nothing behind in any store.
package doctor

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels. A pod works with warnings. With failures it does not, or lacks a
// feature that is configured.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "FAIL"
)

// Finding is what was found out about one dependency, in one line.
type Finding struct {
	Level Level  `json:"level"`
	Name  string `json:"name"`
	Text  string `json:"text"`
}

// Failed reports whether any finding is a failure.
func Failed(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Fail })
}

// check examines one dependency. look must end soon after its context, and
// returns at least one finding.
type check struct {
	name   string
	within time.Duration
	look   func(ctx context.Context) []Finding
}

// overall limits an examination beyond the checks' own limits, which count from
// the same moment: it is only for a check that ignores its own.
const overall = 2 * time.Minute

// examine runs all checks concurrently and returns their findings in the order of
// the checks. It waits for all of them.
func examine(ctx context.Context, checks []check) []Finding {
	ctx, cancel := context.WithTimeout(ctx, overall)
	defer cancel()
	found := make([][]Finding, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() { // ends with the check; waited for below
			ctx, cancel := context.WithTimeout(ctx, c.within)
			defer cancel()
			found[i] = c.look(ctx)
		})
	}
	wg.Wait()
	return slices.Concat(found...)
}

// report collects what is found out about one dependency, and makes one line of
// it.
type report struct {
	name  string
	parts [3][]string // by rank
}

func rank(l Level) int { return slices.Index([]Level{OK, Warn, Fail}, l) }

// say adds a sentence. A sentence that is said twice appears once.
func (r *report) say(l Level, text string) {
	if at := &r.parts[rank(l)]; !slices.Contains(*at, text) {
		*at = append(*at, text)
	}
}

// finding is the line. It has the sentences of the worst level first; those of
// level OK are left out where there is anything else to say.
func (r *report) finding() Finding {
	for _, l := range []Level{Fail, Warn} {
		if len(r.parts[rank(l)]) > 0 {
			all := r.parts[rank(l)]
			if l == Fail {
				all = slices.Concat(all, r.parts[rank(Warn)])
			}
			return Finding{l, r.name, strings.Join(all, "; ")}
		}
	}
	return Finding{OK, r.name, strings.Join(r.parts[rank(OK)], "; ")}
}

func one(l Level, name, text string) []Finding { return []Finding{{l, name, text}} }
