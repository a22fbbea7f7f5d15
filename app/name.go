package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbox/internal/outage"
)

const (
	// A card that is not renewed for so long is a dead process's: a living one
	// renews it every podBeat.
	nameSilent = 2*podBeat + time.Second
	nameLook   = 500 * time.Millisecond // between looks at another's card
)

// errNameTaken ends a pod: two with one name would be told apart nowhere.
var errNameTaken = errors.New("POD_ID: another pod that is alive has this one; give each pod its own")

// podName follows whether the pod's card is its own. A card outlives its process
// by up to 15 s, so another's card may be that of a pod that was killed: it is
// watched, and only one that is renewed is a living pod's.
type podName struct {
	mu    sync.Mutex // guards following
	own   bool
	other string    // another's card, as it was first seen; "" none
	since time.Time // it was
}

// replaceable is another's card that has not been renewed for long enough.
func (n *podName) replaceable(now time.Time) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.other != "" && now.Sub(n.since) >= nameSilent {
		return n.other
	}
	return ""
}

// state is why the pod must not serve under its name; "" where it may.
func (n *podName) state() outage.Kind {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.other != "":
		return outage.NameTaken
	case !n.own:
		return outage.Preparing
	default:
		return ""
	}
}

// nameNews is what an attempt to renew the card has shown.
type nameNews int

const (
	nameSame nameNews = iota
	nameOwn           // the card has become the pod's
	nameSeen          // another's card was met
	nameLost          // the same, where the card was the pod's before
	nameLive          // another's card is being renewed
)

// saw takes in another's card; "" says that the card is the pod's.
func (n *podName) saw(other string, now time.Time) nameNews {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.other
	was := n.own
	n.own = other == ""
	switch {
	case n.own:
		n.other = ""
		if !was {
			return nameOwn
		}
		return nameSame
	case before == "":
		n.other, n.since = other, now
		if was {
			return nameLost
		}
		return nameSeen
	case before != other:
		return nameLive
	default:
		return nameSame
	}
}

// judgeName acts on what the registry answered and returns when to ask again.
func (a *App) judgeName(ctx context.Context, other string) time.Duration {
	switch a.name.saw(other, time.Now()) {
	case nameOwn:
		a.log.InfoContext(ctx, "pod is registered")
	case nameSeen:
		a.log.WarnContext(ctx, "POD_ID has the card of another process; waiting to see whether it is alive", "at_most", nameSilent)
	case nameLost:
		a.log.WarnContext(ctx, "POD_ID was registered by another process meanwhile; waiting to see whether it is alive", "at_most", nameSilent)
	case nameLive:
		a.fail(errNameTaken)
	case nameSame:
	}
	if other != "" {
		return nameLook
	}
	return podBeat
}
