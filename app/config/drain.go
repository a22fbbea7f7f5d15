package config

import "time"

// Drain bounds the end of a pod; docs/operations/runbook.md has its order.
type Drain struct {
	Finish   time.Duration // running answers may still end here
	Window   time.Duration // over which clients are sent away
	Shutdown time.Duration // all of it
}

// Fit shortens what comes before the end, where all of it would take longer
// than the pod may: answers have what clients leave them, and at least a third
// of the time.
func (d Drain) Fit() Drain {
	room := d.room()
	d.Finish = min(d.Finish, max(room/3, room-d.Window))
	d.Window = min(d.Window, room-d.Finish)
	return d
}

// room is what answers and clients may have of the shutdown's time.
func (d Drain) room() time.Duration { return d.Shutdown - 2*d.Rest() }

// Rest is kept for what comes after the last socket.
func (d Drain) Rest() time.Duration { return d.Shutdown / 10 }
