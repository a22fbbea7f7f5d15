package reseal

import (
	"context"
	"time"
)

// Count is the result for one kind of document.
type Count struct {
	Kind       string
	Total      int64 // documents, roughly
	Seen       int64 // documents read
	Moved      int64 // documents sealed again
	Changed    int64 // documents that writers replaced on each try
	Unreadable int64 // documents with a part that no key opens
	// Old counts the documents that still need each older key. Only Status sets it.
	Old   map[string]int64
	Stays bool // the rotation cannot move this kind
}

// Report is the result for all kinds.
type Report struct{ Kinds []Count }

// Unknown stands in Count.Old for an older key whose id is not known.
const Unknown = "?"

// Left returns how many documents still need an older key.
func (r Report) Left() (n int64) {
	for _, c := range r.Kinds {
		for _, more := range c.Old {
			n += more
		}
	}
	return n
}

// Status reads everything and counts the documents that older keys of the ring
// have sealed. It writes nothing.
func Status(ctx context.Context, ring Ring, src Source) (Report, error) {
	var r Report
	first := ring.KeyIDs()[0]
	since, err := src.Since(ctx, first)
	if err != nil {
		return r, err
	}
	if len(ring.KeyIDs()) == 1 {
		since = time.Time{} // no older key is left that a derived value could need
	}
	for _, k := range src.Kinds() {
		c := Count{Kind: k.Name, Old: map[string]int64{}, Stays: k.Stays}
		for after := ""; ; {
			docs, err := src.Page(ctx, k.Name, after, pageMost)
			if err != nil {
				return r, err
			}
			for _, d := range docs {
				c.judge(ring, first, since, d)
			}
			if len(docs) < pageMost {
				break
			}
			after = docs[len(docs)-1].ID
		}
		c.Total = c.Seen
		r.Kinds = append(r.Kinds, c)
	}
	return r, ctx.Err()
}

// judge counts the document once for each older key that it needs.
func (c *Count) judge(ring Ring, first string, since time.Time, d Doc) {
	c.Seen++
	needs, fails := map[string]bool{}, d.Broken
	for _, p := range d.Parts {
		id, opens := ring.Probe(p.Box, p.AAD...)
		switch {
		case !opens:
			fails = true
		case id != first:
			needs[id] = true
		}
	}
	if len(d.Parts) == 0 && !d.Derived.IsZero() && d.Derived.Before(since) {
		needs[Unknown] = true
	}
	for id := range needs {
		c.Old[id]++
	}
	if fails {
		c.Unreadable++
	}
}
