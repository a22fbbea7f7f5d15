// Package fakes has in-memory implementations of the use cases' ports to the
// history and to Redis. They keep the contracts of the ports and nothing
// more, for tests of rules that run in milliseconds. Whole clusters
// (test/cluster) prove the same rules on real stores.
package fakes

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"chatbox"
)

// History is a history in memory. It is safe for concurrent use.
type History struct {
	mu       sync.Mutex // guards following
	events   map[chatbox.SessionKey][]chatbox.Event
	sessions map[chatbox.SessionKey]chatbox.Session
	fail     map[string]error
	calls    map[string]int
	blocked  chan struct{} // SaveState waits until it is closed; nil: it does not wait
}

// NewHistory makes an empty history.
func NewHistory() *History {
	return &History{
		events: map[chatbox.SessionKey][]chatbox.Event{}, sessions: map[chatbox.SessionKey]chatbox.Session{},
		fail: map[string]error{}, calls: map[string]int{},
	}
}

// Fail has calls of the named method return err; nil ends that.
func (h *History) Fail(method string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail[method] = err
}

// BlockSaveState makes SaveState wait until release is called.
func (h *History) BlockSaveState() (release func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	blocked := make(chan struct{})
	h.blocked = blocked
	return func() { close(blocked) }
}

// Calls is how often the named method was called.
func (h *History) Calls(method string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.calls[method]
}

// Log returns the session's events in order.
func (h *History) Log(k chatbox.SessionKey) []chatbox.Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	log := slices.Clone(h.events[k])
	for i, e := range log {
		log[i] = clone(e)
	}
	return log
}

// clone copies the event with its turn, because the history modifies turns.
func clone(e chatbox.Event) chatbox.Event {
	if e.Turn != nil {
		turn := *e.Turn
		e.Turn = &turn
	}
	return e
}

// calledLocked counts a call and returns the error set by Fail, if any.
func (h *History) calledLocked(method string) error {
	h.calls[method]++
	return h.fail[method]
}

// Append implements sessionlog.Messages.
func (h *History) Append(_ context.Context, e chatbox.Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("Append"); err != nil {
		return err
	}
	for _, o := range h.events[e.Session] {
		if o.Seq == e.Seq || o.Key == e.Key {
			return chatbox.Clash
		}
	}
	h.events[e.Session] = append(h.events[e.Session], clone(e))
	slices.SortFunc(h.events[e.Session], func(a, b chatbox.Event) int { return cmp.Compare(a.Seq, b.Seq) })
	return nil
}

// ByKey implements sessionlog.Reader.
func (h *History) ByKey(_ context.Context, k chatbox.SessionKey, key string) (chatbox.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("ByKey"); err != nil {
		return chatbox.Event{}, err
	}
	for _, e := range h.events[k] {
		if e.Key == key {
			return clone(e), nil
		}
	}
	return chatbox.Event{}, chatbox.NotFound
}

// Range implements sessionlog.Reader.
func (h *History) Range(_ context.Context, k chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("Range"); err != nil {
		return nil, err
	}
	var found []chatbox.Event
	for _, e := range h.events[k] {
		if from <= e.Seq && e.Seq <= to {
			found = append(found, clone(e))
		}
	}
	return found, nil
}

// Create implements sessionlog.Sessions.
func (h *History) Create(_ context.Context, s chatbox.Session) (chatbox.Session, bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("Create"); err != nil {
		return chatbox.Session{}, false, err
	}
	if had, ok := h.sessions[s.Key]; ok {
		return had, false, nil
	}
	h.sessions[s.Key] = s
	return s, true, nil
}

// Load implements sessionlog.Sessions.
func (h *History) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("Load"); err != nil {
		return chatbox.Session{}, err
	}
	s, ok := h.sessions[k]
	if !ok {
		return chatbox.Session{}, chatbox.NotFound
	}
	return s, nil
}

