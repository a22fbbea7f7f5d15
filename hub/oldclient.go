package hub

import (
	"encoding/binary"

	"chatbox"
	"chatbox/cluster"
)

// An old client, of the earlier service, appends every streaming piece to the
// text that it shows and knows no snapshots. After a broken connection it
// keeps that text. So it is sent each part of an answer once: live text as
// plain pieces, and after a reconnect the rest of the text.
//
// The text that it has is the text that it confirmed: a ping precedes each
// piece, and the pong, which every WebSocket client sends automatically,
// confirms the ping. The text that is about to be sent is recorded too, in
// case the pod dies before it can record the pong.

// maxReceipts bounds the pings of one socket that wait for their pongs. If a
// client answers none, only the oldest are forgotten.
const maxReceipts = 1024

// receipt is what the client will have received once it confirms the ping.
type receipt struct {
	token uint64
	shown cluster.Shown
	of    *attachment
}

// oldText is the text of the newest answer that an old client has. The feed's
// lock guards given, the socket's lock the others.
type oldText struct {
	given     cluster.Shown // what it will have once its queue is written
	written   cluster.Shown // written to the network
	confirmed cluster.Shown // confirmed by the client
}

// AssumeOld treats the socket as an old client's until Announce is called.
// Call it before Run.
func (c *Conn) AssumeOld() { c.old.Store(true) }

// Announce records that the client knows the present protocol.
func (c *Conn) Announce() { c.old.Store(false) }

// Old reports whether the client may be one without snapshots.
func (c *Conn) Old() bool { return c.old.Load() }

// pushReceipt queues a frame as push does. A ping that confirms r precedes it.
func (c *Conn) pushReceipt(frame []byte, group any, r receipt) verdict {
	return c.pushItem(outgoing{frame: frame, group: group, receipt: &r})
}

// written records that the frame of r is about to be written, and returns the
// ping's payload.
func (c *Conn) written(r receipt) []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastToken++
	r.token = c.lastToken
	r.of.written = r.shown
	if len(c.receipts) == maxReceipts {
		c.receipts = c.receipts[1:]
	}
	c.receipts = append(c.receipts, r)
	return binary.BigEndian.AppendUint64(nil, r.token)
}

// confirmed handles a pong: everything written before its ping has arrived.
func (c *Conn) confirmed(payload string) {
	if len(payload) != 8 {
		return // the pong of an ordinary ping
	}
	token := binary.BigEndian.Uint64([]byte(payload))
	c.mu.Lock()
	var last *receipt
	for len(c.receipts) > 0 && c.receipts[0].token <= token {
		last = &c.receipts[0]
		c.receipts = c.receipts[1:]
	}
	if last != nil {
		last.of.confirmed = last.shown
	}
	c.mu.Unlock()
	if last != nil && c.onShown != nil {
		c.onShown(last.shown)
	}
}

// writeReceipt writes the ping of a frame that is about to be written.
func (c *Conn) writeReceipt(s step) error {
	if s.receipt == nil {
		return nil
	}
	if sent := s.receipt.shown; c.onShown != nil && sent.Stage != cluster.ShownOver {
		sent.Stage = cluster.ShownSent
		c.onShown(sent)
	}
	return c.wire.ping(c.written(*s.receipt), s.by)
}

// loading announces an answer. An old client that was sent the announcement
// must get all of its text, even if its connection breaks before the first
// piece.
func (a *attachment) loading(frame []byte, g chatbox.Gen) {
	if a.conn.Old() {
		a.meetAnswer(g, 0)
		a.conn.pushReceipt(frame, nil, receipt{shown: a.nothing(g), of: a})
		return
	}
	a.conn.push(frame, nil)
}

// showOld sends an old client the rest of the running answer's text. p is the
// piece that completed the text so far. frame is shared with sockets that are
// sent exactly p.
func (a *attachment) showOld(p cluster.Piece, text []byte, frame *shared) {
	a.meetAnswer(p.Gen, p.Attempt)
	if a.collapsed || len(text) <= a.given.Bytes {
		return // the rest follows when the queue has drained or more text arrives
	}
	if a.unsure && !a.given.Begins(string(text)) {
		return // it shows another beginning; the final corrects that
	}
	a.unsure = false
	rest := string(text[a.given.Bytes:])
	if p.Snapshot || p.Content != rest {
		p.Snapshot, p.Content, frame = false, rest, &shared{}
	}
	a.give(rest, func(r receipt) verdict {
		return a.conn.pushReceipt(frame.of(a.f.encode, Delivery{Session: a.f.key, Piece: &p}), a, r)
	})
}

