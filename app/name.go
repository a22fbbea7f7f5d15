package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"chatbox/internal/outage"
)

const (
	// A card that is not renewed for this long belongs to a dead process. A live
	// one renews it every podBeat.
	nameSilent = 2*podBeat + time.Second
	nameLook   = 500 * time.Millisecond // interval of checking another process' card
)

// errNameTaken ends a pod, because two pods with one name cannot be
// distinguished.
var errNameTaken = errors.New("POD_ID: another live pod has this id; give each pod its own")

// podName tracks whether the card under the pod's name is its own. A card
// outlives its process by up to 15 s, so another process' card may be that of a
// killed pod. The pod watches the card: only if it is renewed is the other
// process alive.
type podName struct {
	mu    sync.Mutex // guards following
	own   bool
	other string    // the other process' card as first seen; "": none
	since time.Time // when other was first seen
}

// replaceable returns the other process' card if it has not been renewed for
// nameSilent, or "".
func (n *podName) replaceable(now time.Time) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.other != "" && now.Sub(n.since) >= nameSilent {
		return n.other
	}
	return ""
}

// state returns why the pod must not serve under its name, or "".
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

// nameNews is the outcome of an attempt to renew the card.
type nameNews int

const (
	nameSame nameNews = iota
	nameOwn           // the pod has acquired the card
	nameSeen          // the card belongs to another process
	nameLost          // another process has taken over the pod's card
	nameLive          // another process renews the card
)

// saw handles the owner of the card found by a renewal; "" means this pod.
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

// judgeName handles the registry's response and returns when to ask again.
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
