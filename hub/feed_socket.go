package hub

import (
	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// attachment is one socket's membership in one session. The feed's lock guards
// it.
type attachment struct {
	conn    *Conn
	user    string
	f       *feed
	right   cluster.Right
	over    bool // the right has ended: nothing more is sent
	watched bool // it was notified that staff watches
	live    bool
	sent    int64           // the last event that this socket was sent, or is not allowed to see
	expects map[string]bool // keys of its own frames in progress → whether it gets an ack
	await   int64
	awaited chan struct{}          // closed when sent reaches await, or the socket leaves
	heard   int                    // length of feed.failed when it entered
	placed  helpdesk.QueuePosition // the queue position it was sent last; zero: none
	// The part of the newest answer that it was shown.
	gen       chatbox.Gen
	attempt   int
	index     int
	collapsed bool // pieces were removed from its queue; it needs a snapshot
	unsure    bool // an old client: its text may differ from the answer's current beginning
	*oldText       // nil: the client was not an old one when the socket entered
}

// shared encodes a delivery once for all sockets that are sent the same frame.
type shared struct{ frame []byte }

func (s *shared) of(encode func(Delivery) []byte, d Delivery) []byte {
	if s.frame == nil {
		s.frame = encode(d)
	}
	return s.frame
}

// eventFrames are the frames of one event.
type eventFrames struct{ event, failure shared }

func (a *attachment) push(d Delivery) { a.conn.push(a.f.encode(d), nil) }

// event sends one event: as the ack of the socket's own frame, as itself, or
// not at all if the socket may not see it.
func (a *attachment) event(e chatbox.Event, hears bool, frames *eventFrames) {
	if e.Seq <= a.sent {
		return
	}
	a.advance(e.Seq)
	if !hears {
		return
	}
	if acks, mine := a.expects[e.Key]; mine {
		a.forget(e.Key)
		if acks {
			a.ack(e, false)
		}
		return
	}
	switch {
	case e.Answer != nil && a.conn.Old():
		a.finalOld(e)
	case e.Answer != nil:
		a.final(e)
		fallthrough
	default:
		a.conn.push(frames.event.of(a.f.encode, Delivery{Session: e.Session, Event: &e}), nil)
	}
	if e.Answer != nil && e.Status == chatbox.StatusFailed {
		a.conn.push(frames.failure.of(a.f.encode, Delivery{Session: e.Session, Failure: FailureOf(e)}), nil)
	}
}

// forget removes an expected key. An empty map releases its memory.
func (a *attachment) forget(key string) {
	delete(a.expects, key)
	if len(a.expects) == 0 {
		a.expects = nil
	}
}

func (a *attachment) ack(e chatbox.Event, again bool) {
	a.push(Delivery{Session: e.Session, Ack: ackOf(e, again)})
}

func ackOf(e chatbox.Event, again bool) *Ack {
	return &Ack{ID: e.ID, Seq: e.Seq, Time: e.Time, Duplicate: again}
}

// final ensures that the socket was shown the whole answer before its final.
func (a *attachment) final(e chatbox.Event) {
	w := e.Answer
	shown := a.gen == w.Gen && a.attempt == w.Attempt && a.index == w.Index && a.keep()
	if !shown && (e.Content != "" || a.gen == w.Gen) {
		a.push(Delivery{Session: e.Session, Piece: &cluster.Piece{
			AnswerID: e.ID, Gen: w.Gen, ReplyTo: w.ReplyTo, ModelID: e.ModelID,
			Attempt: w.Attempt, Index: w.Index, Content: e.Content, Snapshot: true,
		}})
	}
	a.gen, a.attempt, a.index, a.collapsed = w.Gen, w.Attempt, w.Index, false
}

// keep protects the socket's queued pieces from being collapsed: the final
// comes right after them, and no snapshot can follow it. It returns false if
// pieces were removed already, perhaps to make room for another session's
// frame.
func (a *attachment) keep() bool {
	c := a.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.collapsed || c.out.owes(a) {
		return false
	}
	for i := range c.out.items {
		if c.out.items[i].group == any(a) {
			c.out.items[i].group = nil
		}
	}
	return true
}

// piece shows a piece unless the socket has it. A piece that does not continue
// the shown text is sent as a snapshot. If the queue has no room for a piece,
// a snapshot follows when the queue has drained.
func (a *attachment) piece(p cluster.Piece, frame *shared) {
	c := p.Gen.Compare(a.gen)
	if c < 0 || c == 0 && !p.After(a.attempt, a.index) {
		return
	}
	follows := p.Snapshot || c > 0 && p.Attempt == 0 && p.Index == 0 ||
		c == 0 && p.Attempt == a.attempt && p.Index == a.index+1
	restarted := c == 0 && p.Attempt != a.attempt
	a.gen, a.attempt, a.index = p.Gen, p.Attempt, p.Index
	if a.conn.Old() {
		a.unsure = a.unsure || restarted
		a.showOld(p, a.f.open.text, frame)
		return
	}
	if a.unsure { // it was an old client until now, and was sent nothing of this attempt
		a.unsure, follows = false, p.Snapshot
	}
	if a.collapsed {
		return // the pending snapshot will include it
	}
	if !follows {
		p, frame = a.f.open.snapshot(), &shared{}
	}
	v := a.conn.push(frame.of(a.f.encode, Delivery{Session: a.f.key, Piece: &p}), a)
	a.collapsed = v == collapsed
}

// drained sends the snapshot that replaces the pieces removed from the queue.
func (a *attachment) drained() {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	a.conn.repaid(a)
	a.collapsed, a.attempt, a.index = false, -1, -1 // no piece continues what it has now
	if o := a.f.open; o != nil && a.f.seesLocked(a) && o.card.Gen == a.gen {
		p := o.snapshot()
		a.attempt, a.index = p.Attempt, p.Index
		if a.conn.Old() {
			a.recall()
			a.showOld(p, o.text, &shared{})
			return
		}
		a.push(Delivery{Session: a.f.key, Piece: &p})
	}
}

// replay sends one event after it happened; a finished answer shows its whole
// text. It returns false if earlier events are missing.
func (a *attachment) replay(e chatbox.Event) bool {
	if e.Seq <= a.sent {
		return true
	}
	if e.Seq > a.sent+1 {
		return false
	}
	a.advance(e.Seq)
	if a.right == cluster.ByOwnership && e.Owner != a.user {
		return true
	}
	if acks, mine := a.expects[e.Key]; mine {
		a.forget(e.Key)
		if acks {
			a.ack(e, false)
			return true
		}
	}
	if e.Answer != nil {
		if a.conn.Old() && a.given.Gen == e.Answer.Gen {
			a.finalOld(e) // it has the beginning
			return true
		}
		a.gen, a.attempt, a.index = e.Answer.Gen, e.Answer.Attempt, e.Answer.Index
	}
	a.push(Delivery{Session: e.Session, Event: &e, Replay: true})
	return true
}

// advance sets the socket's position and wakes the waiter for it.
func (a *attachment) advance(seq int64) {
	a.sent = seq
	if a.awaited != nil && a.sent >= a.await {
		close(a.awaited)
		a.awaited = nil
	}
}
