package fakes

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"
)

// Redis is Redis as the use cases see it, in memory: sessions' hot copies, turns
// with their leases, and the text of running answers. Leases never expire by
// themselves. It is safe for concurrent use.
type Redis struct {
	mu         sync.Mutex // guards following
	hot        map[chatbox.SessionKey]*hotSession
	ephemerals []cluster.Update
	notices    []helpdesk.Notice
	tokens     int
	begun      int
	intents    map[string]chatbox.SessionKey
	fail       map[string]error
}

type hotSession struct {
	owner  string
	state  chatbox.State
	events []chatbox.Event
	turns  []chatbox.Gen // pending, oldest first
	lease  *cluster.Lease
	open   *cluster.OpenAnswer
}

// NewRedis makes an empty Redis.
func NewRedis() *Redis {
	return &Redis{hot: map[chatbox.SessionKey]*hotSession{}, intents: map[string]chatbox.SessionKey{}, fail: map[string]error{}}
}

// Fail has calls of the named method return err; nil ends that.
func (r *Redis) Fail(method string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail[method] = err
}

// Flush loses everything.
func (r *Redis) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.hot)
}

// Ephemerals lists what PublishEphemeral was given.
func (r *Redis) Ephemerals() []cluster.Update {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ephemerals)
}

// Notices lists what NotifyStaff was given.
func (r *Redis) Notices() []helpdesk.Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.notices)
}

// Begin implements sessionlog.Hot. It detects no repeats and has no rate
// limit.
func (r *Redis) Begin(_ context.Context, b cluster.Beginning) (cluster.Begun, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[b.Session]
	switch {
	case r.fail["Begin"] != nil:
		return cluster.Begun{}, r.fail["Begin"]
	case b.Lease != nil && s == nil:
		return cluster.Begun{}, chatbox.NotFound
	case b.Lease != nil && !s.held(*b.Lease):
		return cluster.Begun{}, chatbox.NotOwner
	case s == nil:
		return cluster.Begun{Intent: r.intendLocked(b.Session)}, nil
	}
	return cluster.Begun{Seeded: true, Owner: s.owner, State: s.state, Intent: r.intendLocked(b.Session)}, nil
}

func (r *Redis) intendLocked(k chatbox.SessionKey) string {
	r.begun++
	intent := fmt.Sprintf("intent-%d", r.begun)
	r.intents[intent] = k
	return intent
}

// Intents returns the number of the session's intents, which a sweep finds.
func (r *Redis) Intents(k chatbox.SessionKey) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, of := range r.intents {
		if of == k {
			n++
		}
	}
	return n
}

// Turns returns the session's scheduled turns, oldest first.
func (r *Redis) Turns(k chatbox.SessionKey) []chatbox.Gen {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.hot[k]; s != nil {
		return slices.Clone(s.turns)
	}
	return nil
}

// Abandon implements sessionlog.Hot.
func (r *Redis) Abandon(_ context.Context, _ cluster.Beginning, intents ...string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, intent := range intents {
		delete(r.intents, intent)
	}
	return r.fail["Abandon"]
}

// Publish implements sessionlog.Hot.
func (r *Redis) Publish(_ context.Context, p cluster.Publication) (cluster.Published, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail["Publish"]; err != nil {
		return cluster.Published{}, err
	}
	s := r.hot[p.Event.Session]
	if s == nil && !p.Fresh {
		return cluster.Published{Outcome: cluster.OutcomeUnseeded}, nil
	}
	if s == nil {
		s = &hotSession{owner: p.Event.Owner}
		r.hot[p.Event.Session] = s
	}
	switch {
	case p.Event.Seq <= s.state.Head:
		if !p.Keep {
			delete(r.intents, p.Intent)
		}
		return cluster.Published{Outcome: cluster.OutcomeAlready, Head: s.state.Head}, nil
	case p.Event.Seq > s.state.Head+1:
		return cluster.Published{Outcome: cluster.OutcomeGap, Head: s.state.Head}, nil
	}
	if !p.Keep {
		delete(r.intents, p.Intent)
	}
	s.state, s.events = p.State, append(s.events, p.Event)
	if t := p.Event.Turn; t != nil && t.State == chatbox.TurnPending && p.State.HolderID == "" {
		s.turns = append(s.turns, chatbox.Gen{Seq: p.Event.Seq, Run: t.Run})
	}
	if p.State.HolderID != "" || p.State.Ended {
		s.turns, s.lease, s.open = nil, nil, nil
	}
	if p.Lease != nil {
		s.drop(*p.Lease)
	}
	return cluster.Published{Outcome: cluster.OutcomeDone, Head: s.state.Head}, nil
}

// Read implements sessionlog.Hot.
func (r *Redis) Read(_ context.Context, k chatbox.SessionKey, after int64) (cluster.Tail, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[k]
	if err := r.fail["Read"]; err != nil || s == nil {
		return cluster.Tail{}, err
	}
	t := cluster.Tail{Seeded: true, Owner: s.owner, State: s.state}
	for _, e := range s.events {
		if e.Seq > after {
			t.Events = append(t.Events, e)
		}
	}
	if s.open != nil {
		open := *s.open
		t.Open = &open
	}
	return t, nil
}

// Seed implements sessionlog.Hot.
func (r *Redis) Seed(_ context.Context, in cluster.Seed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.hot[in.Session]; s != nil && s.state.Head >= in.State.Head {
		return r.fail["Seed"]
	}
	s := &hotSession{owner: in.Owner, state: in.State}
	for _, t := range in.Turns {
		s.turns = append(s.turns, t.Gen)
	}
	r.hot[in.Session] = s
	return r.fail["Seed"]
}

