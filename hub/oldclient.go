package hub

import (
	"encoding/binary"

	"github.com/gorilla/websocket"

	"chatbox"
)

// A client of the service before this one appends every streaming piece to what
// it shows and knows no snapshots. It keeps what it shows when its connection
// breaks. So it is sent each word of an answer once: live text as plain pieces,
// and after a reconnect the rest of the text that it has.
//
// What it has is what it confirmed: a ping goes out right before each piece,
// and the pong, which every WebSocket client sends by itself, confirms the
// ping. What is about to be sent is noted as well, for a pod that dies before
// it could note the pong.

// maxReceipts bounds the pings of one socket that wait for their pongs. A
// client that answers none of them loses only the memory of the oldest.
const maxReceipts = 1024

// receipt is what the client will have received when it confirms the ping.
type receipt struct {
	token uint64
	shown chatbox.Shown
	of    *attachment
}

// AssumeOld has the socket treated as an old client's until Announce is
// called. Call it before Run.
func (c *Conn) AssumeOld() { c.old.Store(true) }

// Announce notes that the client has shown that it knows the present protocol.
func (c *Conn) Announce() { c.old.Store(false) }

// Old reports whether the client may be one that knows no snapshots.
func (c *Conn) Old() bool { return c.old.Load() }

// pushReceipt queues a frame as push does; a ping that confirms r goes out
// right before it.
func (c *Conn) pushReceipt(frame []byte, group any, r receipt) verdict {
	return c.pushItem(outgoing{frame: frame, group: group, receipt: &r})
}

// written notes that the frame of r is about to be written, and returns the
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
		return // of an ordinary ping
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
	if sent := s.receipt.shown; c.onShown != nil && sent.Stage != chatbox.ShownOver {
		sent.Stage = chatbox.ShownSent
		c.onShown(sent)
	}
	return c.ws.WriteControl(websocket.PingMessage, c.written(*s.receipt), s.by)
}

// loading announces an answer. An old client that knows of it is owed all of
// its text, also where its connection breaks before the first piece.
func (a *attachment) loading(frame []byte, g chatbox.Gen) {
	if a.conn.Old() {
		a.meetAnswer(g, 0)
		a.conn.pushReceipt(frame, nil, receipt{shown: a.nothing(g), of: a})
		return
	}
	a.conn.push(frame, nil)
}

// showOld sends an old client the rest of the running answer's text. p is the
// piece that brought the text this far; frame is shared with sockets that are
// sent exactly p.
func (a *attachment) showOld(p chatbox.Piece, text []byte, frame *shared) {
	a.meetAnswer(p.Gen, p.Attempt)
	if a.collapsed || len(text) <= a.given.Bytes {
		return // the rest follows when the queue has drained, or when there is some
	}
	if a.unsure && !a.given.Begins(string(text)) {
		return // it shows another beginning: the final puts that right
	}
	a.unsure = false
	rest := string(text[a.given.Bytes:])
	if p.Snapshot || p.Content != rest {
		p.Snapshot, p.Content, frame = false, rest, &shared{}
	}
	a.give(rest, func(r receipt) verdict {
		return a.conn.pushReceipt(frame.of(a.f.encode, chatbox.Delivery{Session: a.f.key, Piece: &p}), a, r)
	})
}

// meetAnswer begins with an answer that this connection has not been shown. One
// that was begun again before may have been shown by an earlier connection, of
// which nothing is noted any more: then nothing continues it, and the final
// brings the whole text.
func (a *attachment) meetAnswer(g chatbox.Gen, attempt int) {
	if a.given.Gen == g {
		return
	}
	a.given = a.nothing(g)
	a.given.Unknown, a.unsure = attempt > 0, attempt > 0
}

// give hands text to the socket's queue and notes what the client will have.
func (a *attachment) give(text string, push func(receipt) verdict) {
	next := a.given.Extend(text)
	a.collapsed = push(receipt{shown: next, of: a}) == collapsed
	if !a.collapsed {
		a.given = next
	}
}

// nothing is what the client has of an answer that it has seen nothing of.
func (a *attachment) nothing(g chatbox.Gen) chatbox.Shown {
	return chatbox.Shown{Session: a.f.key, UserID: a.user, Conn: a.conn.ID(), Gen: g, Stage: chatbox.ShownReceived}
}

// finalOld ends an answer at an old client, which then shows its whole text: by
// the rest of it, or, where what it shows is not the answer's beginning, by the
// text as a message of its own. Words that were withdrawn stay there, and a
// message says so where nothing stands in their place.
func (a *attachment) finalOld(e chatbox.Event) {
	w := e.Answer
	if !a.keep() {
		a.recall()
	}
	a.meetAnswer(w.Gen, w.Attempt)
	fits := a.given.Begins(e.Content) || e.Unreadable
	if rest := e.Content[min(a.given.Bytes, len(e.Content)):]; fits && rest != "" {
		a.give(rest, func(r receipt) verdict {
			return a.conn.pushReceipt(a.f.encode(chatbox.Delivery{Session: e.Session, Piece: &chatbox.Piece{
				AnswerID: e.ID, Gen: w.Gen, ReplyTo: w.ReplyTo, ModelID: e.ModelID,
				Attempt: w.Attempt, Index: w.Index, Content: rest,
			}}), nil, r)
		})
	}
	over := a.given
	over.Stage = chatbox.ShownOver
	a.conn.pushReceipt(a.f.encode(chatbox.Delivery{Session: e.Session, Event: &e}), nil, receipt{shown: over, of: a})
	if !fits {
		if e.Content == "" {
			e.Content = chatbox.WithdrawnAnswer
		}
		a.push(chatbox.Delivery{Session: e.Session, Event: &e, Replay: true})
	}
	a.gen, a.attempt, a.index, a.collapsed, a.unsure = w.Gen, w.Attempt, w.Index, false, false
}

// recall sets what the client was given back to what was really written: the
// rest was taken out of its queue.
func (a *attachment) recall() {
	a.conn.mu.Lock()
	defer a.conn.mu.Unlock()
	a.given = a.written
}

// leftOld notes what the client had confirmed when its connection ended.
func (a *attachment) leftOld() {
	a.conn.mu.Lock()
	last := a.confirmed
	a.conn.mu.Unlock()
	if a.conn.onShown == nil || last.Gen == (chatbox.Gen{}) || last.Stage == chatbox.ShownOver {
		return
	}
	last.Stage = chatbox.ShownClosed
	a.conn.onShown(last)
}

// meetOld begins with what the client has received by an earlier connection.
func (a *attachment) meetOld(has *chatbox.Shown) {
	a.given, a.unsure = chatbox.Shown{}, false
	if has != nil {
		a.given = a.nothing(has.Gen)
		a.given.Bytes, a.given.Sum, a.unsure = has.Bytes, has.Sum, has.Bytes > 0
	}
	a.conn.mu.Lock()
	a.written, a.confirmed = a.given, a.given
	a.conn.mu.Unlock()
	if has != nil && a.conn.onShown != nil {
		a.conn.onShown(a.given) // the note of the earlier connection is used up
	}
}
