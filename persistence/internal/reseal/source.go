// Package reseal seals the boxes of a history again that older keys have sealed,
// while pods read and write it. Both stores use it.
package reseal

import (
	"context"
	"time"

	"chatbox/persistence/internal/record"
)

// Ring is the keyring of the rotation. Its first key is the target.
type Ring interface {
	record.Cipher
	// KeyIDs returns the ids of the keys, with the sealing key's first.
	KeyIDs() []string
	// Probe returns the id of the key that a box names, and whether the ring
	// opens the box for that place. It does not count failures.
	Probe(box []byte, ad ...string) (id string, opens bool)
}

// Part is one sealed field of a document.
type Part struct {
	Name string // of the field, for the store
	Box  []byte // as read
	AAD  []string
	// Plain and New are set if the part must be sealed again: its content, and
	// the content under the first key.
	Plain, New []byte
}

// Doc is one document with its sealed fields.
type Doc struct {
	ID    string // its place in the order of pages
	Parts []Part
	Row   any // for the store
	// Broken marks a document that cannot be decoded.
	Broken bool
	// Derived is the time at which a value was derived from the sealing key of that
	// time, and is zero if there is none. A part tells the key more exactly.
	Derived time.Time
}

// Kind is one kind of document. Documents of a kind that stays are counted and
// not sealed again.
type Kind struct {
	Name  string
	Stays bool
}

// Source is a store as the rotation needs it.
type Source interface {
	Progress
	// Since returns when a pod first sealed with the key.
	Since(ctx context.Context, key string) (time.Time, error)
	Kinds() []Kind
	// Page returns up to limit documents after the place, in the order of places.
	// An empty place is before the first.
	Page(ctx context.Context, kind, after string, limit int) ([]Doc, error)
	// Swap replaces the parts that have a New, with the values that are derived
	// from the key. It leaves out a document if one of its boxes is not the one
	// that was read.
	Swap(ctx context.Context, kind string, docs []Doc) error
	// Estimate returns roughly how many documents there are.
	Estimate(ctx context.Context, kind string) (int64, error)
}

// Progress keeps how far a rotation has come.
type Progress interface {
	// Progress returns the text saved last for the key, or "". An empty text
	// removes it.
	Progress(ctx context.Context, key string) (string, error)
	SaveProgress(ctx context.Context, key, text string) error
}
