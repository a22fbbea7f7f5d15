package config

import "time"

// Drain bounds the duration of a shutdown. See docs/operations/runbook.md for the
// order of its steps.
type Drain struct {
	Finish   time.Duration // how long running answers may continue on this pod
	Window   time.Duration // time over which clients are sent to other pods
	Shutdown time.Duration // the whole shutdown
}

// Fit shortens Finish and Window if together they exceed the time available
// before the rest of the shutdown. Finish gets the time that Window leaves, and
// at least a third.
func (d Drain) Fit() Drain {
	room := d.room()
	d.Finish = min(d.Finish, max(room/3, room-d.Window))
	d.Window = min(d.Window, room-d.Finish)
	return d
}

// room returns the time available for Finish and Window.
func (d Drain) room() time.Duration { return d.Shutdown - 2*d.Rest() }

// Rest returns the time reserved for the steps after the last socket has closed.
func (d Drain) Rest() time.Duration { return d.Shutdown / 10 }
