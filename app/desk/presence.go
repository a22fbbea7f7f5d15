package desk

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// StaffPresence stores which staff are connected, over all pods, and the status
// that they have set. It is a copy of what pods know, so that the next heartbeats
// fill it again if it is lost.
type StaffPresence interface {
	// BeatStaff sends the heartbeat of the admins with sockets on this pod. It
	// updates each to the later of the statuses that the cluster and this pod
	// know. An entry without a heartbeat expires after 8 seconds.
	BeatStaff(ctx context.Context, staff []helpdesk.StaffMember) error
	// LeaveStaff removes users who have no sockets on this pod any more.
	LeaveStaff(ctx context.Context, users []chatbox.UserKey) error
	// SayStaff stores the member's status while they have sockets, and for five
	// minutes longer. It sets the time of the status.
	SayStaff(ctx context.Context, m *helpdesk.StaffMember) error
	// Staff lists the tenant's staff on live pods, by id.
	Staff(ctx context.Context, tenant string) ([]helpdesk.StaffMember, error)
}

// LocalStaff are the staff's sockets on this pod.
type LocalStaff interface {
	// Staff lists the admins with sockets on this pod, without duplicates.
	Staff() []chatbox.Actor
	// StaffChanged is signalled when that list may have changed.
	StaffChanged() <-chan struct{}
}

// Holdings reads the sessions that people hold.
type Holdings interface {
	Held(ctx context.Context) ([]chatbox.Holding, error)
}

// TeamDeps are the ports of Team; all are required.
type TeamDeps struct {
	StaffPresence StaffPresence
	LocalStaff    LocalStaff
	Holdings      Holdings
	Logger        *slog.Logger
}

// Team knows which staff are connected and available. It is safe for concurrent
// use.
type Team struct {
	TeamDeps

	held *recent[map[chatbox.UserKey]int]

	mu   sync.Mutex                               // guards following
	here map[chatbox.UserKey]helpdesk.StaffMember // staff with sockets on this pod
}

// NewTeam returns a Team. It starts nothing.
func NewTeam(d TeamDeps) *Team {
	s := &Team{TeamDeps: d, here: map[chatbox.UserKey]helpdesk.StaffMember{}}
	s.held = newRecent(heldLife, 0, s.countHeld)
	return s
}

const (
	staffBeat = 2 * time.Second // a quarter of a registration's lifetime
	// staffPatience limits a heartbeat that a socket waits for.
	staffPatience = 500 * time.Millisecond
	// heldLife is how long counts of held sessions are cached, because staff's
	// page polls the list.
	heldLife = time.Second
)

// KeepPresence sends the heartbeats of staff with sockets on this pod until ctx
// ends. The App starts it and waits for it.
func (s *Team) KeepPresence(ctx context.Context) {
	t := time.NewTicker(staffBeat)
	defer t.Stop()
	for {
		if err := s.beatStaff(ctx); err != nil {
			s.Logger.DebugContext(ctx, "staff's presence not renewed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.LocalStaff.StaffChanged():
		}
	}
}

func (s *Team) beatStaff(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, staffBeat)
	defer cancel()
	here, gone := s.presence(s.LocalStaff.Staff())
	if len(gone) > 0 {
		if err := s.StaffPresence.LeaveStaff(ctx, gone); err != nil {
			return err
		}
		s.strike(gone)
	}
	if len(here) == 0 {
		return nil
	}
	if err := s.StaffPresence.BeatStaff(ctx, here); err != nil {
		return err
	}
	for _, m := range here {
		s.note(m)
	}
	return nil
}

// presence returns the members to send a heartbeat for, as this pod knows them, and
// those who have left.
func (s *Team) presence(actors []chatbox.Actor) (here []helpdesk.StaffMember, gone []chatbox.UserKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	seen := make(map[chatbox.UserKey]struct{}, len(actors))
	for _, a := range actors {
		seen[a.User()] = struct{}{}
		here = append(here, s.memberLocked(a))
	}
	for u := range s.here {
		if _, ok := seen[u]; !ok {
			gone = append(gone, u)
		}
	}
	return here, gone
}

// memberLocked returns what this pod knows of the member. A member without a
// status is available.
func (s *Team) memberLocked(a chatbox.Actor) helpdesk.StaffMember {
	m, known := s.here[a.User()]
	if !known {
		m = helpdesk.StaffMember{User: a.User(), Status: helpdesk.StaffAvailable}
	}
	m.Name = a.Name
	return m
}

// note stores a member with sockets on this pod. The later of two statuses wins.
func (s *Team) note(m helpdesk.StaffMember) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, known := s.here[m.User]; known && had.Said.After(m.Said) {
		m.Status, m.Said = had.Status, had.Said
	}
	s.here[m.User] = m
}

func (s *Team) strike(gone []chatbox.UserKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range gone {
		delete(s.here, u)
	}
}

// StaffArrived registers an admin's new socket before its first frame. If that
// fails, the next heartbeat registers it.
func (s *Team) StaffArrived(ctx context.Context, a chatbox.Actor) {
	if !a.Admin() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, staffPatience)
	defer cancel()
	s.mu.Lock()
	m := []helpdesk.StaffMember{s.memberLocked(a)}
	s.mu.Unlock()
	if err := s.StaffPresence.BeatStaff(ctx, m); err != nil {
		s.Logger.DebugContext(ctx, "staff's presence left to the next heartbeat", "error", err)
		return
	}
	s.note(m[0])
}

// StaffOnline lists the tenant's admins connected to any pod.
func (s *Team) StaffOnline(ctx context.Context, a chatbox.Actor) ([]helpdesk.StaffOnline, error) {
	if !a.Staff() {
		return nil, notStaff()
	}
	members, err := s.StaffPresence.Staff(ctx, a.Tenant)
	if err != nil {
		return nil, err
	}
	held, err := s.held.get(ctx, "")
	if err != nil {
		return nil, err
	}
	out := make([]helpdesk.StaffOnline, len(members))
	for i, m := range members {
		out[i] = helpdesk.StaffOnline{StaffMember: m, Holding: held.value[m.User]}
	}
	return out, nil
}

// countHeld counts the sessions that each member holds, over all tenants.
func (s *Team) countHeld(ctx context.Context, _ string) (map[chatbox.UserKey]int, error) {
	held, err := s.Holdings.Held(ctx)
	n := map[chatbox.UserKey]int{}
	for _, h := range held {
		n[chatbox.UserKey{Tenant: h.Session.Tenant, ID: h.Holder}]++
	}
	return n, err
}

// SayAvailability stores the status that an admin sets.
func (s *Team) SayAvailability(ctx context.Context, a chatbox.Actor, status helpdesk.StaffStatus) error {
	if !a.Admin() {
		return notStaff()
	}
	if status != helpdesk.StaffAvailable && status != helpdesk.StaffAway {
		return chatbox.Invalid("status", "must be available or away")
	}
	s.mu.Lock()
	m := s.memberLocked(a)
	_, here := s.here[a.User()]
	s.mu.Unlock()
	m.Status = status
	if err := s.StaffPresence.SayStaff(ctx, &m); err != nil {
		return err
	}
	if here {
		s.note(m)
	}
	return nil
}
