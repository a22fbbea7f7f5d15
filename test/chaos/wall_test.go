package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
)

// staffed adds faults where staff comes and goes, beside those of the plan.
func (p *plan) staffed(r *rand.Rand) {
	for range 1 + r.IntN(3) {
		f := fault{act: pick(r, refuse, loseReply, delay, cutAll, empty, kill, drain), pod: r.IntN(pods), met: make(chan struct{})}
		f.op, f.n = draw(r, []reach{{"revoke", 4, 4}, {"publish", 24, 2}, {"append", 24, 2}, {"by key", 12, 1}, {"tail", 20, 1}})
		if store := f.op == "append" || f.op == "by key"; !store && f.act == delay {
			f.span = 2500 * time.Millisecond // beyond the time a command may take
		} else if f.act == delay || f.act == kill || f.act == drain {
			f.span = time.Duration(100+r.IntN(900)) * time.Millisecond
		}
		if f.op == "revoke" && f.act == empty {
			// A takeover between a worker's claim of a turn that Redis forgot and
			// its showing the text again closes the answer as if none was shown.
			f.act = cutAll
		}
		if at := (place{f.op, f.n}); p.faults[at] == nil {
			p.faults[at] = &f
		}
	}
}

// void reports whether the model owes no answer to the message: a person came
// or went after it.
func void(s *client.Session, id string) bool {
	if s == nil {
		return false
	}
	var said, person int64
	for _, e := range s.Events {
		switch {
		case e.ID == id && e.Type == client.TypeUserMessage:
			said = e.Seq
		case e.Type == client.TypeAdminJoin, e.Type == client.TypeAdminLeave:
			person = max(person, e.Seq)
		}
	}
	return said > 0 && said < person
}

// judgeStaff lays what staff was promised and saw beside the history.
func (k *talk) judgeStaff(history []client.Message) {
	k.s.t.Helper()
	bad := slices.Concat(k.desk.bad, ledger.OutOfTurn(history))
	for _, w := range k.desk.said {
		n := 0
		for _, m := range history {
			if m.ID == w.id && m.Sender == "admin" && m.Metadata[metaAdminID] == w.admin && m.Content == w.text {
				n++
			}
		}
		if n != 1 {
			bad = append(bad, fmt.Sprintf("%s of %s is %d times in the history", w.id, w.admin, n))
		}
	}
	for _, x := range k.desk.sockets {
		bad = append(bad, behindTheWall(x.name, k.session, history, x.d.Transcript())...)
		bad = append(bad, alongHistory(x.name, k.session, history, x.d.Transcript())...)
	}
	if len(bad) == 0 {
		return
	}
	for _, x := range k.desk.sockets {
		k.s.t.Logf("%s in %s:\n%s", x.name, k.session, transcript(x.d))
	}
	k.s.t.Errorf("%s:\n%s", k.session, strings.Join(bad, "\n"))
}

// heldAt reports whether a person holds the session behind that event.
func heldAt(history []client.Message, seq int64) (held bool) {
	for _, m := range history {
		if m.Seq > seq {
			break
		}
		switch m.Type {
		case client.TypeAdminJoin:
			held = true
		case client.TypeAdminLeave:
			held = false
		}
	}
	return held
}

func durable(f client.Frame) bool {
	return f.Seq > 0 && (f.Durable() || f.Type == client.TypeAck && f.Metadata["duplicate"] != "true")
}

// behindTheWall finds text of the model that a socket received while, according to
// the frames of the socket, an admin held the session.
func behindTheWall(name, session string, history []client.Message, entries []client.Entry) (bad []string) {
	held, known, early := false, false, ""
	for _, e := range entries {
		f := e.Frame
		if e.Act == client.ActOpened {
			known = f.SessionID == session && f.Seq >= 0
			held, early = known && heldAt(history, f.Seq), ""
		}
		if e.Act != client.ActReceived || f.SessionID != session {
			continue
		}
		switch {
		case f.Type == client.TypeResumed:
			if held = heldAt(history, f.Seq); held && !known && early != "" {
				bad = append(bad, early)
			}
			known = true
		case durable(f):
			if held, known = heldAt(history, f.Seq), true; held && f.Type == client.TypeAIResponse {
				bad = append(bad, fmt.Sprintf("%s was told the final of %s at %d while it was held", name, f.ID, f.Seq))
			}
		case f.Type == client.TypeLoading, f.Type == client.TypeAIResponse && f.Metadata["done"] != "true":
			what := fmt.Sprintf("%s was shown %s of %s, index %s, on connection %d while it was held", name, f.Type, f.ID, f.Metadata["index"], e.Conn)
			if held {
				bad = append(bad, what)
			} else if !known {
				early = what
			}
		}
	}
	return bad
}

// alongHistory finds where a socket that came and went was told something else
// than the history, from where it was attached to where it left.
func alongHistory(name, session string, history []client.Message, entries []client.Entry) (bad []string) {
	at := int64(-1) // not attached
	for _, e := range entries {
		f := e.Frame
		if e.Act == client.ActOpened {
			if at = -1; f.SessionID == session {
				at = f.Seq
			}
		}
		if e.Act != client.ActReceived || f.SessionID != session {
			continue
		}
		switch {
		case f.Type == client.TypeResumed:
			if at >= 0 && f.Seq != at {
				bad = append(bad, fmt.Sprintf("%s resumed at %d, told up to %d", name, f.Seq, at))
			}
			at = f.Seq
		case !durable(f):
		case f.Seq > int64(len(history)):
			bad = append(bad, fmt.Sprintf("%s was told %s %s at %d, which is not in the history", name, f.Type, f.ID, f.Seq))
		default:
			m := history[f.Seq-1]
			if at >= 0 && f.Seq != at+1 {
				bad = append(bad, fmt.Sprintf("%s was told %d after %d on connection %d", name, f.Seq, at, e.Conn))
			}
			whole := f.Type != client.TypeUserMessage || f.Content == m.Content
			if m.ID != f.ID || f.Type != client.TypeAck && f.Type != m.Type || !whole {
				bad = append(bad, fmt.Sprintf("%s was told %s %s at %d, where the history has %s %s", name, f.Type, f.ID, f.Seq, m.Type, m.ID))
			}
			if at = f.Seq; m.Type == client.TypeAdminLeave && m.Metadata[metaAdminID] == name {
				at = -1
			}
		}
	}
	return bad
}
