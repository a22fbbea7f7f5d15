package hub

import (
	"context"
	"slices"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Join is the data with which a socket joins a session, read after the pod had
// subscribed.
type Join = cluster.Join

// join replays events and then makes the socket live, without a gap or a
// repeat in between. The replay may be long and waits for the socket's queue.
// The step to live is short and takes the lock. chatbox.Clash means that more
// has happened than j contains: the caller reads again from the last sent
// event and joins again.
func (f *feed) join(ctx context.Context, a *attachment, j Join) error {
	f.mu.Lock()
	a.right = j.As
	if !j.Continue {
		a.sent, a.placed = j.From, helpdesk.QueuePosition{}
		a.gen, a.attempt, a.index, a.collapsed = chatbox.Gen{}, 0, -1, false
		a.meetOld(j.Shown)
	}
	f.mu.Unlock()
	for _, e := range j.Events {
		if !a.conn.awaitRoom(ctx) {
			return gone()
		}
		f.mu.Lock()
		whole := a.replay(e)
		f.mu.Unlock()
		if !whole {
			return clash()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Contains(f.atts, a) {
		return gone()
	}
	if err := f.meetLocked(a, j); err != nil {
		return err
	}
	if j.Ended != nil && a.conn.Old() && j.Ended.Seq <= j.From { // a later final is among the events
		a.finalOld(*j.Ended)
	}
	f.showOpenLocked(a, j)
	if j.Announce {
		a.push(Delivery{Session: f.key, Resumed: &Resumed{Seq: a.sent, Recovered: j.Recovered}})
		f.showReadsLocked(a, j.Reads)
	}
	if !a.live {
		f.goLiveLocked(a)
	}
	f.queuePositionLocked(a)
	return nil
}

func gone() error { return chatbox.NewError(chatbox.Unavailable, "the socket is gone", nil) }

func clash() error { return chatbox.NewError(chatbox.Clash, "", nil) }

// meetLocked brings the socket and the feed to the same position. If the feed
// has missed something, the socket stays ahead.
func (f *feed) meetLocked(a *attachment, j Join) error {
	if f.owner == "" {
		f.owner = j.Owner
	}
	if f.last < 0 {
		f.last, f.holder = j.State.Head, j.State.HolderID
		f.silent = j.State.HolderID != "" || j.State.Ended
		f.setWaitsLocked(j.State.HelpPending)
		if !f.earlyWholeLocked() {
			return clash()
		}
	}
	for _, e := range j.Events { // the feed may have missed some
		if !f.eventLocked(e) {
			break
		}
	}
	for _, e := range f.recent {
		if !a.replay(e) {
			break
		}
	}
	if a.sent < f.last {
		return clash()
	}
	return nil
}

// earlyWholeLocked reports whether the updates that arrived before the first
// join continue the state that was read. If not, it drops the updates that can be
// read again, and keeps the failures, which cannot.
func (f *feed) earlyWholeLocked() bool {
	whole, next := !f.dropped, f.last
	var failures []cluster.Update
	for _, u := range f.early {
		switch {
		case u.Event != nil && u.Event.Seq == next+1:
			next++
		case u.Event != nil && u.Event.Seq > next, u.Event == nil && u.Head > next:
			whole = false
		}
		if u.Failure != nil {
			failures = append(failures, u)
		}
	}
	if !whole {
		f.early, f.dropped = failures, false
	}
	return whole
}

// showOpenLocked sends the open answer: the newer of the one read and the one
// received from the bus.
func (f *feed) showOpenLocked(a *attachment, j Join) {
	var p cluster.Piece
	switch {
	case a.sent > f.last: // the feed is behind the state that was read
		if j.Open == nil || j.State.HolderID != "" || j.State.Ended {
			return
		}
		p = j.Open.Snapshot()
	default:
		f.adoptLocked(j.Open)
		if f.open == nil || !f.mayReceiveLocked(a) {
			return
		}
		p = f.open.snapshot()
	}
	if c := p.Gen.Compare(a.gen); c < 0 || c == 0 && !p.After(a.attempt, a.index) {
		return
	}
	a.gen, a.attempt, a.index = p.Gen, p.Attempt, p.Index
	if a.conn.Old() {
		a.showOld(p, []byte(p.Content), &shared{})
		return
	}
	a.push(Delivery{Session: f.key, Piece: &p})
}

// goLiveLocked makes the socket live, beginning with the updates that arrived
// while it was joining.
func (f *feed) goLiveLocked(a *attachment) {
	a.live = true
	for _, u := range f.failed[min(a.heard, len(f.failed)):] {
		if f.mayReceiveLocked(a) {
			a.push(Delivery{Session: f.key, Failure: u.Failure})
		}
	}
	f.joinedLocked()
	early := f.early
	f.early = nil
	for _, u := range early {
		f.deliverLocked(u) // a missing piece is detected by the next one
	}
}

// enterLocked marks the socket as joining: it receives nothing until it is
// live.
func (f *feed) enterLocked(a *attachment) {
	a.live = false
	a.heard = len(f.failed)
	f.joining++
}

func (f *feed) joinedLocked() {
	if f.joining--; f.joining == 0 {
		f.recent, f.failed = nil, nil
	}
}
