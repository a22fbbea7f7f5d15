package record

import "time"

// PeerKept is how long the report of a process that has ended without a word is
// kept.
const PeerKept = time.Hour
