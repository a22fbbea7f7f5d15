package desk_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/desk"
	"chatbox/helpdesk"
)

// team fakes the ports of the support use cases in memory. Its failures are those
// of an unavailable store or Redis.
type team struct {
	mu        sync.Mutex // guards following
	noStore   bool
	noRedis   bool
	cards     map[helpdesk.CardPile]helpdesk.Card
	reads     int // of cards
	looks     int // at the queue
	queue     []helpdesk.Waiting
	more      int64 // that wait behind those in queue
	connected map[chatbox.UserKey]helpdesk.StaffMember
	actors    []chatbox.Actor // with sockets here
	here      map[string][]chatbox.SessionKey
	untold    bool
	told      []string
	acts      []chatbox.AuditAction

	staffStirred, stirred chan struct{}
}

// teamDesk is the part of the desk that knows the team.
type teamDesk struct {
	*support
	*desk.Help
	*desk.Team
}

func newTeam(given helpdesk.Settings) (*team, *teamDesk) {
	f := &team{
		cards: map[helpdesk.CardPile]helpdesk.Card{}, connected: map[chatbox.UserKey]helpdesk.StaffMember{}, here: map[string][]chatbox.SessionKey{},
		staffStirred: make(chan struct{}, 1), stirred: make(chan struct{}, 1),
	}
	logger := slog.New(slog.DiscardHandler)
	sup := desk.NewSupport(desk.Config{Support: given}, desk.SupportDeps{Cards: teamCards{f: f}, Audit: f, Logger: logger})
	return f, &teamDesk{
		support: sup,
		Help: desk.NewHelp(desk.HelpDeps{
			Support: sup, StaffPresence: f, Queue: teamQueue{f}, QueueSockets: teamLine{f}, Owned: f.owned, Logger: logger,
		}),
		Team: desk.NewTeam(desk.TeamDeps{StaffPresence: f, LocalStaff: teamFloor{f}, Holdings: f, Logger: logger}),
	}
}

// with changes or reads shared state under its lock.
func (f *team) with(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *team) store() error {
	if f.noStore {
		return chatbox.NewError(chatbox.StoreFailed, "", errors.New("away"))
	}
	return nil
}

func (f *team) redis() error {
	if f.noRedis {
		return chatbox.NewError(chatbox.Unavailable, "", errors.New("away"))
	}
	return nil
}

// teamCards keep one card of each pile.
type teamCards struct {
	desk.Cards

	f *team
}

func (c teamCards) Get(_ context.Context, p helpdesk.CardPile, _ string) (helpdesk.Card, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	c.f.reads++
	card, ok := c.f.cards[p]
	if err := c.f.store(); err != nil || ok {
		return card, err
	}
	return card, chatbox.NewError(chatbox.NotFound, "", nil)
}

func (c teamCards) Add(_ context.Context, card helpdesk.Card, _ int) error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if _, taken := c.f.cards[card.Pile]; taken {
		return chatbox.NewError(chatbox.Clash, "", nil)
	}
	card.Revision = 1
	c.f.cards[card.Pile] = card
	return c.f.store()
}

func (c teamCards) Replace(_ context.Context, card helpdesk.Card) (int64, error) {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	if c.f.cards[card.Pile].Revision != card.Revision {
		return 0, chatbox.NewError(chatbox.Clash, "", nil)
	}
	card.Revision++
	c.f.cards[card.Pile] = card
	return card.Revision, c.f.store()
}

func (c teamCards) Delete(_ context.Context, p helpdesk.CardPile, _ string) error {
	c.f.mu.Lock()
	defer c.f.mu.Unlock()
	delete(c.f.cards, p)
	return c.f.store()
}

func (f *team) Record(_ context.Context, _ chatbox.Actor, action chatbox.AuditAction, _ chatbox.AuditSubject) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.store(); err != nil {
		return err
	}
	f.acts = append(f.acts, action)
	return nil
}

// teamQueue is read as the stores are.
type teamQueue struct{ f *team }

func (q teamQueue) Queue(_ context.Context, _ string, limit int) ([]helpdesk.Waiting, int64, error) {
	q.f.mu.Lock()
	defer q.f.mu.Unlock()
	q.f.looks++
	return slices.Clone(q.f.queue[:min(limit, len(q.f.queue))]), int64(len(q.f.queue)) + q.f.more, q.f.store()
}

