package chatbox

// Lease is the right to answer one session's oldest pending turn. Token is
// compared for equality; it is never ordered.
type Lease struct {
	Session SessionKey
	Owner   string
	Token   string
	Gen     Gen
}

// TurnFate is what became of a pending turn that Redis was to know of.
type TurnFate int

// The fates of pending turns.
const (
	TurnThere     TurnFate = iota // Redis had it
	TurnEntered                   // it was forgotten and is due now
	TurnHeld                      // a person holds the session: how they leave decides
	TurnVoid                      // there is nothing more to answer
	TurnAhead                     // the message is beyond the head: it is to be healed
	TurnForgotten                 // Redis knows nothing of the session
)

// ClaimStatus is how a claim went.
type ClaimStatus int

// The statuses of a claim.
const (
	ClaimNone     ClaimStatus = iota // nothing is pending, or a person holds the session
	ClaimBusy                        // another holds the lease
	ClaimUnseeded                    // Redis knows nothing of the session
	ClaimTaken                       // Lease is ours
)

// Claim is the result of claiming.
type Claim struct {
	Status ClaimStatus
	Lease  Lease
	State  State
	Open   bool // a generation of the same turn had begun: it is to be recovered
	Torn   bool // Redis failed over since it began: clients may have been shown more than the log of pieces has
}
