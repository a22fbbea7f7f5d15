package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"chatbox/internal/sleep"
)

// gcPercent is the heap growth, in percent, that triggers a garbage collection. A
// pod's heap is mostly idle sockets, and Go's default of 100 lets garbage take as
// much memory as they do. GOGC overrides it.
const gcPercent = 60

const (
	// trimEvery is how often a pod looks for memory to return.
	trimEvery = 5 * time.Second
	// quiet is the most bytes that a pod without much to do allocates in trimEvery:
	// it renews the registrations of thousands of sockets and compares their positions.
	quiet = 24 << 20
	// trimRest is the least time between two collections for this purpose.
	trimRest = 30 * time.Second
	// spareBytes and sparePart are the least that is worth a collection: bytes, and
	// a part of what is in use.
	spareBytes, sparePart = 8 << 20, 8
)

// usage is the memory of the process, in bytes.
type usage struct {
	allocated uint64 // since the start
	live      uint64 // found by the last collection
	resident  uint64 // that the heap has from the operating system
}

func readUsage() usage {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	return usage{allocated: s[0].Value.Uint64(), live: s[1].Value.Uint64(), resident: s[2].Value.Uint64() + s[3].Value.Uint64() + s[4].Value.Uint64()}
}

// spare returns the memory that the process holds and does not use.
func (u usage) spare() int64 { return int64(u.resident) - int64(u.live) } //nolint:gosec // far below the limit

// worthTrimming reports whether a quiet process can return much memory. kept is
// what it could not return the last time.
func worthTrimming(before, now usage, kept int64) bool {
	found := now.spare() - kept
	return now.allocated-before.allocated <= quiet && found >= spareBytes && found >= int64(now.live/sparePart) //nolint:gosec // the same
}

// trim returns memory to the operating system while the pod is quiet, until ctx
// ends. The runtime itself keeps what the last rush needed: after 8,000 sockets
// have connected, that is a third of the pod's memory.
func trim(ctx context.Context) {
	before, kept, rested := readUsage(), int64(0), time.Now()
	sleep.Every(ctx, trimEvery, func(context.Context) {
		now := readUsage()
		if worthTrimming(before, now, kept) && !time.Now().Before(rested) {
			rested = time.Now().Add(trimRest)
			debug.FreeOSMemory()
			now = readUsage()
			kept = now.spare()
		}
		before = now
	})
}