func (f *team) owned(_ context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.store(); err != nil {
		return chatbox.Session{}, err
	}
	for _, w := range f.queue {
		if w.Session.ID == id && w.Owner == a.UserID {
			return chatbox.Session{Key: w.Session, Owner: w.Owner, State: chatbox.State{HelpRequested: true, HelpPending: true, WaitingSince: w.Since}}, nil
		}
	}
	switch id {
	case "quiet":
		return chatbox.Session{Key: a.Session(id), Owner: a.UserID}, nil
	case "new": // its fold is not in the queue yet
		return chatbox.Session{Key: a.Session(id), Owner: a.UserID, State: chatbox.State{HelpRequested: true, HelpPending: true, WaitingSince: waitedSince(90)}}, nil
	}
	return chatbox.Session{}, chatbox.NewError(chatbox.NotFound, "", nil)
}

func (f *team) BeatStaff(_ context.Context, staff []helpdesk.StaffMember) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.redis(); err != nil {
		return err
	}
	for i, m := range staff {
		if had, ok := f.connected[m.User]; ok && had.Said.After(m.Said) {
			staff[i].Status, staff[i].Said = had.Status, had.Said
		}
		f.connected[m.User] = staff[i]
	}
	return nil
}

func (f *team) LeaveStaff(_ context.Context, users []chatbox.UserKey) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.redis(); err != nil {
		return err
	}
	for _, u := range users {
		delete(f.connected, u)
	}
	return nil
}

func (f *team) SayStaff(_ context.Context, m *helpdesk.StaffMember) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	m.Said = time.Now()
	if _, here := f.connected[m.User]; here {
		f.connected[m.User] = *m
	}
	return f.redis()
}

func (f *team) Staff(_ context.Context, tenant string) ([]helpdesk.StaffMember, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []helpdesk.StaffMember
	for _, m := range f.connected {
		if m.User.Tenant == tenant {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b helpdesk.StaffMember) int { return len(a.User.ID) - len(b.User.ID) })
	return out, f.redis()
}

func (f *team) Held(context.Context) ([]chatbox.Holding, error) {
	return []chatbox.Holding{
		{Session: chatbox.SessionKey{Tenant: "t", ID: "1"}, Holder: "ada"},
		{Session: chatbox.SessionKey{Tenant: "t", ID: "2"}, Holder: "ada"},
		{Session: chatbox.SessionKey{Tenant: "other", ID: "3"}, Holder: "ada"},
	}, nil
}

// sockets sets the sockets on this pod and signals the change.
func (f *team) sockets(actors ...chatbox.Actor) {
	f.with(func() { f.actors = actors })
	f.staffStirred <- struct{}{}
}

type teamFloor struct{ f *team }

func (l teamFloor) StaffChanged() <-chan struct{} { return l.f.staffStirred }

func (l teamFloor) Staff() []chatbox.Actor {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	return slices.Clone(l.f.actors)
}

type teamLine struct{ f *team }

func (l teamLine) Waiting(untold bool) map[string][]chatbox.SessionKey {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	if untold && !l.f.untold {
		return nil
	}
	l.f.untold = false
	out := map[string][]chatbox.SessionKey{}
	for t, keys := range l.f.here {
		out[t] = slices.Clone(keys)
	}
	return out
}

func (l teamLine) WaitingChanged() <-chan struct{} { return l.f.stirred }

func (l teamLine) SendPosition(k chatbox.SessionKey, p helpdesk.QueuePosition) {
	l.f.mu.Lock()
	defer l.f.mu.Unlock()
	l.f.told = append(l.f.told, fmt.Sprint(k.ID, " is ", p))
}

func (l teamLine) PositionSent(chatbox.ConnID, chatbox.SessionKey, helpdesk.QueuePosition) {}

// said returns the notifications since the last call.
func (f *team) said() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	told := f.told
	f.told = nil
	slices.Sort(told)
	return told
}

func waitedSince(n int) time.Time { return time.Unix(1_700_000_000+int64(n), 0) }