// meetAnswer begins with an answer that this connection has not been shown. If
// the answer was restarted before, an earlier connection may have shown
// unrecorded text of it. Then no piece can continue it, and the final brings
// the whole text.
func (a *attachment) meetAnswer(g chatbox.Gen, attempt int) {
	if a.given.Gen == g {
		return
	}
	a.given = a.nothing(g)
	a.given.Unknown, a.unsure = attempt > 0, attempt > 0
}

// give queues text and records what the client will have.
func (a *attachment) give(text string, push func(receipt) verdict) {
	next := a.given.Extend(text)
	a.collapsed = push(receipt{shown: next, of: a}) == collapsed
	if !a.collapsed {
		a.given = next
	}
}

// nothing is the record of a client that has seen nothing of the answer.
func (a *attachment) nothing(g chatbox.Gen) cluster.Shown {
	return cluster.Shown{Session: a.f.key, UserID: a.user, Conn: a.conn.ID(), Gen: g, Stage: cluster.ShownReceived}
}

// finalOld ends an answer at an old client, which then shows the whole text.
// It sends the rest of the text or, if the shown text is not the answer's
// beginning, the whole text as a separate message. The client cannot remove
// withdrawn text; if no text replaces it, a message says that it was
// withdrawn.
func (a *attachment) finalOld(e chatbox.Event) {
	w := e.Answer
	if !a.keep() {
		a.recall()
	}
	a.meetAnswer(w.Gen, w.Attempt)
	fits := a.given.Begins(e.Content) || e.Unreadable
	if rest := e.Content[min(a.given.Bytes, len(e.Content)):]; fits && rest != "" {
		a.give(rest, func(r receipt) verdict {
			return a.conn.pushReceipt(a.f.encode(Delivery{Session: e.Session, Piece: &cluster.Piece{
				AnswerID: e.ID, Gen: w.Gen, ReplyTo: w.ReplyTo, ModelID: e.ModelID,
				Attempt: w.Attempt, Index: w.Index, Content: rest,
			}}), nil, r)
		})
	}
	over := a.given
	over.Stage = cluster.ShownOver
	a.conn.pushReceipt(a.f.encode(Delivery{Session: e.Session, Event: &e}), nil, receipt{shown: over, of: a})
	if !fits {
		if e.Content == "" {
			e.Content = chatbox.WithdrawnAnswer
		}
		a.push(Delivery{Session: e.Session, Event: &e, Replay: true})
	}
	a.gen, a.attempt, a.index, a.collapsed, a.unsure = w.Gen, w.Attempt, w.Index, false, false
}

// recall resets given to the text that was really written: the rest was
// removed from the queue.
func (a *attachment) recall() {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.given = a.written
}

// leftOld records what the client had confirmed when its connection ended.
func (a *attachment) leftOld() {
	if a.oldText == nil {
		return
	}
	a.conn.mu.Lock()
	last := a.confirmed
	a.conn.mu.Unlock()
	if a.conn.onShown == nil || last.Gen == (chatbox.Gen{}) || last.Stage == cluster.ShownOver {
		return
	}
	last.Stage = cluster.ShownClosed
	a.conn.onShown(last)
}

// meetOld begins with the text that the client received over an earlier
// connection.
func (a *attachment) meetOld(has *cluster.Shown) {
	a.unsure = false
	if a.oldText == nil {
		return
	}
	a.given = cluster.Shown{}
	if has != nil {
		a.given = a.nothing(has.Gen)
		a.given.Bytes, a.given.Sum, a.unsure = has.Bytes, has.Sum, has.Bytes > 0
	}
	a.conn.mu.Lock()
	a.written, a.confirmed = a.given, a.given
	a.conn.mu.Unlock()
	if has != nil && a.conn.onShown != nil {
		a.conn.onShown(a.given) // the record of the earlier connection is used up
	}
}
