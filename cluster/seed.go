package cluster

import "chatbox"

// Seed is the state that Redis needs of a session that it lost or in which it
// fell behind. All of it is as of State.Head.
type Seed struct {
	Session chatbox.SessionKey
	Owner   string
	State   chatbox.State
	Turns   []chatbox.PendingTurn // every pending turn, in the order of At
}
