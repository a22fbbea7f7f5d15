package hub

import (
	"sync"

	"chatbox"
)

// feed delivers one session to the pod's sockets that are attached to it: each
// durable event exactly once and in order, pieces only where they continue
// what the socket was shown. It does no I/O; what it misses it asks for by
// answering false, and is given by catchUp.
//
// Lock order: Feeds.mu, feed.mu, Conn.mu. Nothing is sent under a lock but to
// a queue.
type feed struct {
	key    chatbox.SessionKey
	encode func(chatbox.Delivery) []byte

	mu       sync.Mutex // guards following
	atts     map[chatbox.ConnID]*attachment
	last     int64            // all events up to here were delivered; -1: nobody has joined yet
	held     bool             // a person holds the session: the model is silent
	done     chatbox.Gen      // generations up to this one have ended
	open     *running         // the answer that is being given
	joining  int              // sockets between enter and join
	recent   []chatbox.Event  // delivered while sockets were joining
	early    []chatbox.Update // arrived before anybody had joined
	catching bool             // a re-read is under way
	again    bool             // and one more is wanted after it
}

// maxEarly bounds what waits for the first socket's join; beyond it the join
// finds a gap and re-reads.
const maxEarly = 256

// running is an open answer as far as this pod has heard.
type running struct {
	card    chatbox.Piece // ids; Content unused
	attempt int
	index   int
	text    []byte
}

// attachment is one socket's place in one session.
type attachment struct {
	conn    *Conn
	user    string
	f       *feed
	live    bool
	sent    int64           // the last event this socket was sent, or may not see
	expects map[string]bool // keys of its own frames under way → whether it gets an ack
	await   int64
	awaited chan struct{} // closed when sent reaches await, or the socket leaves
	// What of the open answer it was shown.
	gen       chatbox.Gen
	attempt   int
	index     int
	collapsed bool // pieces were taken out of its queue; a snapshot is owed
}

// deliver applies one update. False means that something before it is missing.
func (f *feed) deliver(u chatbox.Update) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deliverLocked(u)
}

func (f *feed) deliverLocked(u chatbox.Update) bool {
	if f.last < 0 {
		if len(f.early) < maxEarly {
			f.early = append(f.early, u)
		}
		return true
	}
	if u.Event != nil {
		return f.eventLocked(*u.Event)
	}
	if u.Head > f.last {
		return false
	}
	if u.Head < f.last && u.Failure == nil {
		// Published before an event that was read ahead of the channel: what
		// was read then had this in it.
		return true
	}
	switch {
	case u.Piece != nil:
		return f.pieceLocked(u.Owner, *u.Piece)
	case u.Loading != nil && !f.held && u.Loading.Gen.Compare(f.done) > 0:
		f.tellLocked(u.Owner, chatbox.Delivery{Session: f.key, Loading: u.Loading})
	case u.Failure != nil && u.Failure.Gen.Compare(f.done) > 0:
		f.endLocked(u.Failure.Gen)
		f.tellLocked(u.Owner, chatbox.Delivery{Session: f.key, Failure: u.Failure})
	}
	return true
}

// eventLocked delivers the next durable event; older ones are repeats.
func (f *feed) eventLocked(e chatbox.Event) bool {
	if e.Seq <= f.last {
		return true
	}
	if e.Seq > f.last+1 {
		return false
	}
	f.last = e.Seq
	if f.joining > 0 {
		f.recent = append(f.recent, e)
	}
	var frame shared
	for _, a := range f.atts {
		if a.live {
			a.event(e, &frame)
		}
	}
	f.noteLocked(e)
	if e.Status == chatbox.StatusFailed && e.Answer != nil {
		f.tellLocked(e.Owner, chatbox.Delivery{Session: f.key, Failure: FailureOf(e)})
	}
	return true
}

// noteLocked keeps what the event means for pieces to come.
func (f *feed) noteLocked(e chatbox.Event) {
	switch {
	case e.Answer != nil:
		f.endLocked(e.Answer.Gen)
	case e.Type == chatbox.TypeAdminJoin:
		f.held, f.open = true, nil
	case e.Type == chatbox.TypeAdminLeave:
		f.held = false
	case e.Type == chatbox.TypeSessionEnded:
		f.open = nil
	}
}

func (f *feed) endLocked(g chatbox.Gen) {
	if g.Compare(f.done) > 0 {
		f.done = g
	}
	if f.open != nil && f.open.card.Gen.Compare(f.done) <= 0 {
		f.open = nil
	}
}

