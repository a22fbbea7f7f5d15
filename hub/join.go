package hub

import (
	"context"

	"chatbox"
)

// Join is what a socket is given when it takes its place in a session: what
// was read after the pod had subscribed.
type Join = chatbox.Join

// join replays and then goes live, with no hole and no repeat between the two.
// The replay may be long and waits for the socket's queue; the step to live is
// short and under the lock. chatbox.Clash means that more happened meanwhile
// than is at hand: read again from Sent and join again.
func (f *feed) join(ctx context.Context, a *attachment, j Join) error {
	f.mu.Lock()
	if !j.Continue {
		a.sent = j.From
		a.gen, a.attempt, a.index, a.collapsed = chatbox.Gen{}, 0, -1, false
	}
	f.mu.Unlock()
	for _, e := range j.Events {
		if !a.conn.awaitRoom(ctx) {
			return chatbox.Errorf(chatbox.Unavailable, "the socket is gone", nil)
		}
		f.mu.Lock()
		a.replay(e)
		f.mu.Unlock()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.meetLocked(a, j); err != nil {
		return err
	}
	f.showOpenLocked(a, j.Open)
	if j.Announce {
		a.push(chatbox.Delivery{Session: f.key, Resumed: &chatbox.Resumed{Seq: a.sent, Recovered: j.Recovered}})
	}
	a.live = true
	f.joinedLocked()
	early := f.early
	f.early = nil
	for _, u := range early {
		f.deliverLocked(u)
	}
	return nil
}

// meetLocked brings the socket and the feed to the same place.
func (f *feed) meetLocked(a *attachment, j Join) error {
	if f.last < 0 {
		f.last = j.State.Head
		f.held = j.State.HolderID != ""
	}
	if a.sent >= f.last {
		return nil // the feed's own copy of what is between comes, and is dropped by seq
	}
	if len(f.recent) == 0 || f.recent[0].Seq > a.sent+1 {
		return chatbox.Errorf(chatbox.Clash, "", nil)
	}
	for _, e := range f.recent {
		a.replay(e)
	}
	return nil
}

// replay sends one event after the fact: finished answers show their whole
// text.
func (a *attachment) replay(e chatbox.Event) {
	if e.Seq <= a.sent {
		return
	}
	a.advance(e.Seq)
	if e.Owner != a.user {
		return
	}
	if acks, mine := a.expects[e.Key]; mine {
		delete(a.expects, e.Key)
		if acks {
			a.push(chatbox.Delivery{Session: e.Session, Ack: &chatbox.Ack{ID: e.ID, Seq: e.Seq, Time: e.Time}})
			return
		}
	}
	if e.Answer != nil {
		a.gen, a.attempt, a.index = e.Answer.Gen, e.Answer.Attempt, e.Answer.Index
	}
	a.push(chatbox.Delivery{Session: e.Session, Event: &e, Replay: true})
}

// showOpenLocked sends the newer of what was read and what was heard.
func (f *feed) showOpenLocked(a *attachment, read *chatbox.OpenAnswer) {
	f.adoptLocked(read)
	if f.open == nil || f.held || f.open.card.Gen.Compare(a.gen) <= 0 && !a.behind(f.open) {
		return
	}
	p := f.open.snapshot()
	a.gen, a.attempt, a.index = p.Gen, p.Attempt, p.Index
	a.push(chatbox.Delivery{Session: f.key, Piece: &p})
}

func (a *attachment) behind(r *running) bool {
	return a.gen == r.card.Gen && r.snapshot().After(a.attempt, a.index)
}

// adoptLocked takes over an open answer that was read, where it is farther
// than what was heard; sockets that are live get it as a snapshot.
func (f *feed) adoptLocked(read *chatbox.OpenAnswer) {
	if read == nil || f.held || read.Gen.Compare(f.done) <= 0 {
		return
	}
	p := read.Snapshot()
	if o := f.open; o != nil {
		older := p.Gen.Compare(o.card.Gen) < 0
		same := p.Gen == o.card.Gen && !p.After(o.attempt, o.index)
		if older || same {
			return
		}
	}
	f.open = &running{card: p, attempt: p.Attempt, index: p.Index, text: []byte(p.Content)}
	var frame shared
	for _, a := range f.atts {
		if a.live {
			a.piece(p, &frame)
		}
	}
}

// catchUp delivers what was read because something was missing. It reports
// false where the events do not begin where the feed stands.
func (f *feed) catchUp(events []chatbox.Event, open *chatbox.OpenAnswer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last < 0 {
		return true
	}
	for _, e := range events {
		if !f.eventLocked(e) {
			return false
		}
	}
	if open == nil {
		f.open = nil
	}
	f.adoptLocked(open)
	return true
}

func (f *feed) joinedLocked() {
	if f.joining--; f.joining == 0 {
		f.recent = nil
	}
}
