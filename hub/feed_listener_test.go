package hub

import (
	"encoding/json"
	"fmt"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/prometheus/client_golang/prometheus"
)

// told is a frame of the tests: a delivery, or the mark of a resume.
type told struct {
	Delivery
	Mark *int64 `json:",omitempty"`
}

func encodeTold(d Delivery) []byte {
	b, err := json.Marshal(told{Delivery: d})
	if err != nil {
		panic(err)
	}
	return b
}

// listener is a socket whose writer is the test, and what a client that knows
// the protocol makes of its frames. It collects violations.
type listener struct {
	id    chatbox.ConnID
	user  string
	conn  *Conn
	truth *truth

	entered, joined bool
	owed            [][]any // groups the writer took and has not reported as drained

	faults   []string
	frames   []told
	next     int64 // the place that is expected
	resumed  int
	own      map[string]bool  // keys of its own frames → named
	unnamed  map[int64]bool   // places of own frames without a name: may be skipped
	acked    map[string]int   // by key
	failures map[string]int   // by answer
	over     map[string]bool  // answers that ended
	shown    map[string]shape // by answer
	silent   bool
}

type shape struct {
	attempt, index int
	text           string
}

func newListener(tr *truth, id, user string, collapse int) *listener {
	cfg := Config{CollapseBytes: collapse, MaxBytes: 1 << 30}.withDefaults()
	c := &Conn{
		id: chatbox.ConnID(id), cfg: &cfg,
		m: NewMetrics(prometheus.NewRegistry()), born: time.Now(),
	}
	c.actor.Store(&chatbox.Actor{UserID: user})
	c.changed.L = &c.mu
	c.out.writing = true // the test writes
	return &listener{
		id: c.id, user: user, conn: c, truth: tr, own: map[string]bool{}, unnamed: map[int64]bool{},
		acked: map[string]int{}, failures: map[string]int{}, over: map[string]bool{}, shown: map[string]shape{},
	}
}

// write hands up to n frames to the client; when nothing is left the writer
// takes what was collapsed, and reports it only when pay is called.
func (c *listener) write(n int) {
	c.conn.mu.Lock()
	var frames [][]byte
	for ; n > 0 && len(c.conn.out.items) > 0; n-- {
		frames = append(frames, c.conn.popLocked().frame)
	}
	if n > 0 && len(c.conn.out.groups) > 0 {
		c.owed = append(c.owed, c.conn.takeGroupsLocked())
	}
	c.conn.mu.Unlock()
	for _, f := range frames {
		var d told
		if err := json.Unmarshal(f, &d); err != nil {
			panic(err)
		}
		c.frames = append(c.frames, d)
		c.receive(d)
	}
}

func (c *listener) pay() {
	owed := c.owed
	c.owed = nil
	for _, groups := range owed {
		for _, g := range groups {
			c.conn.onDrained(g)
		}
	}
}

// shake takes all pieces out of the queue, as a frame of another session does
// that must be delivered and finds no room.
func (c *listener) shake() {
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	c.conn.collapseAllLocked()
}

func (c *listener) settle() {
	for range 5 {
		c.write(1 << 30)
		c.pay()
	}
}

// mark says in the queue where a resume begins.
func (c *listener) mark(from int64) {
	b, err := json.Marshal(told{Mark: &from})
	if err != nil {
		panic(err)
	}
	c.conn.push(b, nil)
}

func (c *listener) fault(format string, args ...any) {
	c.faults = append(c.faults, fmt.Sprintf("%s, frame %d: ", c.id, len(c.frames))+fmt.Sprintf(format, args...))
}