// FailureOf is the error frame that belongs to a final which keeps partial
// text: every socket gets it once, behind the final.
func FailureOf(e chatbox.Event) *chatbox.Failure {
	return &chatbox.Failure{
		AnswerID: e.ID, Gen: e.Answer.Gen, ReplyTo: e.Answer.ReplyTo, Code: e.Answer.Code,
		Message: "the answer broke off; what was said is kept",
	}
}

// pieceLocked extends the open answer and shows the piece.
func (f *feed) pieceLocked(owner string, p chatbox.Piece) bool {
	if f.held || p.Gen.Compare(f.done) <= 0 {
		return true // a late piece of an answer that has ended, or of a silenced model
	}
	o := f.open
	fresh := o == nil || p.Gen.Compare(o.card.Gen) > 0
	switch {
	case !fresh && (p.Gen.Compare(o.card.Gen) < 0 || !p.After(o.attempt, o.index)):
		return true
	case p.Snapshot:
		f.open = &running{card: p, attempt: p.Attempt, index: p.Index, text: []byte(p.Content)}
	case fresh && p.Index == 0:
		f.open = &running{card: p, attempt: p.Attempt, text: []byte(p.Content)}
	case fresh || p.Attempt != o.attempt || p.Index != o.index+1:
		return false // a piece was lost: the log of pieces has it
	default:
		o.index, o.text = p.Index, append(o.text, p.Content...)
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && a.user == owner {
			a.piece(p, &frame)
		}
	}
	return true
}

// snapshot is the open answer as one piece.
func (r *running) snapshot() chatbox.Piece {
	p := r.card
	p.Attempt, p.Index, p.Content, p.Snapshot = r.attempt, r.index, string(r.text), true
	return p
}

// tellLocked sends a transient to every socket that may see the session.
func (f *feed) tellLocked(owner string, d chatbox.Delivery) {
	var frame shared
	for _, a := range f.atts {
		if a.live && a.user == owner {
			a.conn.push(frame.of(f.encode, d), nil)
		}
	}
}

// shared encodes a delivery once for all sockets that are told the same.
type shared struct{ frame []byte }

func (s *shared) of(encode func(chatbox.Delivery) []byte, d chatbox.Delivery) []byte {
	if s.frame == nil {
		s.frame = encode(d)
	}
	return s.frame
}

// event sends one event in its place: as the ack of the frame that caused it,
// or as itself, or not at all where it is not this socket's to see.
func (a *attachment) event(e chatbox.Event, frame *shared) {
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
		}
		return
	}
	if e.Answer != nil {
		a.final(e)
	}
	a.conn.push(frame.of(a.f.encode, chatbox.Delivery{Session: e.Session, Event: &e}), nil)
}

// final makes sure that what the socket was shown is the whole answer before
// its final says so.
func (a *attachment) final(e chatbox.Event) {
	w := e.Answer
	shown := a.gen == w.Gen && a.attempt == w.Attempt && a.index == w.Index && !a.collapsed
	if !shown && (e.Content != "" || a.gen == w.Gen) {
		a.push(chatbox.Delivery{Session: e.Session, Piece: &chatbox.Piece{
			AnswerID: e.ID, Gen: w.Gen, ReplyTo: w.ReplyTo, ModelID: e.ModelID,
			Attempt: w.Attempt, Index: w.Index, Content: e.Content, Snapshot: true,
		}})
	}
	a.gen, a.attempt, a.index, a.collapsed = w.Gen, w.Attempt, w.Index, false
}

// piece shows a piece unless the socket has it; one that its queue cannot take
// is made up for by a snapshot when the queue has drained.
func (a *attachment) piece(p chatbox.Piece, frame *shared) {
	if a.gen == p.Gen && !p.After(a.attempt, a.index) {
		return
	}
	a.gen, a.attempt, a.index = p.Gen, p.Attempt, p.Index
	v := a.conn.push(frame.of(a.f.encode, chatbox.Delivery{Session: a.f.key, Piece: &p}), a)
	a.collapsed = v == collapsed
}

// drained pays the snapshot that is owed.
func (a *attachment) drained() {
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	if !a.collapsed {
		return
	}
	a.collapsed = false
	if o := a.f.open; a.live && o != nil && o.card.Gen == a.gen {
		p := o.snapshot()
		a.attempt, a.index = p.Attempt, p.Index
		a.push(chatbox.Delivery{Session: a.f.key, Piece: &p})
	}
}

func (a *attachment) push(d chatbox.Delivery) { a.conn.push(a.f.encode(d), nil) }

// advance moves the socket's place and wakes who waits for it.
func (a *attachment) advance(seq int64) {
	a.sent = seq
	if a.awaited != nil && a.sent >= a.await {
		close(a.awaited)
		a.awaited = nil
	}
}
