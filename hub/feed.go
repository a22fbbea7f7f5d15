package hub

import (
	"slices"
	"strings"
	"sync"
	"time"

	"chatbox"
	"chatbox/cluster"
)

// feed delivers one session to the pod's attached sockets: each durable event
// exactly once and in order, and pieces only if they continue what the socket
// was shown. It does no I/O. If something is missing, it returns false, and
// the caller reads it and calls catchUp.
//
// Lock order: Feeds.mu, feed.mu, then Conn.mu or waiters.mu. Under a lock,
// frames are only queued.
type feed struct {
	key    chatbox.SessionKey
	encode func(Delivery) []byte

	waiters *waiters

	mu       sync.Mutex       // guards following
	atts     []*attachment    // the sockets of the session here; few
	owner    string           // the session's owner, once known
	holder   string           // the admin who holds it after last
	last     int64            // all events up to this one were delivered; -1: no socket has joined yet
	silent   bool             // a person holds the session, or it has ended: the model's output is not shown
	erased   bool             // the erasure was delivered, and no event follows
	waits    bool             // its user has asked for a person, and none has joined
	done     chatbox.Gen      // generations up to this one have ended
	ended    []chatbox.Gen    // the latest of them; their failures are sent only once
	loading  chatbox.Gen      // the latest generation that was announced
	open     *running         // the running answer
	moves    int              // number of changes of open
	joining  int              // sockets that are joining
	recent   []chatbox.Event  // delivered while sockets were joining
	failed   []cluster.Update // failures sent while sockets were joining
	early    []cluster.Update // arrived before the first join
	dropped  bool             // early was full, and an update was dropped
	parked   []cluster.Update // failures and notifications that wait for missing events
	typing   map[chatbox.ConnID]typingLease
	reads    map[string]cluster.Read // read positions by user
	catching bool                    // a catch-up read is in progress
	again    bool                    // another read is needed after it
	movesAt  int                     // moves when the read began
}

const (
	// maxEarly bounds the updates that wait for the first join. If more
	// arrive, the join reads again.
	maxEarly = 256
	// maxRecent bounds the events that wait for a socket with a slow replay.
	// If more arrive, the socket's join reads on from its position.
	maxRecent = 256
	// maxParked bounds the failures and notifications that wait for missing
	// events. A session has one answer at a time, so there is rarely a second
	// failure.
	maxParked = 16
	// maxEnded is the number of ended generations that are remembered
	// individually.
	maxEnded = 16
)

// running is an open answer as far as this pod has received it.
type running struct {
	card    cluster.Piece // ids; Content unused
	attempt int
	index   int
	text    []byte
}

// deliver applies one update. It returns false if an earlier event is missing.
func (f *feed) deliver(u cluster.Update) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deliverLocked(u)
}

func (f *feed) deliverLocked(u cluster.Update) bool {
	if f.erased {
		return true
	}
	if u.Typing != nil {
		f.typingLocked(*u.Typing, time.Now())
		return true
	}
	if u.Read != nil {
		f.readLocked(*u.Read)
		return true
	}
	if u.Watched != nil {
		f.watchedLocked(u.Watched.On)
		return true
	}
	if f.last < 0 {
		if len(f.early) == maxEarly {
			f.dropped = true
		} else {
			f.early = append(f.early, u)
		}
		return true
	}
	if u.Event != nil {
		return f.eventLocked(*u.Event)
	}
	if u.Notification != nil {
		return f.asideLocked(u)
	}
	if u.Head > f.last {
		if u.Failure != nil && len(f.parked) < maxParked {
			f.parked = append(f.parked, u) // no history contains it, so it cannot be read again
		}
		return false
	}
	if u.Owner != "" {
		f.owner = u.Owner
	}
	switch {
	case u.Failure != nil:
		f.failLocked(u)
	case u.Head < f.last:
		// The update was published before an event that this pod has read
		// directly. That read included the update.
	case u.Piece != nil:
		return f.pieceLocked(*u.Piece)
	case u.Loading != nil:
		f.loadingLocked(*u.Loading)
	}
	return true
}

// eventLocked delivers the next durable event; older ones are repeats.
func (f *feed) eventLocked(e chatbox.Event) bool {
	if e.Seq <= f.last {
		return true
	}
	if e.Seq > f.last+1 && !e.Erases() { // events before an erasure may be gone
		return false
	}
	f.last, f.owner = e.Seq, e.Owner
	if f.joining > 0 {
		if len(f.recent) == maxRecent {
			f.recent = nil // joining sockets find the gap and read again
		}
		f.recent = append(f.recent, e)
	}
	f.sendEventLocked(e)
	f.noteLocked(e)
	parked := f.parked
	f.parked = nil
	for _, u := range parked {
		f.deliverLocked(u) // delivered now, or parked again
	}
	return true
}

// noteLocked updates the state that decides about later transient updates.
func (f *feed) noteLocked(e chatbox.Event) {
	f.endTypingLocked(func(l typingLease) bool { return e.Type == chatbox.TypeUserMessage && l.who.UserID == e.UserID })
	f.noteHelpLocked(e)
	switch {
	case e.Answer != nil:
		f.endLocked(e.Answer.Gen)
	case e.Type == chatbox.TypeAdminJoin, e.Type == chatbox.TypeSessionEnded:
		f.silent, f.erased = true, e.Erases()
		if f.open != nil {
			f.closeLocked(f.open.card.Gen) // its failure may still arrive
		}
	case e.Type == chatbox.TypeAdminLeave:
		f.silent = false
	}
}

// endLocked records the end of a generation of which clients were notified.
func (f *feed) endLocked(g chatbox.Gen) {
	if f.ended = append(f.ended, g); len(f.ended) > maxEnded {
		f.ended = f.ended[1:]
	}
	f.closeLocked(g)
}

