package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"chatbox/cmd/chatload/client"
)

// talk is one session's script, drawn from a seed.
type talk struct {
	s       *stage
	r       *rand.Rand
	user    string
	session string
	devices []*client.Client
	desk    *desk

	mu   sync.Mutex // guards following
	said []string   // ids of messages
}

func (s *stage) newTalk(user string, r *rand.Rand) *talk {
	k := &talk{s: s, r: r, user: user, session: strings.ToLower("s-" + user), desk: &desk{}}
	for range 2 {
		k.devices = append(k.devices, s.device(user, k.session, s.stack.URL()))
	}
	return k
}

// play sends the messages of the script. It ends when every message is acked and,
// if the session is still open, answered. It waits only for clients, so that a
// broken guarantee shows as a wait that does not end.
func (k *talk) play() {
	steps := 7 + k.r.IntN(5)
	for step := range steps {
		if k.desk.due(step) {
			k.visited(k.devices[step%len(k.devices)])
		}
		d := k.devices[k.r.IntN(len(k.devices))]
		switch n := k.r.IntN(100); {
		case n < 40:
			k.say(d, 3+k.r.IntN(25))
		case n < 55:
			k.say(d, 150+k.r.IntN(150)) // long enough for something to happen meanwhile
		case n < 62:
			k.send(d, client.Frame{Type: client.TypeModelSelect, SessionID: k.session, ModelID: pick(k.r, "anew", "goes-on")})
		case n < 72:
			d.Drop(0)
		case n < 80:
			k.cancel(d)
		case n < 86 && len(k.said) > 0:
			k.repeat(d)
		default:
			k.hear(d)
		}
	}
	if k.r.IntN(3) == 0 {
		k.end()
		return
	}
	for _, id := range k.said {
		k.over(k.devices[0], id)
	}
}

func (k *talk) send(d *client.Client, f client.Frame) string {
	id, err := d.Send(f)
	if err != nil {
		k.s.t.Error(err)
	}
	return id
}

func (k *talk) say(d *client.Client, words int) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	text := fmt.Sprintf("  message %d, \t<b>日本</b> [[words=%d delay=2ms]]", len(k.said), words)
	id := k.send(d, client.Frame{Type: client.TypeUserMessage, SessionID: k.session, Content: text})
	k.said = append(k.said, id)
	return id
}

// repeat sends a message again from any device: an id is the user's.
func (k *talk) repeat(d *client.Client) {
	id := k.said[k.r.IntN(len(k.said))]
	for _, from := range k.devices {
		var f client.Frame
		from.View(func(t *client.Tracker) {
			if x := t.Session(k.session); x != nil && x.Sent[id] != nil {
				f = x.Sent[id].Frame
			}
		})
		if f.ID != "" {
			k.send(d, f)
			return
		}
	}
}

// cancel stops the newest message's answer once it is shown, and perhaps asks
// for another. Both frames are transient: where the socket breaks nothing is
// owed.
func (k *talk) cancel(d *client.Client) {
	again := k.r.IntN(2) == 0
	if len(k.said) == 0 {
		return
	}
	id := k.said[len(k.said)-1]
	k.await(d, id, func(a *client.Answer) bool { return a.Over() || a.Shown() != "" })
	k.bare(d, client.TypeCancel)
	k.over(d, id)
	if again {
		k.bare(d, client.TypeRetry)
	}
}

func (k *talk) bare(d *client.Client, kind string) {
	if err := d.SendBare(client.Frame{Type: kind, SessionID: k.session}); err != nil {
		k.s.t.Error(err)
	}
}

// This waits for the answer to the newest message, if the model must give one.
func (k *talk) hear(d *client.Client) {
	if len(k.said) > 0 {
		k.over(d, k.said[len(k.said)-1])
	}
}

func (k *talk) over(d *client.Client, id string) {
	k.await(d, id, func(a *client.Answer) bool { return a.Over() })
}

func (k *talk) await(d *client.Client, id string, ok func(*client.Answer) bool) {
	ctx, cancel := context.WithTimeout(k.s.ctx, patience)
	defer cancel()
	err := d.WaitFor(ctx, func(t *client.Tracker) bool {
		a := answerOf(t, k.session, id)
		return a != nil && ok(a) || void(t.Session(k.session), id)
	})
	if err != nil {
		k.s.t.Errorf("%s: the answer to %s: %v\n%s", k.session, id, err, transcript(d))
	}
}

// end ends the session, as often as it takes.
func (k *talk) end() {
	for {
		err := k.s.rest(k.user).End(k.s.ctx, k.session)
		if err == nil {
			return
		}
		if k.s.ctx.Err() != nil {
			k.s.t.Errorf("%s: end: %v", k.session, err)
			return
		}
		if strings.Contains(err.Error(), "404") && len(k.said) == 0 {
			return // nobody has said anything
		}
	}
}
