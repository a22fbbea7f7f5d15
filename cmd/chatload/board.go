package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"chatbox/cmd/chatload/client"
)

// board records what the devices of one session see, so that the script can wait
// for it and the meter can time it.
type board struct {
	meter *meter

	mu      sync.Mutex // guards following
	sent    map[string]sending
	turns   map[string]turn   // message id → newest answer
	asked   map[string]string // answer id → message id
	sockets []socket          // by device
	changed chan struct{}     // closed and replaced when turns change
}

// sending is the first send of a message.
type sending struct {
	at     time.Time
	device int
	conn   int
	alone  bool // no answer was running
}

// turn is the state of the newest answer to a message.
type turn struct {
	answer string
	begun  bool // a piece was shown
	over   bool
	finish string // empty if it failed without a final
}

// socket is the state of a device's current connection.
type socket struct {
	conn      int
	dialed    time.Time
	attached  time.Time // zero while it resumes
	conns     int
	delivered map[string]bool
}

func newBoard(m *meter, devices int) *board {
	b := &board{
		meter: m, sent: map[string]sending{}, turns: map[string]turn{}, asked: map[string]string{},
		sockets: make([]socket, devices), changed: make(chan struct{}),
	}
	for i := range b.sockets {
		b.sockets[i].delivered = map[string]bool{}
	}
	return b
}

// announce records a message before it is sent.
func (b *board) announce(id string, device int, alone bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sent[id] = sending{device: device, alone: alone}
}

// hook records an entry of a device's transcript.
func (b *board) hook(device int) func(client.Entry) {
	return func(e client.Entry) {
		b.mu.Lock()
		defer b.mu.Unlock()
		s := &b.sockets[device]
		switch e.Act {
		case client.ActDialing:
			s.dialed, s.conn, s.attached = e.At, e.Conn, time.Time{}
		case client.ActOpened:
			b.meter.opened(s.conns > 0)
			s.conns++
		case client.ActClosed:
			b.meter.sockets.Add(-1)
			s.attached = time.Time{}
		case client.ActRefused:
			b.meter.refused.Add(1)
		case client.ActSent:
			b.wroteLocked(e)
		case client.ActReceived:
			b.meter.frames.Add(1)
			b.readLocked(device, s, e)
		case client.ActGarbled:
		}
	}
}

func (b *board) wroteLocked(e client.Entry) {
	if s, ok := b.sent[e.Frame.ID]; ok && s.at.IsZero() {
		s.at, s.conn = e.At, e.Conn
		b.sent[e.Frame.ID] = s
	}
}

func (b *board) readLocked(device int, s *socket, e client.Entry) {
	f := e.Frame
	switch f.Type {
	case client.TypeConnectionStatus:
		if s.attached.IsZero() {
			b.meter.connect.Add(e.At.Sub(s.dialed))
		}
	case client.TypeResumed:
		s.attached = e.At
		if s.conns > 1 {
			b.meter.resume.Add(e.At.Sub(s.dialed))
		}
	case client.TypeAck:
		if m, ok := b.sent[f.ID]; ok && f.Metadata["duplicate"] == "" && m.device == device {
			b.meter.acked(e.At.Sub(m.at), m.conn == e.Conn)
		}
	case client.TypeUserMessage:
		m, ok := b.sent[f.ID]
		if ok && m.device != device && !s.delivered[f.ID] && !s.attached.IsZero() && s.attached.Before(m.at) {
			b.meter.delivery.Add(e.At.Sub(m.at))
		}
		s.delivered[f.ID] = true
	case client.TypeLoading:
		b.turnLocked(f)
	case client.TypeAIResponse:
		b.answerLocked(device, e)
	case client.TypeError:
		if q, ok := b.asked[f.ID]; ok && !b.turns[q].over {
			b.endLocked(q, turn{answer: f.ID, over: true})
		}
	}
}

// turnLocked links an answer to its message and returns the message's id.
func (b *board) turnLocked(f client.Frame) string {
	q := f.Metadata["reply_to"]
	if q == "" {
		return b.asked[f.ID]
	}
	if b.asked[f.ID] == "" {
		b.asked[f.ID] = q
		b.turns[q] = turn{answer: f.ID}
	}
	return q
}

func (b *board) answerLocked(device int, e client.Entry) {
	f := e.Frame
	q := b.turnLocked(f)
	t := b.turns[q]
	if q == "" || t.answer != f.ID {
		return
	}
	m := b.sent[q]
	if !t.begun && f.Metadata["done"] != "true" && f.Content != "" {
		t.begun = true
		b.turns[q] = t
		b.broadcastLocked()
		if m.alone && m.device == device && m.conn == e.Conn {
			b.meter.first.Add(e.At.Sub(m.at))
		}
	}
	if f.Metadata["done"] == "true" && !t.over {
		b.meter.answers.Add(1)
		if m.alone && m.device == device && m.conn == e.Conn {
			b.meter.whole.Add(e.At.Sub(m.at))
		}
		b.endLocked(q, turn{answer: f.ID, begun: t.begun, over: true, finish: f.Metadata["finish"]})
	}
}

func (b *board) endLocked(q string, t turn) {
	b.turns[q] = t
	b.broadcastLocked()
}

func (b *board) broadcastLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// conns returns how many connections a device has had.
func (b *board) conns(device int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sockets[device].conns
}

// await returns a message's turn once ok accepts it, or the context's error.
func (b *board) await(ctx context.Context, q string, ok func(turn) bool) (turn, error) {
	for {
		b.mu.Lock()
		t, changed := b.turns[q], b.changed
		b.mu.Unlock()
		if ok(t) {
			return t, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return t, fmt.Errorf("answer to %s: %w", q, context.Cause(ctx))
		}
	}
}
