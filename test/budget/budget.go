// Package budget fails tests whose code allocates more than it used to. The race
// detector allocates too, so such tests have the build tag !race, and make
// test-budgets runs them.
package budget

import (
	"runtime"
	"testing"
)

// Budget is how much one run may allocate, in the whole process.
type Budget struct {
	Objects float64
	Bytes   float64
}

// tolerance is how far a run may exceed its budget. A run that is as far below its
// budget fails too, so that the budget is lowered and shows the next growth.
const tolerance = 0.1

// Hold runs f n times and compares what a run allocates with the budget. It runs f
// a few times before, so that caches and pools are filled.
func Hold(t *testing.T, b Budget, n int, f func()) {
	t.Helper()
	for range max(1, n/10) {
		f()
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range n {
		f()
	}
	runtime.ReadMemStats(&after)
	objects := float64(after.Mallocs-before.Mallocs) / float64(n)
	bytes := float64(after.TotalAlloc-before.TotalAlloc) / float64(n)
	t.Logf("%.1f objects and %.0f bytes", objects, bytes)
	check(t, "objects", objects, b.Objects)
	check(t, "bytes", bytes, b.Bytes)
}

func check(t *testing.T, unit string, got, budget float64) {
	t.Helper()
	switch {
	case got > budget*(1+tolerance):
		t.Errorf("a run allocates %.1f %s; its budget is %.1f", got, unit, budget)
	case got < budget*(1-tolerance):
		t.Errorf("a run allocates only %.1f %s; lower its budget, which is %.1f", got, unit, budget)
	}
}