// SaveState implements sessionlog.Sessions.
func (h *History) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	h.mu.Lock()
	blocked := h.blocked
	h.mu.Unlock()
	if blocked != nil {
		select {
		case <-blocked:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("SaveState"); err != nil {
		return err
	}
	if s, ok := h.sessions[k]; ok && st.Head > s.State.Head {
		s.State = st
		h.sessions[k] = s
	}
	return nil
}

// SetName implements conversation.Sessions.
func (h *History) SetName(_ context.Context, k chatbox.SessionKey, name string, onlyIfEmpty bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s, ok := h.sessions[k]; ok && (!onlyIfEmpty || s.Name == "") {
		s.Name = name
		h.sessions[k] = s
	}
	return h.calledLocked("SetName")
}

// Held implements answer.Holdings.
func (h *History) Held(context.Context) ([]chatbox.Holding, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var held []chatbox.Holding
	for k, s := range h.sessions {
		if s.State.HolderID != "" {
			held = append(held, chatbox.Holding{Session: k, Holder: s.State.HolderID, Since: s.State.AnswerableFrom})
		}
	}
	return held, h.calledLocked("Held")
}

// Rate implements conversation.Ratings.
func (h *History) Rate(_ context.Context, k chatbox.SessionKey, r chatbox.Rating) (chatbox.Rating, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.sessions[k]
	if !ok {
		return chatbox.Rating{}, chatbox.NotFound
	}
	if s.Rating == nil || s.Rating.Talk <= r.Talk {
		s.Rating = &r
		h.sessions[k] = s
	}
	return *s.Rating, h.calledLocked("Rate")
}

// turnLocked is the turn of the message at seq, nil where there is none.
func (h *History) turnLocked(k chatbox.SessionKey, seq int64) *chatbox.Turn {
	for _, e := range h.events[k] {
		if e.Seq == seq {
			return e.Turn
		}
	}
	return nil
}

// ClaimTurn implements answer.Turns.
func (h *History) ClaimTurn(_ context.Context, k chatbox.SessionKey, seq int64) (chatbox.Event, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.calledLocked("ClaimTurn"); err != nil {
		return chatbox.Event{}, err
	}
	for _, e := range h.events[k] {
		if e.Seq == seq {
			if e.Turn != nil && e.Turn.State == chatbox.TurnPending {
				e.Turn.Claims++
			}
			return clone(e), nil
		}
	}
	return chatbox.Event{}, chatbox.NotFound
}

// SettleTurn implements answer.Turns.
func (h *History) SettleTurn(_ context.Context, k chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.turnLocked(k, g.Seq); t != nil && t.Run == g.Run && t.State == chatbox.TurnPending {
		t.State = to
	}
	return h.calledLocked("SettleTurn")
}

// RetryTurn implements answer.Turns.
func (h *History) RetryTurn(_ context.Context, k chatbox.SessionKey, ended chatbox.Gen, from int64) (bool, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.turnLocked(k, ended.Seq)
	if t == nil || t.Run != ended.Run {
		return false, h.calledLocked("RetryTurn")
	}
	*t = chatbox.Turn{State: chatbox.TurnPending, Run: ended.Run + 1, From: from}
	return true, h.calledLocked("RetryTurn")
}

// PendingOf implements sessionlog.Turns.
func (h *History) PendingOf(_ context.Context, k chatbox.SessionKey, from, to int64, limit int) ([]chatbox.PendingTurn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []chatbox.PendingTurn
	for _, e := range h.events[k] {
		if t := e.Turn; t != nil && t.State == chatbox.TurnPending && from <= e.Seq && e.Seq <= to && len(found) < limit {
			found = append(found, pending(e))
		}
	}
	return found, h.calledLocked("PendingOf")
}

// PendingTurns implements answer.Turns.
func (h *History) PendingTurns(_ context.Context, from, before time.Time, limit int) ([]chatbox.PendingTurn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []chatbox.PendingTurn
	for _, log := range h.events {
		for _, e := range log {
			if t := e.Turn; t != nil && t.State == chatbox.TurnPending && !e.Time.Before(from) && e.Time.Before(before) && len(found) < limit {
				found = append(found, pending(e))
			}
		}
	}
	return found, h.calledLocked("PendingTurns")
}

func pending(e chatbox.Event) chatbox.PendingTurn {
	return chatbox.PendingTurn{
		Session: e.Session, Gen: chatbox.Gen{Seq: e.Seq, Run: e.Turn.Run}, Since: e.Time, At: e.Turn.At(e.Seq), Claims: e.Turn.Claims,
	}
}
