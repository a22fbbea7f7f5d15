package desk

import (
	"context"
	"time"

	"chatbox"
)

// StaffPresence is which staff is connected, over all pods, and what they said of
// themselves. It is a copy of what pods know: an emptied one is filled again by
// their next signs of life.
type StaffPresence interface {
	// BeatStaff gives the sign of life of admins with sockets at this pod, and
	// brings the later word of what the cluster and this pod know into each.
	// What is not renewed within 8 seconds is gone.
	BeatStaff(ctx context.Context, staff []chatbox.StaffMember) error
	// LeaveStaff says that they have none here any more.
	LeaveStaff(ctx context.Context, users []chatbox.UserKey) error
	// SayStaff keeps the member's status for as long as they have sockets, and
	// five minutes more; it fills in when they said so.
	SayStaff(ctx context.Context, m *chatbox.StaffMember) error
	// Staff lists those of the tenant at pods that give signs of life, by id.
	Staff(ctx context.Context, tenant string) ([]chatbox.StaffMember, error)
}

// LocalStaff is this pod's sockets of staff.
type LocalStaff interface {
	// Staff lists the admins with sockets here, each once.
	Staff() []chatbox.Actor
	// StaffChanged is given something when that may have changed.
	StaffChanged() <-chan struct{}
}

// Holdings are the sessions that people hold.
type Holdings interface {
	Held(ctx context.Context) ([]chatbox.Holding, error)
}

const (
	staffBeat = 2 * time.Second // a quarter of a registration's life
	// staffPatience bounds a beat that a socket waits for.
	staffPatience = 500 * time.Millisecond
	// heldLife: who looks at the list of staff looks often.
	heldLife = time.Second
)

// KeepPresence gives the signs of life of staff with sockets here until ctx
// ends. Started and waited for by the App.
func (s *Service) KeepPresence(ctx context.Context) {
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

func (s *Service) beatStaff(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, staffBeat)
	defer cancel()
	here, gone := s.roll(s.LocalStaff.Staff())
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

// roll is whom to beat for, as this pod remembers them, and who has gone.
func (s *Service) roll(actors []chatbox.Actor) (here []chatbox.StaffMember, gone []chatbox.UserKey) {
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

// memberLocked is what this pod knows of somebody; what is said of nobody is
// that they are available.
func (s *Service) memberLocked(a chatbox.Actor) chatbox.StaffMember {
	m, known := s.here[a.User()]
	if !known {
		m = chatbox.StaffMember{User: a.User(), Status: chatbox.StaffAvailable}
	}
	m.Name = a.Name
	return m
}

// note remembers a member with sockets here, and of two words the later one.
func (s *Service) note(m chatbox.StaffMember) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if had, known := s.here[m.User]; known && had.Said.After(m.Said) {
		m.Status, m.Said = had.Status, had.Said
	}
	s.here[m.User] = m
}

func (s *Service) strike(gone []chatbox.UserKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range gone {
		delete(s.here, u)
	}
}

// StaffArrived has an admin's new socket counted before it is greeted. Where
// that fails the next sign of life does it.
func (s *Service) StaffArrived(ctx context.Context, a chatbox.Actor) {
	if !a.Admin() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, staffPatience)
	defer cancel()
	s.mu.Lock()
	m := []chatbox.StaffMember{s.memberLocked(a)}
	s.mu.Unlock()
	if err := s.StaffPresence.BeatStaff(ctx, m); err != nil {
		s.Logger.DebugContext(ctx, "staff's presence is left to the next sign of life", "error", err)
		return
	}
	s.note(m[0])
}

// StaffOnline lists the tenant's admins who are connected, on whatever pod.
func (s *Service) StaffOnline(ctx context.Context, a chatbox.Actor) ([]chatbox.StaffOnline, error) {
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
	out := make([]chatbox.StaffOnline, len(members))
	for i, m := range members {
		out[i] = chatbox.StaffOnline{StaffMember: m, Holding: held.value[m.User]}
	}
	return out, nil
}

// countHeld counts what each holds, over all tenants.
func (s *Service) countHeld(ctx context.Context, _ string) (map[chatbox.UserKey]int, error) {
	held, err := s.Holdings.Held(ctx)
	n := map[chatbox.UserKey]int{}
	for _, h := range held {
		n[chatbox.UserKey{Tenant: h.Session.Tenant, ID: h.Holder}]++
	}
	return n, err
}

// SayAvailability keeps what an admin says of themselves.
func (s *Service) SayAvailability(ctx context.Context, a chatbox.Actor, status chatbox.StaffStatus) error {
	if !a.Admin() {
		return notStaff()
	}
	if status != chatbox.StaffAvailable && status != chatbox.StaffAway {
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
