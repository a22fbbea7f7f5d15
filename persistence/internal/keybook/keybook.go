// Package keybook keeps, beside a history, one sealed check value for each key
// that the cluster seals with. Whoever cannot open all of them is not given the
// cluster's keys, and must neither read nor write.
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

// Book is the check values as of a revision; revision 0: there is no book yet.
type Book struct {
	Revision int64
	Entries  []Entry
}

// Entry is the check value of one key. An entry of a retired key has no value:
// the key is known to be gone, and what it sealed to be unreadable.
type Entry struct {
	ID      string    `bson:"id" json:"id"`
	Box     []byte    `bson:"box,omitempty" json:"box,omitempty"`
	Since   time.Time `bson:"since" json:"since"`
	Retired bool      `bson:"retired,omitempty" json:"retired,omitempty"`
}

// Ring is a pod's keys.
type Ring interface {
	// KeyIDs lists the keys, the sealing one first.
	KeyIDs() []string
	// SealWith seals under one of them.
	SealWith(id string, plain []byte, ad ...string) ([]byte, error)
	// Probe says by which key a box claims to be sealed, and whether the ring
	// opens it there. It counts no failure.
	Probe(box []byte, ad ...string) (id string, opens bool)
}

// Source is a store as far as its keys go.
type Source interface {
	ReadBook(ctx context.Context) (Book, error)
	// WriteBook stores the book if the one before it has the revision below;
	// false: another pod was faster.
	WriteBook(ctx context.Context, b Book) (bool, error)
	// SampleBoxes are some boxes of the records that are there, if there are any.
	SampleBoxes(ctx context.Context) ([]Sample, error)
}

// Sample is a box and the place that it is sealed for.
type Sample struct {
	Box []byte
	AAD []string
}

const tries = 8

// Check finds out whether the ring opens what the cluster has sealed, and enters
// the ring's sealing key into the book. A *chatbox.UnfitError says what is wrong
// with the ring; then nothing was written. Of several pods that find no book and
// have different keys one wins.
//
// A history without a book, which an earlier version wrote, is judged by some of
// its records.
func Check(ctx context.Context, ring Ring, src Source) error {
	for range tries {
		b, err := src.ReadBook(ctx)
		if err != nil {
			return err
		}
		known := b.Entries
		if b.Revision == 0 {
			if known, err = proven(ctx, ring, src); err != nil {
				return err
			}
		}
		if err := judge(ring, known); err != nil {
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
	return errors.New("other pods enter their keys at the same time")
}

const purpose = "key check"

// judge compares the ring with what the cluster is known to seal with.
func judge(ring Ring, known []Entry) error {
	var wrong, missing []string
	ids := ring.KeyIDs()
	for _, e := range known {
		switch has := slices.Contains(ids, e.ID); {
		case e.Retired && ids[0] == e.ID:
			return unfit("the encryption key %q was retired, so nothing may be sealed with it: put another one first in ENCRYPTION_KEYS", e.ID)
		case e.Retired:
		case !has:
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

// entered is the book with the ring's sealing key in it.
func entered(ring Ring, known []Entry) (next []Entry, changed bool, err error) {
	first := ring.KeyIDs()[0]
	if slices.ContainsFunc(known, func(e Entry) bool { return e.ID == first }) {
		return known, false, nil
	}
	e, err := entryOf(ring, first)
	return append(slices.Clone(known), e), true, err
}

func entryOf(ring Ring, id string) (Entry, error) {
	box, err := ring.SealWith(id, []byte(id), purpose, id)
	if err != nil {
		return Entry{}, fmt.Errorf("keybook: %w", err)
	}
	return Entry{ID: id, Box: box, Since: time.Now().UTC().Truncate(time.Millisecond)}, nil
}

// proven are entries for the keys that open some of the records. Of several
// boxes that name a key one is enough: others may be damaged.
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
