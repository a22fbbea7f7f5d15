package hub

import (
	"slices"
	"strings"
	"sync"
	"time"

	"chatbox"
)

// feed delivers one session to the pod's sockets that are attached to it: each
// durable event exactly once and in order, pieces only where they continue
// what the socket was shown. It does no I/O; what it misses it asks for by
// answering false, and is given by catchUp.
//
// Lock order: Feeds.mu, feed.mu, then Conn.mu or waiters.mu. Nothing is sent under a lock but to
// a queue.
type feed struct {
	key    chatbox.SessionKey
	encode func(chatbox.Delivery) []byte

	waiters *waiters

	mu       sync.Mutex // guards following
	atts     map[chatbox.ConnID]*attachment
	owner    string           // the session's, once it is known
	holder   string           // the admin who holds it after last
	last     int64            // all events up to here were delivered; -1: nobody has joined yet
	silent   bool             // a person holds the session, or it has ended: no word of the model
	erased   bool             // the session's end was told, and nothing follows
	waits    bool             // its user has asked for a person, and nobody has come
	done     chatbox.Gen      // generations up to this one have ended
	ended    []chatbox.Gen    // the latest of them, for failures, which are told once
	loading  chatbox.Gen      // the latest that was announced
	open     *running         // the answer that is being given
	moves    int              // how often open has changed
	joining  int              // sockets between enter and join
	recent   []chatbox.Event  // delivered while sockets were joining
	failed   []chatbox.Update // failures told while sockets were joining
	early    []chatbox.Update // arrived before anybody had joined
	dropped  bool             // something arrived that early had no room for
	parked   []chatbox.Update // failures and asides that arrived ahead of events that are missing
	typing   map[chatbox.ConnID]typingLease
	reads    map[string]chatbox.Read // by user, how far
	catching bool                    // a re-read is under way
	again    bool                    // and one more is wanted after it
	movesAt  int                     // moves when the re-read began
}

const (
	// maxEarly bounds what waits for the first socket's join; beyond it the
	// join reads again.
	maxEarly = 256
	// maxRecent bounds what waits for a socket whose replay is slow; beyond it
	// the socket's join reads on from where it is.
	maxRecent = 256
	// maxParked bounds failures and asides that wait for missing events. A
	// session gives one answer at a time, so there is hardly ever a second one.
	maxParked = 16
	// maxEnded is how many generations' ends are remembered one by one.
	maxEnded = 16
)

// running is an open answer as far as this pod has heard.
type running struct {
	card    chatbox.Piece // ids; Content unused
	attempt int
	index   int
	text    []byte
}

// deliver applies one update. False means that something before it is missing.
func (f *feed) deliver(u chatbox.Update) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.deliverLocked(u)
}

func (f *feed) deliverLocked(u chatbox.Update) bool {
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
			f.parked = append(f.parked, u) // it is in no history: nobody can read it again
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
		// Published before an event that was read ahead of the channel: what
		// was read then had this in it.
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
	if e.Seq > f.last+1 && !e.Erases() { // what came before an erasure may be gone
		return false
	}
	f.last, f.owner = e.Seq, e.Owner
	if f.joining > 0 {
		if len(f.recent) == maxRecent {
			f.recent = nil // whoever joins finds a gap and reads again
		}
		f.recent = append(f.recent, e)
	}
	f.tellLocked(e)
	f.noteLocked(e)
	parked := f.parked
	f.parked = nil
	for _, u := range parked {
		f.deliverLocked(u) // told now, or parked again
	}
	return true
}

// noteLocked keeps what the event means for transients to come.
func (f *feed) noteLocked(e chatbox.Event) {
	f.endTypingLocked(func(l typingLease) bool { return e.Type == chatbox.TypeUserMessage && l.who.UserID == e.UserID })
	f.noteHelpLocked(e)
	switch {
	case e.Answer != nil:
		f.endLocked(e.Answer.Gen)
	case e.Type == chatbox.TypeAdminJoin, e.Type == chatbox.TypeSessionEnded:
		f.silent, f.erased = true, e.Erases()
		if f.open != nil {
			f.closeLocked(f.open.card.Gen) // its failure may still be on its way
		}
	case e.Type == chatbox.TypeAdminLeave:
		f.silent = false
	}
}

// endLocked notes the end of a generation that its clients were told of.
func (f *feed) endLocked(g chatbox.Gen) {
	if f.ended = append(f.ended, g); len(f.ended) > maxEnded {
		f.ended = f.ended[1:]
	}
	f.closeLocked(g)
}

