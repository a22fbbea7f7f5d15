package redisstate

import (
	"sync"

	"chatbox"
)

// mostFolds is the number of sessions whose latest fold a pod remembers.
const mostFolds = 4096

// folds has the folds that this pod sealed last, one per session, so that the next
// append to the session need not open them. A fold is found only for its own
// session and only if Redis returns the same box.
type folds struct {
	mu   sync.Mutex // guards following
	of   map[chatbox.SessionKey]sealedFold
	ring []chatbox.SessionKey // in order of entry
	next int                  // of the ring, the one that the next new session replaces
}

type sealedFold struct {
	box   string
	state chatbox.State
}

func (f *folds) put(s chatbox.SessionKey, box string, st chatbox.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.of == nil {
		f.of = map[chatbox.SessionKey]sealedFold{}
	}
	if _, known := f.of[s]; !known {
		if len(f.ring) < mostFolds {
			f.ring = append(f.ring, s)
		} else {
			delete(f.of, f.ring[f.next])
			f.ring[f.next] = s
			f.next = (f.next + 1) % mostFolds
		}
	}
	f.of[s] = sealedFold{box, st}
}

// forget drops the fold of an erased session.
func (f *folds) forget(s chatbox.SessionKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, known := f.of[s]; known {
		f.of[s] = sealedFold{} // its place in the ring stays
	}
}

func (f *folds) get(s chatbox.SessionKey, box string) (chatbox.State, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	sealed, known := f.of[s]
	return sealed.state, known && sealed.box == box && box != ""
}

// sealFold seals the state and remembers it.
func (c *Client) sealFold(s chatbox.SessionKey, st chatbox.State) (string, error) {
	box, err := c.sealJSON(s, boxFold, st)
	if err == nil {
		c.folds.put(s, box, st)
	}
	return box, err
}

func (c *Client) openFold(s chatbox.SessionKey, box string) (chatbox.State, error) {
	if st, ok := c.folds.get(s, box); ok {
		return st, nil
	}
	var st chatbox.State
	err := c.openJSON(s, boxFold, box, &st)
	return st, err
}