func (c *listener) receive(d told) {
	if c.user != c.truth.owner && c.user != watcher && d.Mark == nil && d.Resumed == nil {
		c.fault("a stranger was told %+v", d)
	}
	switch {
	case d.Mark != nil:
		c.next = *d.Mark + 1
		c.silent = c.truth.silentAt(*d.Mark)
	case d.Event != nil:
		c.event(*d.Event, d.Replay)
	case d.Ack != nil:
		e := c.truth.log[d.Ack.Seq-1]
		if _, mine := c.own[e.Key]; !mine || e.ID != d.Ack.ID {
			c.fault("ack of a frame that is not its own: %+v", d.Ack)
		}
		c.acked[e.Key]++
		if !d.Ack.Duplicate {
			c.place(d.Ack.Seq)
		} else if d.Ack.Seq >= c.next {
			c.fault("a repeat was acked before its place")
		}
	case d.Resumed != nil:
		c.resumed++
		if d.Resumed.Seq+1 < c.next {
			c.fault("resumed at %d below what was sent", d.Resumed.Seq)
		}
		c.place(d.Resumed.Seq + 1)
		c.next = d.Resumed.Seq + 1
	case d.Piece != nil:
		c.piece(*d.Piece)
	case d.Loading != nil:
		if c.over[d.Loading.AnswerID] {
			c.fault("loading of an answer that ended")
		}
	case d.Failure != nil:
		c.failures[d.Failure.AnswerID]++
		c.over[d.Failure.AnswerID] = true
	}
}

// place moves to a durable place; only own frames without a name are skipped.
func (c *listener) place(seq int64) {
	for s := c.next; s < seq; s++ {
		if !c.unnamed[s] {
			c.fault("hole: %d is missing before %d", s, seq)
		}
	}
	if seq < c.next {
		c.fault("repeat: %d, expected %d", seq, c.next)
	}
	c.next = seq + 1
}

func (c *listener) event(e chatbox.Event, replay bool) {
	c.place(e.Seq)
	if want := c.truth.log[e.Seq-1]; want.Key != e.Key {
		c.fault("another event at %d", e.Seq)
	}
	named, mine := c.own[e.Key]
	switch {
	case mine && named && c.acked[e.Key] == 0:
		c.fault("own event %d came as an event, not as its ack", e.Seq)
	case mine && !named && !replay:
		c.fault("own event without a name was shown")
	}
	switch e.Type {
	case chatbox.TypeAdminJoin, chatbox.TypeSessionEnded:
		c.silent = true
	case chatbox.TypeAdminLeave:
		c.silent = false
	case chatbox.TypeAnswer:
		s, any := c.shown[e.ID]
		switch {
		case replay:
		case !any && e.Content == "":
		case s.text != e.Content:
			c.fault("final says %q, shown is %q", e.Content, s.text)
		case s.attempt != e.Answer.Attempt || s.index != e.Answer.Index:
			c.fault("final stands at (%d,%d), shown is (%d,%d)", e.Answer.Attempt, e.Answer.Index, s.attempt, s.index)
		}
		c.over[e.ID] = true
	default:
	}
}

func (c *listener) piece(p cluster.Piece) {
	if c.over[p.AnswerID] {
		c.fault("a piece after the answer's end: %+v", p)
	}
	if c.silent {
		c.fault("a piece while a person holds the session: %+v", p)
	}
	s, any := c.shown[p.AnswerID]
	switch {
	case any && !p.After(s.attempt, s.index):
		return // a repeat
	case p.Snapshot:
		s = shape{p.Attempt, p.Index, p.Content}
	case !any && p.Attempt == 0 && p.Index == 0, any && p.Attempt == s.attempt && p.Index == s.index+1:
		s = shape{p.Attempt, p.Index, s.text + p.Content}
	default:
		c.fault("piece (%d,%d) does not continue (%d,%d)", p.Attempt, p.Index, s.attempt, s.index)
		return
	}
	c.shown[p.AnswerID] = s
	if want, ok := c.truth.texts[textAt{p.AnswerID, p.Attempt, p.Index}]; !ok || want != s.text {
		c.fault("text at (%d,%d) is %q, accepted was %q", p.Attempt, p.Index, s.text, want)
	}
}