// closeLocked has no piece of the generation, or an older one, shown any more.
func (f *feed) closeLocked(g chatbox.Gen) {
	f.moves++
	if g.Compare(f.done) > 0 {
		f.done = g
	}
	if f.open != nil && f.open.card.Gen.Compare(f.done) <= 0 {
		f.open = nil
	}
}

// failLocked tells once that a generation ended with nothing in the history.
func (f *feed) failLocked(u chatbox.Update) {
	if slices.Contains(f.ended, u.Failure.Gen) {
		return
	}
	f.endLocked(u.Failure.Gen)
	if f.joining > 0 {
		f.failed = append(f.failed, u)
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.hearsLocked(a) {
			a.conn.push(frame.of(f.encode, chatbox.Delivery{Session: f.key, Failure: u.Failure}), nil)
		}
	}
}

// FailureOf is the error frame that belongs to a final which keeps partial
// text: every socket gets it once, behind the final.
func FailureOf(e chatbox.Event) *chatbox.Failure {
	return &chatbox.Failure{
		AnswerID: e.ID, Gen: e.Answer.Gen, ReplyTo: e.Answer.ReplyTo, Code: e.Answer.Code,
		Message:    strings.TrimSpace("The answer broke off; what was said is kept. " + e.Answer.Why),
		RetryAfter: e.Answer.RetryAfter,
	}
}

// loadingLocked announces an answer once.
func (f *feed) loadingLocked(l chatbox.Loading) {
	if f.silent || l.Gen.Compare(f.done) <= 0 || l.Gen.Compare(f.loading) <= 0 {
		return
	}
	f.loading = l.Gen
	var frame shared
	for _, a := range f.atts {
		if f.seesLocked(a) {
			a.loading(frame.of(f.encode, chatbox.Delivery{Session: f.key, Loading: &l}), l.Gen)
		}
	}
}

// pieceLocked extends the open answer and shows the piece.
func (f *feed) pieceLocked(p chatbox.Piece) bool {
	if f.silent || p.Gen.Compare(f.done) <= 0 {
		return true // a late piece of an answer that has ended, or of a silenced model
	}
	o := f.open
	fresh := o == nil || p.Gen.Compare(o.card.Gen) > 0
	switch {
	case !fresh && (p.Gen.Compare(o.card.Gen) < 0 || !p.After(o.attempt, o.index)):
		return true
	case p.Snapshot, fresh && p.Attempt == 0 && p.Index == 0:
		f.openLocked(p)
	case fresh || p.Attempt != o.attempt || p.Index != o.index+1:
		return false // a piece was lost: the log of pieces has it
	default:
		o.index, o.text = p.Index, append(o.text, p.Content...)
		o.card.ModelID = p.ModelID // a fallback may have stepped in
	}
	f.moves++
	f.showLocked(p)
	return true
}

func (f *feed) openLocked(p chatbox.Piece) {
	f.open = &running{card: p, attempt: p.Attempt, index: p.Index, text: []byte(p.Content)}
	f.open.card.Content = ""
}

// showLocked shows a piece to every socket that may see it.
func (f *feed) showLocked(p chatbox.Piece) {
	var frame shared
	for _, a := range f.atts {
		if f.seesLocked(a) {
			a.piece(p, &frame)
		}
	}
}

// seesLocked reports whether the socket is shown what the feed knows of the
// running answer. One that joined ahead of the feed is not: it may have been
// sent what ended the answer.
func (f *feed) seesLocked(a *attachment) bool {
	return a.live && f.hearsLocked(a) && a.sent <= f.last
}

// answeringLocked is the latest answer that clients were told of and have not
// seen the end of.
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

// snapshot is the open answer as one piece.
func (r *running) snapshot() chatbox.Piece {
	p := r.card
	p.Attempt, p.Index, p.Content, p.Snapshot = r.attempt, r.index, string(r.text), true
	return p
}

// adoptLocked takes over an open answer that was read, where it is farther
// than what was heard; sockets that are live get it as a snapshot.
func (f *feed) adoptLocked(read *chatbox.OpenAnswer) {
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

// beginCatchUp makes the caller the one who reads.
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

// catchUp delivers what was read because something was missing. It reports
// false where the events do not begin where the feed stands.
func (f *feed) catchUp(events []chatbox.Event, open *chatbox.OpenAnswer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.last < 0 {
		return true
	}
	unmoved := f.moves == f.movesAt // nothing was heard of an answer since the read began
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
