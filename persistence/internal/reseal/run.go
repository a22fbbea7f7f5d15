package reseal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"chatbox/internal/sleep"
)

// Defaults and bounds.
const (
	DefaultRate = 500 // documents sealed again per second
	pageMost    = 200
	// Reading costs a server less than writing, so documents that need nothing
	// pass this much faster.
	readFactor = 20
	swapTries  = 3
)

// Options are the bounds of a rotation.
type Options struct {
	Rate int            // documents sealed again per second at most; 0: DefaultRate
	Say  func(r Report) // called after each page, by the goroutine of Run; may be nil
}

// mark is the durable progress of one kind.
type mark struct {
	After string `json:"after,omitempty"`
	Done  bool   `json:"done,omitempty"`
}

// Run seals everything again that an older key of the ring has sealed. It saves
// its progress after each page, so another Run continues there. Several at once
// are safe: a document is replaced only if it is as it was read. An unreadable
// document is counted. It returns at the first failure of the store, with the
// report so far.
func Run(ctx context.Context, ring Ring, src Source, opts Options) (Report, error) {
	if opts.Rate <= 0 {
		opts.Rate = DefaultRate
	}
	w := &walk{ring: ring, src: src, opts: opts, target: ring.KeyIDs()[0], marks: map[string]mark{}}
	text, err := src.Progress(ctx, w.target)
	if err != nil {
		return w.report, err
	}
	if text != "" && json.Unmarshal([]byte(text), &w.marks) != nil {
		w.marks = map[string]mark{} // begin again: everything that is done is only read
	}
	for _, k := range src.Kinds() {
		if k.Stays || w.marks[k.Name].Done {
			continue
		}
		if err := w.kind(ctx, k); err != nil {
			return w.report, err
		}
	}
	return w.report, src.SaveProgress(ctx, w.target, "")
}

type walk struct {
	ring   Ring
	src    Source
	opts   Options
	target string
	marks  map[string]mark
	report Report
}

func (w *walk) kind(ctx context.Context, k Kind) error {
	total, err := w.src.Estimate(ctx, k.Name)
	if err != nil {
		return err
	}
	w.report.Kinds = append(w.report.Kinds, Count{Kind: k.Name, Total: total})
	c := &w.report.Kinds[len(w.report.Kinds)-1]
	limit := max(1, min(pageMost, w.opts.Rate))
	for after := w.marks[k.Name].After; ; {
		start := time.Now()
		docs, err := w.src.Page(ctx, k.Name, after, limit)
		if err != nil {
			return err
		}
		moved, err := w.page(ctx, k.Name, c, docs, after)
		if err != nil {
			return err
		}
		m := mark{Done: len(docs) < limit}
		if n := len(docs); n > 0 {
			after = docs[n-1].ID
		}
		if !m.Done {
			m.After = after
		}
		w.marks[k.Name] = m
		if err := w.save(ctx); err != nil {
			return err
		}
		if w.opts.Say != nil {
			w.opts.Say(w.report)
		}
		if m.Done {
			return ctx.Err()
		}
		if !sleep.For(ctx, w.due(moved, len(docs))-time.Since(start)) {
			return ctx.Err()
		}
	}
}

// due returns how long a page may take at least.
func (w *walk) due(moved, read int) time.Duration {
	each := time.Second / time.Duration(w.opts.Rate)
	return time.Duration(moved)*each + time.Duration(read)*each/readFactor
}

func (w *walk) save(ctx context.Context) error {
	text, err := json.Marshal(w.marks)
	if err != nil {
		return fmt.Errorf("reseal: %w", err)
	}
	return w.src.SaveProgress(ctx, w.target, string(text))
}

// page seals the documents again. A document that was replaced meanwhile is read
// again, because a pod may have sealed it with an older key.
func (w *walk) page(ctx context.Context, kind string, c *Count, docs []Doc, after string) (moved int, err error) {
	n := len(docs)
	c.Seen += int64(n)
	for try := 0; ; try++ {
		needy, unreadable, err := w.reseal(docs)
		if err != nil {
			return moved, err
		}
		if try == 0 {
			c.Unreadable += unreadable
			moved = len(needy)
			c.Moved += int64(moved)
		}
		if len(needy) == 0 {
			return moved, nil
		}
		if try == swapTries {
			c.Moved -= int64(len(needy))
			c.Changed += int64(len(needy))
			return moved, nil
		}
		if err := w.src.Swap(ctx, kind, needy); err != nil {
			c.Moved -= int64(len(needy))
			return moved, err
		}
		if docs, err = w.src.Page(ctx, kind, after, n); err != nil {
			return moved, err
		}
	}
}

// reseal returns the documents that an older key has sealed, with new boxes.
func (w *walk) reseal(docs []Doc) (needy []Doc, unreadable int64, err error) {
	for _, d := range docs {
		needs, fails := false, d.Broken
		for i := range d.Parts {
			p := &d.Parts[i]
			id, opens := w.ring.Probe(p.Box, p.AAD...)
			if !opens {
				fails = true
				continue
			}
			if id == w.target {
				continue
			}
			if p.Plain, err = w.ring.Open(p.Box, p.AAD...); err != nil {
				return nil, 0, err
			}
			if p.New, err = w.ring.Seal(p.Plain, p.AAD...); err != nil {
				return nil, 0, err
			}
			needs = true
		}
		if needs {
			needy = append(needy, d)
		}
		if fails {
			unreadable++
		}
	}
	return needy, unreadable, nil
}
