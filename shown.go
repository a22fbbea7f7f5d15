package chatbox

// Shown is how much of one answer's text a client without resume has received:
// its first Bytes bytes. Such a client appends whatever comes, so after its
// connection broke it may be sent the rest and nothing else.
type Shown struct {
	Session SessionKey
	UserID  string
	Conn    ConnID
	Gen     Gen
	Bytes   int
	Sum     uint64 // FNV-1a of these bytes; see Extend
	Unknown bool   // it may have text that nobody has noted: nothing continues it
	Stage   ShownStage
}

// ShownStage is how certain it is that the client has the text.
type ShownStage int

// The stages, in the order in which notes of one moment take effect.
const (
	ShownOver     ShownStage = iota // it has the answer's final too: nothing is owed
	ShownSent                       // the text is about to be handed to the network
	ShownReceived                   // the client has confirmed it
	ShownClosed                     // the connection has ended, and this is what was confirmed
)

// The parameters of 64-bit FNV-1a (RFC 9923), which is enough to tell two
// answers to one message apart.
const (
	fnvOffset = 14695981039346656037
	fnvPrime  = 1099511628211
)

// Extend returns s with the text received behind what it has.
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

// Begins reports whether the text begins with what was received.
func (s Shown) Begins(text string) bool {
	if s.Unknown {
		return false
	}
	if s.Bytes == 0 {
		return true
	}
	return len(text) >= s.Bytes && Shown{}.Extend(text[:s.Bytes]).Sum == s.Sum
}
