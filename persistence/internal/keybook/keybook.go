// Package keybook stores, beside a history, one sealed check value for each key
// that the cluster seals with. A pod whose keys do not open all of them has the
// wrong keys and must neither read nor write.
package keybook

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbox"
)

// Book is the set of check values at a revision. Revision 0 means that there is
// no book yet.
type Book struct {
	Revision int64
	Entries  []Entry
}

// Since returns when a pod entered the key, or the zero time.
func (b Book) Since(key string) time.Time {
	for _, e := range b.Entries {
		if e.ID == key {
			return e.Since
		}
	}
	return time.Time{}
}

// Entry is the check value of one key. A retired key's entry has no value: the
// key no longer exists, and data sealed with it is unreadable.
type Entry struct {
	ID      string    `bson:"id" json:"id"`
	Box     []byte    `bson:"box,omitempty" json:"box,omitempty"`
	Since   time.Time `bson:"since" json:"since"`
	Retired bool      `bson:"retired,omitempty" json:"retired,omitempty"`
}

// Ring is a pod's keyring.
type Ring interface {
	// KeyIDs returns the ids of the keys, with the sealing key's first.
	KeyIDs() []string
	// SealWith seals under the key with the given id.
	SealWith(id string, plain []byte, ad ...string) ([]byte, error)
	// Probe returns the id of the key that a box names, and whether the ring
	// opens the box for that place. It does not count failures.
	Probe(box []byte, ad ...string) (id string, opens bool)
}

// Source is the part of a store that the key check needs.
type Source interface {
	ReadBook(ctx context.Context) (Book, error)
	// WriteBook stores the book if the stored one has the revision just below. It
	// returns false if another pod was faster.
	WriteBook(ctx context.Context, b Book) (bool, error)
	// SampleBoxes returns some boxes of existing records, if there are any.
	SampleBoxes(ctx context.Context) ([]Sample, error)
}

// Sample is a box and the place that it is sealed for.
type Sample struct {
	Box []byte
	AAD []string
}

const tries = 8

// Check verifies that the ring opens what the cluster has sealed, and adds the
// ring's sealing key to the book. If the ring is wrong, it returns a
// *chatbox.UnfitError with the reason and writes nothing. If several pods with
// different keys find no book, one of them wins.
//
// If a history has no book because an earlier version wrote it, the ring is
// checked against some of its records.
func Check(ctx context.Context, ring Ring, src Source) error {
	for range tries {
		b, known, err := verified(ctx, ring, src)
		if err != nil {
			return err
		}
		next, changed, err := entered(ring, known)
		if err != nil {
			return err
		}
		if b.Revision > 0 && !changed {
			return nil
		}
		won, err := src.WriteBook(ctx, Book{Revision: b.Revision + 1, Entries: next})
		if err != nil || won {
			return err
		}
	}
	return errors.New("other pods are adding their keys at the same time")
}

// Verify is Check without a write. fresh reports that the ring's sealing key is
// not in the book yet.
func Verify(ctx context.Context, ring Ring, src Source) (fresh bool, err error) {
	b, known, err := verified(ctx, ring, src)
	if err != nil {
		return false, err
	}
	return b.Revision == 0 || !has(known, ring.KeyIDs()[0]), nil
}

// verified returns the book and the entries that prove the ring right.
func verified(ctx context.Context, ring Ring, src Source) (b Book, known []Entry, err error) {
	if b, err = src.ReadBook(ctx); err != nil {
		return b, nil, err
	}
	known = b.Entries
	if b.Revision == 0 {
		if known, err = proven(ctx, ring, src); err != nil {
			return b, nil, err
		}
	}
	return b, known, judge(ring, known)
}

const purpose = "key check"

// judge compares the ring with the entries of the cluster.
func judge(ring Ring, known []Entry) error {
	var wrong, missing []string
	ids := ring.KeyIDs()
	for _, e := range known {
		switch listed := slices.Contains(ids, e.ID); {
		case e.Retired && ids[0] == e.ID:
			return unfit("the encryption key %q was retired, so nothing may be sealed with it: put another one first in ENCRYPTION_KEYS", e.ID)
		case e.Retired:
		case !listed:
			missing = append(missing, e.ID)
		default:
			if _, opens := ring.Probe(e.Box, purpose, e.ID); !opens {
				wrong = append(wrong, e.ID)
			}
		}
	}
	switch {
	case len(wrong) > 0:
		return unfit("the encryption key %s is not the one by that name with which the cluster has sealed its history: give this pod the keys of the others (ENCRYPTION_KEY, ENCRYPTION_KEYS)", quoted(wrong))
	case len(missing) > 0:
		return unfit("the cluster has sealed its history with the encryption key %s, which this pod does not have: list it in ENCRYPTION_KEYS after the first", quoted(missing))
	}
	return nil
}

// entered returns the book with the ring's sealing key added.
func entered(ring Ring, known []Entry) (next []Entry, changed bool, err error) {
	first := ring.KeyIDs()[0]
	if has(known, first) {
		return known, false, nil
	}
	e, err := entryOf(ring, first)
	return append(slices.Clone(known), e), true, err
}

func has(known []Entry, id string) bool {
	return slices.ContainsFunc(known, func(e Entry) bool { return e.ID == id })
}

func entryOf(ring Ring, id string) (Entry, error) {
	box, err := ring.SealWith(id, []byte(id), purpose, id)
	if err != nil {
		return Entry{}, fmt.Errorf("keybook: %w", err)
	}
	return Entry{ID: id, Box: box, Since: time.Now().UTC().Truncate(time.Millisecond)}, nil
}

// proven returns entries for the keys that open some of the records. Of several
// boxes that name a key, one is enough, because others may be damaged.
func proven(ctx context.Context, ring Ring, src Source) ([]Entry, error) {
	samples, err := src.SampleBoxes(ctx)
	if err != nil {
		return nil, err
	}
	opened := map[string]bool{}
	for _, s := range samples {
		id, opens := ring.Probe(s.Box, s.AAD...)
		if id != "" {
			opened[id] = opened[id] || opens
		}
	}
	var out []Entry
	var wrong []string
	for _, id := range ring.KeyIDs() {
		opens, named := opened[id]
		switch {
		case named && !opens:
			wrong = append(wrong, id)
		case named:
			e, err := entryOf(ring, id)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		delete(opened, id)
	}
	switch {
	case len(wrong) > 0:
		return nil, unfit("the encryption key %s opens none of the records that name it: give this pod the keys with which the history was sealed (ENCRYPTION_KEY, ENCRYPTION_KEYS)", quoted(wrong))
	case len(opened) > 0:
		var missing []string
		for id := range opened {
			missing = append(missing, id)
		}
		slices.Sort(missing)
		return nil, unfit("the history has records that are sealed with the encryption key %s, which this pod does not have: list it in ENCRYPTION_KEYS after the first; if it is lost, see \"Keys\" in docs/operations/runbook.md", quoted(missing))
	}
	return out, nil
}

func quoted(ids []string) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = fmt.Sprintf("%q", id)
	}
	return strings.Join(out, ", ")
}

func unfit(format string, args ...any) error {
	return &chatbox.UnfitError{Reason: fmt.Sprintf(format, args...)}
}