// closeLocked stops showing pieces of the generation and of older ones.
func (f *feed) closeLocked(g chatbox.Gen) {
	f.moves++
	if g.Compare(f.done) > 0 {
		f.done = g
	}
	if f.open != nil && f.open.card.Gen.Compare(f.done) <= 0 {
		f.open = nil
	}
}

// failLocked sends a failure once: the generation ended without an event in
// the history.
func (f *feed) failLocked(u cluster.Update) {
	if !u.Failure.Again { // otherwise no generation has ended
		if slices.Contains(f.ended, u.Failure.Gen) {
			return
		}
		f.endLocked(u.Failure.Gen)
	}
	if f.joining > 0 {
		f.failed = append(f.failed, u)
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.mayReceiveLocked(a) {
			a.conn.push(frame.of(f.encode, Delivery{Session: f.key, Failure: u.Failure}), nil)
		}
	}
}

// FailureOf returns the error that accompanies a final with partial text.
// Every socket receives it once, after the final.
func FailureOf(e chatbox.Event) *cluster.Failure {
	return &cluster.Failure{
		AnswerID: e.ID, Gen: e.Answer.Gen, ReplyTo: e.Answer.ReplyTo, Code: e.Answer.Code,
		Message:    strings.TrimSpace("The answer broke off; what was said is kept. " + e.Answer.Why),
		RetryAfter: e.Answer.RetryAfter,
	}
}

// loadingLocked announces an answer once.
func (f *feed) loadingLocked(l cluster.Loading) {
	if f.silent || l.Gen.Compare(f.done) <= 0 || l.Gen.Compare(f.loading) <= 0 {
		return
	}
	f.loading = l.Gen
	var frame shared
	for _, a := range f.atts {
		if f.seesLocked(a) {
			a.loading(frame.of(f.encode, Delivery{Session: f.key, Loading: &l}), l.Gen)
		}
	}
}

// pieceLocked extends the open answer and shows the piece.
func (f *feed) pieceLocked(p cluster.Piece) bool {
	if f.silent || p.Gen.Compare(f.done) <= 0 {
		return true // a late piece of an ended answer, or of a silenced model
	}
	o := f.open
	fresh := o == nil || p.Gen.Compare(o.card.Gen) > 0
	switch {
	case !fresh && (p.Gen.Compare(o.card.Gen) < 0 || !p.After(o.attempt, o.index)):
		return true
	case p.Snapshot, fresh && p.Attempt == 0 && p.Index == 0:
		f.openLocked(p)
	case fresh || p.Attempt != o.attempt || p.Index != o.index+1:
		return false // a piece was lost; the caller reads the stored pieces
	default:
		o.index, o.text = p.Index, append(o.text, p.Content...)
		o.card.ModelID = p.ModelID // a fallback model may have taken over
	}
	f.moves++
	f.showLocked(p)
	return true
}

func (f *feed) openLocked(p cluster.Piece) {
	f.open = &running{card: p, attempt: p.Attempt, index: p.Index, text: []byte(p.Content)}
	f.open.card.Content = ""
}

// showLocked shows a piece to every socket that may see it.
func (f *feed) showLocked(p cluster.Piece) {
	var frame shared
	for _, a := range f.atts {
		if f.seesLocked(a) {
			a.piece(p, &frame)
		}
	}
}

// seesLocked reports whether the socket is shown the running answer as the
// feed knows it. A socket that joined ahead of the feed is not: it may have
// been sent the end of the answer.
func (f *feed) seesLocked(a *attachment) bool {
	return a.live && f.mayReceiveLocked(a) && a.sent <= f.last
}

// answeringLocked returns the latest answer whose beginning clients were shown
// but not its end.
func (f *feed) answeringLocked() chatbox.Gen {
	g := f.loading
	if f.open != nil && f.open.card.Gen.Compare(g) > 0 {
		g = f.open.card.Gen
	}
	if f.silent || g.Compare(f.done) <= 0 {
		return chatbox.Gen{}
	}
	return g
}

// snapshot returns the open answer as one piece.
func (r *running) snapshot() cluster.Piece {
	p := r.card
	p.Attempt, p.Index, p.Content, p.Snapshot = r.attempt, r.index, string(r.text), true
	return p
}

// adoptLocked takes over an open answer that was read if it is newer than the
// one received. Live sockets get it as a snapshot.
func (f *feed) adoptLocked(read *cluster.OpenAnswer) {
	if read == nil || f.silent || read.Gen.Compare(f.done) <= 0 {
		return
	}
	p := read.Snapshot()
	if o := f.open; o != nil {
		if c := p.Gen.Compare(o.card.Gen); c < 0 || c == 0 && !p.After(o.attempt, o.index) {
			return
		}
	}
	f.openLocked(p)
	f.moves++
	f.showLocked(p)
}

// beginCatchUp appoints the caller as the reader, unless another caller is
// reading already.
func (f *feed) beginCatchUp() (after int64, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last < 0 || f.erased {
		return 0, false
	}
	if f.catching {
		f.again = true
		return 0, false
	}
	f.catching, f.again, f.movesAt = true, false, f.moves
	return f.last, true
}

// catchUp delivers events that were read because some were missing. It returns
// false if they do not begin where the feed stands.
func (f *feed) catchUp(events []chatbox.Event, open *cluster.OpenAnswer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last < 0 {
		return true
	}
	unmoved := f.moves == f.movesAt // no update about an answer since the read began
	for _, e := range events {
		if !f.eventLocked(e) {
			return false
		}
	}
	if open == nil && unmoved && f.open != nil {
		f.open = nil
		f.moves++
	}
	f.adoptLocked(open)
	return true
}
