package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbox/app/config"
	"chatbox/persistence"
)

// historyServer is the history as the check needs it.
type historyServer interface {
	// Inspect examines the server and the stored data, and changes nothing.
	Inspect(ctx context.Context) (persistence.Inspection, error)
	// TryWrite writes a document with concern majority and removes it again.
	TryWrite(ctx context.Context) error
	Close(ctx context.Context) error
}

// selectWait is how long the search for a primary may take. It is shorter than a
// pod's, so that the reason is known within the limit of the check.
const selectWait = 3 * time.Second

// openHistory returns a lazy client of the pod's history.
func openHistory(ctx context.Context, cfg config.Config, keys *persistence.Keyring) (historyServer, error) { //nolint:ireturn // tests pass another
	where := cfg.History()
	where.SelectTimeout = selectWait
	return persistence.Open(ctx, where, keys)
}

// historyPlace names the history without its credentials.
func historyPlace(cfg config.Mongo) place {
	scheme, rest, _ := strings.Cut(cfg.URI.Reveal(), "://")
	rest, _, _ = strings.Cut(rest, "?")
	hosts, _, _ := strings.Cut(rest[strings.LastIndexByte(rest, '@')+1:], "/")
	if strings.HasSuffix(scheme, "+srv") {
		hosts = "the servers of " + hosts
	}
	return place{what: "MongoDB", at: hosts, setting: "MONGO_URI"}
}

// lookAtHistory examines the history and the keys that seal it: two lines.
func lookAtHistory(ctx context.Context, at place, database string, history historyServer) []Finding {
	r, keys := &report{name: "mongodb"}, &report{name: "keys"}
	found, err := history.Inspect(ctx)
	if err != nil {
		err = persistence.Cause(err)
		r.say(Fail, at.trouble(persistence.Kind(err), err))
		keys.say(Warn, "not checked, because the history cannot be read")
		return []Finding{r.finding(), keys.finding()}
	}
	for _, f := range found.Findings {
		r.say(Warn, f)
	}
	judgeDatabase(r, found)
	judgeKeys(keys, found)
	if found.Keys == nil { // nothing is written beside data that is not ours
		switch err := history.TryWrite(ctx); {
		case err == nil:
		case errors.Is(err, persistence.ErrNotRemoved):
			r.say(Warn, causeOf(err)+". Remove it, and let the user of MONGO_URI drop collections")
		default:
			err = persistence.Cause(err)
			r.say(Fail, "a write is not acknowledged by a majority of "+at.at+" ("+causeOf(err)+"). "+at.remedy(persistence.Kind(err))+".")
		}
	}
	r.say(OK, historySummary(at, database, found))
	return []Finding{r.finding(), keys.finding()}
}

func judgeDatabase(r *report, found persistence.Inspection) {
	switch {
	case found.Foreign != "" && found.Keys != nil:
		r.say(Fail, found.Foreign)
	case found.Foreign != "":
		r.say(Warn, found.Foreign)
	}
	if found.Lone {
		r.say(Warn, "the server is alone and not a replica set: acknowledged messages are as safe as its one disk. Use a replica set of three in production")
	}
	if len(found.Odd) > 0 {
		r.say(Fail, "indexes with names of this program have other fields: "+strings.Join(found.Odd, ", ")+". Drop them: a pod creates its own within seconds")
	}
	if len(found.Missing) > 0 && !found.New {
		r.say(Warn, "indexes are missing: "+strings.Join(found.Missing, ", ")+". A pod creates them when it starts: if they stay missing, its log says why")
	}
}

func judgeKeys(keys *report, found persistence.Inspection) {
	switch {
	case found.Keys != nil:
		keys.say(Fail, line(found.Keys.Error()))
	case found.NewKeys:
		keys.say(OK, "new: nothing is sealed with the first key yet, and the next pod that starts enters its check value")
	default:
		keys.say(OK, "the keys open what the cluster has sealed")
	}
}

func historySummary(at place, database string, found persistence.Inspection) string {
	text := at.at + " answers"
	if found.Keys == nil {
		text += " and takes writes"
	}
	text += fmt.Sprintf("; database %q", database)
	if found.Version != "" {
		text += ", version " + found.Version
	}
	if found.Set != "" {
		text += fmt.Sprintf(", replica set %q", found.Set)
	}
	if found.New {
		return text + ", new: the first pod prepares it"
	}
	return text + ", all indexes exist"
}
