package hub

import (
	"sync"

	"chatbox"
)

// waiters is the sessions with sockets here that wait for a person, and where
// sockets have come that were not told their place. It is locked last.
type waiters struct {
	mu      sync.Mutex // guards following
	waiting map[chatbox.SessionKey]struct{}
	untold  map[chatbox.SessionKey]struct{}

	stirred chan struct{} // room for one; never closed
}

func newWaiters() waiters {
	return waiters{
		waiting: map[chatbox.SessionKey]struct{}{}, untold: map[chatbox.SessionKey]struct{}{}, stirred: make(chan struct{}, 1),
	}
}

func (w *waiters) add(k chatbox.SessionKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[k], w.untold[k] = struct{}{}, struct{}{}
	stir(w.stirred)
}

func (w *waiters) remove(k chatbox.SessionKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, k)
	delete(w.untold, k)
}

// list is all of them, or those of tenants with some that were not told; what
// it lists counts as told.
func (w *waiters) list(untold bool) map[string][]chatbox.SessionKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := map[string][]chatbox.SessionKey{}
	if untold {
		for k := range w.untold {
			of[k.Tenant] = nil
		}
	}
	for k := range w.waiting {
		if _, in := of[k.Tenant]; in || !untold {
			of[k.Tenant] = append(of[k.Tenant], k)
			delete(w.untold, k)
		}
	}
	return of
}

// noteHelpLocked keeps whether the session waits, as State.Apply does.
func (f *feed) noteHelpLocked(e chatbox.Event) {
	switch e.Type {
	case chatbox.TypeHelpRequest:
		f.setWaitsLocked(f.waits || f.holder == "")
	case chatbox.TypeAdminJoin, chatbox.TypeSessionEnded:
		f.setWaitsLocked(false)
	default: // nobody comes by anything else
	}
}

func (f *feed) setWaitsLocked(waits bool) {
	switch {
	case waits == f.waits || len(f.atts) == 0: // without sockets it is in no index any more
		return
	case waits:
		f.waiters.add(f.key)
	default:
		f.waiters.remove(f.key)
		for _, a := range f.atts {
			a.placed = chatbox.QueuePosition{}
		}
	}
	f.waits = waits
}

// stirPlaceLocked has the socket told its place where it waits.
func (f *feed) stirPlaceLocked(a *attachment) {
	if f.waits && a.right == chatbox.ByOwnership && len(f.atts) > 0 {
		f.waiters.add(f.key)
	}
}

// Waiting is the sessions that wait for a person and have sockets of their
// owners here, by tenant. With untold it is only the tenants where sockets have
// come since the last call that may not have been told their place.
func (fs *Feeds) Waiting(untold bool) map[string][]chatbox.SessionKey {
	of := fs.waiters.list(untold)
	for tenant, keys := range of {
		owned := keys[:0]
		for _, k := range keys {
			if f := fs.feed(k); f != nil && f.owned() {
				owned = append(owned, k)
			}
		}
		if of[tenant] = owned; len(owned) == 0 {
			delete(of, tenant)
		}
	}
	return of
}

// WaitingChanged is given something when sockets have come, or have begun to
// wait, that were not told their place. It is never closed, and for one reader.
func (fs *Feeds) WaitingChanged() <-chan struct{} { return fs.waiters.stirred }

// owned reports whether the owner has a socket here.
func (f *feed) owned() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.atts {
		if a.live && a.right == chatbox.ByOwnership {
			return true
		}
	}
	return false
}

// PlaceTold says that the socket is told in another way where the session
// stands, so that TellPlace does not repeat it.
func (fs *Feeds) PlaceTold(c chatbox.ConnID, k chatbox.SessionKey, p chatbox.QueuePosition) {
	a := fs.attachment(c, k)
	if a == nil {
		return
	}
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if a.f.waits {
		a.placed = p
	}
}

// TellPlace tells the owner's sockets where the session stands in the queue:
// each only what it was not told last, and nothing where it does not wait any
// more.
func (fs *Feeds) TellPlace(k chatbox.SessionKey, p chatbox.QueuePosition) {
	f := fs.feed(k)
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.waits {
		return
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && a.placed != p && f.hearsLocked(a) && f.amongLocked(a, chatbox.ToOwner) {
			a.placed = p
			a.conn.push(frame.of(f.encode, chatbox.Delivery{Session: k, Place: &p}), nil)
		}
	}
}
