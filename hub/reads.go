package hub

import (
	"maps"
	"slices"

	"chatbox/cluster"
)

// readLocked tells the other sockets how far somebody has read. Positions
// never move back.
func (f *feed) readLocked(r cluster.Read) {
	if !f.noteReadLocked(r) {
		return
	}
	var frame shared
	for _, a := range f.atts {
		if a.live && f.mayReceiveLocked(a) && a.conn.ID() != r.Conn {
			a.conn.push(frame.of(f.encode, Delivery{Session: f.key, Read: &r}), nil)
		}
	}
}

// noteReadLocked records the position and reports whether it is new.
func (f *feed) noteReadLocked(r cluster.Read) bool {
	if r.Seq <= f.reads[r.UserID].Seq {
		return false
	}
	if f.reads == nil {
		f.reads = map[string]cluster.Read{}
	}
	f.reads[r.UserID] = r
	return true
}

// showReadsLocked sends a socket that has resumed all read positions: those
// read with the session and those received since.
func (f *feed) showReadsLocked(a *attachment, read []cluster.Read) {
	for _, r := range read {
		f.noteReadLocked(r)
	}
	if !f.mayReceiveLocked(a) {
		return
	}
	for _, user := range slices.Sorted(maps.Keys(f.reads)) {
		r := f.reads[user]
		a.push(Delivery{Session: f.key, Read: &r})
	}
}
