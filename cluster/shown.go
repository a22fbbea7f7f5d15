package cluster

import "chatbox"

// Shown is how much of an answer's text a client without resume has received:
// its first Bytes bytes. Such a client appends every text it receives, so
// after a broken connection it may be sent only the rest.
type Shown struct {
	Session chatbox.SessionKey
	UserID  string
	Conn    chatbox.ConnID
	Gen     chatbox.Gen
	Bytes   int
	Sum     uint64 // FNV-1a of these bytes; see Extend
	Unknown bool   // it may have unrecorded text, so no text can continue it
	Stage   ShownStage
}

// ShownStage is the certainty that the client has the text.
type ShownStage int

// The stages, in the order in which records of the same time take effect.
const (
	ShownOver     ShownStage = iota // it has the answer's final too: nothing is left to send
	ShownSent                       // the text is about to be written to the network
	ShownReceived                   // the client has confirmed it
	ShownClosed                     // the connection has ended; this text was confirmed
)

// The parameters of 64-bit FNV-1a (RFC 9923). It suffices to distinguish two
// answers to one message.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// Extend returns s with text appended to the received text.
func (s Shown) Extend(text string) Shown {
	if s.Bytes == 0 {
		s.Sum = fnvOffset
	}
	for i := range len(text) {
		s.Sum = (s.Sum ^ uint64(text[i])) * fnvPrime
	}
	s.Bytes += len(text)
	return s
}

// Begins reports whether the text begins with the received text.
func (s Shown) Begins(text string) bool {
	if s.Unknown {
		return false
	}
	if s.Bytes == 0 {
		return true
	}
	return len(text) >= s.Bytes && Shown{}.Extend(text[:s.Bytes]).Sum == s.Sum
}