// Enqueue implements sessionlog.Hot.
func (r *Redis) Enqueue(_ context.Context, k chatbox.SessionKey, g chatbox.Gen, _ int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[k]
	if s == nil || s.state.Head < g.Seq {
		return chatbox.NotFound
	}
	if !slices.Contains(s.turns, g) {
		s.turns = append(s.turns, g)
	}
	return r.fail["Enqueue"]
}

func (s *hotSession) held(l cluster.Lease) bool { return s.lease != nil && s.lease.Token == l.Token }

func (s *hotSession) drop(l cluster.Lease) {
	s.turns = slices.DeleteFunc(s.turns, func(g chatbox.Gen) bool { return g == l.Gen })
	s.lease, s.open = nil, nil
}

// under runs f with the session where the lease is held.
func (r *Redis) under(method string, l cluster.Lease, f func(s *hotSession)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[l.Session]
	switch {
	case r.fail[method] != nil:
		return r.fail[method]
	case s == nil:
		return chatbox.NotFound
	case !s.held(l):
		return chatbox.NotOwner
	}
	f(s)
	return nil
}

// Claim implements answer.Leases.
func (r *Redis) Claim(_ context.Context, k chatbox.SessionKey) (cluster.Claim, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[k]
	switch {
	case r.fail["Claim"] != nil:
		return cluster.Claim{}, r.fail["Claim"]
	case s == nil:
		return cluster.Claim{Status: cluster.ClaimUnseeded}, nil
	case s.lease != nil:
		return cluster.Claim{Status: cluster.ClaimBusy}, nil
	case len(s.turns) == 0 || s.state.HolderID != "":
		return cluster.Claim{Status: cluster.ClaimNone}, nil
	}
	r.tokens++
	s.lease = &cluster.Lease{Session: k, Owner: s.owner, Token: fmt.Sprint("token-", r.tokens), Gen: s.turns[0]}
	return cluster.Claim{Status: cluster.ClaimTaken, Lease: *s.lease, State: s.state, Open: s.open != nil && s.open.Gen == s.turns[0]}, nil
}

// Renew implements answer.Leases.
func (r *Redis) Renew(_ context.Context, l cluster.Lease) error {
	return r.under("Renew", l, func(*hotSession) {})
}

// Release implements answer.Leases.
func (r *Redis) Release(_ context.Context, l cluster.Lease) error {
	return r.under("Release", l, func(s *hotSession) { s.lease = nil })
}

// Drop implements answer.Leases. A failure is kept with the ephemerals.
func (r *Redis) Drop(_ context.Context, l cluster.Lease, f *cluster.Failure) error {
	return r.under("Drop", l, func(s *hotSession) {
		s.drop(l)
		if f != nil {
			r.ephemerals = append(r.ephemerals, cluster.Update{Session: l.Session, Failure: f})
		}
	})
}

// Revoke implements answer.Leases.
func (r *Redis) Revoke(_ context.Context, k chatbox.SessionKey) (chatbox.Gen, *cluster.OpenAnswer, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.hot[k]
	if err := r.fail["Revoke"]; err != nil || s == nil || s.lease == nil {
		return chatbox.Gen{}, nil, err
	}
	running, open := s.lease.Gen, s.open
	s.drop(*s.lease)
	return running, open, nil
}

// Interrupt implements answer.Interrupts.
func (r *Redis) Interrupt(ctx context.Context, k chatbox.SessionKey) (chatbox.Gen, *cluster.OpenAnswer, error) {
	return r.Revoke(ctx, k)
}

// Allow implements answer.Interrupts.
func (r *Redis) Allow(context.Context, chatbox.SessionKey) error { return nil }

// Start implements answer.Pieces.
func (r *Redis) Start(_ context.Context, l cluster.Lease, o cluster.OpenAnswer) error {
	return r.under("Start", l, func(s *hotSession) { s.open = &o })
}

// AppendPiece is answer.Pieces.Append; see Pieces.
func (r *Redis) AppendPiece(_ context.Context, l cluster.Lease, p cluster.Piece) error {
	return r.under("AppendPiece", l, func(s *hotSession) {
		if p.Snapshot {
			s.open = &cluster.OpenAnswer{AnswerID: p.AnswerID, Gen: p.Gen, ReplyTo: p.ReplyTo, ModelID: p.ModelID, Attempt: p.Attempt, Index: p.Index, Text: p.Content}
			return
		}
		s.open.Index, s.open.Text = p.Index, s.open.Text+p.Content
	})
}

// Pieces is the part of a Redis that answer.Pieces names.
type Pieces struct{ *Redis }

// Append implements answer.Pieces.
func (p Pieces) Append(ctx context.Context, l cluster.Lease, piece cluster.Piece) error {
	return p.AppendPiece(ctx, l, piece)
}

// PublishEphemeral implements the Ephemerals of the use cases.
func (r *Redis) PublishEphemeral(_ context.Context, u cluster.Update) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ephemerals = append(r.ephemerals, u)
	return r.fail["PublishEphemeral"]
}

// NotifyStaff implements conversation.StaffBus.
func (r *Redis) NotifyStaff(_ context.Context, n helpdesk.Notice) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notices = append(r.notices, n)
	return r.fail["NotifyStaff"]
}
