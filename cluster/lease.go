package cluster

import "chatbox"

// Lease is the right to answer one session's oldest pending turn. Token is
// compared for equality; it is never ordered.
type Lease struct {
	Session chatbox.SessionKey
	Owner   string
	Token   string
	Gen     chatbox.Gen
}

// TurnFate is the result of making sure that Redis has a pending turn.
type TurnFate int

// The fates of pending turns.
const (
	TurnThere     TurnFate = iota // Redis had it
	TurnEntered                   // Redis had lost it; it is now due
	TurnHeld                      // a person holds the session; their leaving decides about the turn
	TurnVoid                      // there is nothing left to answer
	TurnAhead                     // the message is beyond the head and must be healed
	TurnForgotten                 // Redis has no copy of the session
)

// ClaimStatus is the outcome of a claim.
type ClaimStatus int

// The statuses of a claim.
const (
	ClaimNone     ClaimStatus = iota // nothing is pending, or a person holds the session
	ClaimBusy                        // another pod holds the lease
	ClaimUnseeded                    // Redis has no copy of the session
	ClaimTaken                       // the caller holds Lease
)

// Claim is the result of claiming.
type Claim struct {
	Status ClaimStatus
	Lease  Lease
	State  chatbox.State
	Open   bool // a generation of the same turn had begun and must be recovered
	Torn   bool // Redis failed over since it began: clients may have been shown more than the stored pieces
}
