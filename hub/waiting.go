package hub

import (
	"sync"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// waiters is the set of sessions with sockets on this pod that wait for a
// person. unsent are those with sockets that may not know their position yet.
// Its lock is taken last.
type waiters struct {
	mu      sync.Mutex // guards following
	waiting map[chatbox.SessionKey]struct{}
	unsent  map[chatbox.SessionKey]struct{}

	changed chan struct{} // capacity one; never closed
}

func newWaiters() waiters {
	return waiters{
		waiting: map[chatbox.SessionKey]struct{}{}, unsent: map[chatbox.SessionKey]struct{}{}, changed: make(chan struct{}, 1),
	}
}

func (w *waiters) add(k chatbox.SessionKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[k], w.unsent[k] = struct{}{}, struct{}{}
	signal(w.changed)
}

func (w *waiters) remove(k chatbox.SessionKey) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, k)
	delete(w.unsent, k)
}

// list returns the waiting sessions by tenant. With unsent it returns only
// tenants with unsent sessions. The returned sessions are no longer unsent.
func (w *waiters) list(unsent bool) map[string][]chatbox.SessionKey {
	w.mu.Lock()
	defer w.mu.Unlock()
	of := map[string][]chatbox.SessionKey{}
	if unsent {
		for k := range w.unsent {
			of[k.Tenant] = nil
		}
	}
	for k := range w.waiting {
		if _, in := of[k.Tenant]; in || !unsent {
			of[k.Tenant] = append(of[k.Tenant], k)
			delete(w.unsent, k)
		}
	}
	return of
}

// noteHelpLocked updates whether the session waits, as State.Apply does.
func (f *feed) noteHelpLocked(e chatbox.Event) {
	switch e.Type {
	case chatbox.TypeHelpRequest:
		f.setWaitsLocked(f.waits || f.holder == "")
	case chatbox.TypeAdminJoin, chatbox.TypeSessionEnded:
		f.setWaitsLocked(false)
	default: // no other event ends the wait
	}
}

func (f *feed) setWaitsLocked(waits bool) {
	switch {
	case waits == f.waits || len(f.atts) == 0: // a feed without sockets is no longer among the waiters
		return
	case waits:
		f.waiters.add(f.key)
	default:
		f.waiters.remove(f.key)
		for _, a := range f.atts {
			a.placed = helpdesk.QueuePosition{}
		}
	}
	f.waits = waits
}

// queuePositionLocked schedules the socket's queue position if the session waits.
func (f *feed) queuePositionLocked(a *attachment) {
	if f.waits && a.right == cluster.ByOwnership && len(f.atts) > 0 {
		f.waiters.add(f.key)
	}
}

// Waiting returns, by tenant, the sessions that wait for a person and have
// sockets of their owners on this pod. With unsent it returns only tenants
// where sockets joined since the last call and may not know their position.
func (fs *Feeds) Waiting(unsent bool) map[string][]chatbox.SessionKey {
	of := fs.waiters.list(unsent)
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

// WaitingChanged returns a channel that receives when sockets that do not know
// their position have joined or begun to wait. It is never closed and has one
// reader.
func (fs *Feeds) WaitingChanged() <-chan struct{} { return fs.waiters.changed }

// owned reports whether the owner has a socket on this pod.
func (f *feed) owned() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.atts {
		if a.live && a.right == cluster.ByOwnership {
			return true
		}
	}
	return false
}

// PositionSent records that the socket gets the session's position in another
// way, so that SendPosition does not repeat it.
func (fs *Feeds) PositionSent(c chatbox.ConnID, k chatbox.SessionKey, p helpdesk.QueuePosition) {
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

// SendPosition sends the session's position in the queue to the owner's sockets.
// A socket that was sent the same position last is skipped. A session that no
// longer waits is ignored.
func (fs *Feeds) SendPosition(k chatbox.SessionKey, p helpdesk.QueuePosition) {
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
		if a.live && a.placed != p && f.mayReceiveLocked(a) && f.amongLocked(a, cluster.ToOwner) {
			a.placed = p
			a.conn.push(frame.of(f.encode, Delivery{Session: k, Place: &p}), nil)
		}
	}
}
