package chatbox

import "time"

// Peer is what a process tells the others that share its history. The record of a
// process that was killed stays for a while; a living one changes its Beat.
type Peer struct {
	Run     string // identifies the process
	Pod     PodID
	Redis   string    // identity of its Redis
	Away    bool      // it does not reach its Redis at the moment, and Redis is what it had before
	Beat    int64     // counts its reports
	Settled bool      // it has found no other Redis in use before its own
	Since   time.Time // when it first reported Redis, by the history's clock; zero: now
}
