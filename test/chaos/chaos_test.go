// Package chaos plays schedules of faults, derived from seeds, over three pods
// in this process: connections to Redis cut and refused, replies of applied
// commands lost, Redis emptied, operations of the history failing before or
// after they were applied, pods killed and drained. The clients record all that
// they receive, and the records are compared with the history. No test looks
// inside a pod.
//
// A seed repeats the schedule: the same faults at the same operations, counted
// by kind over all pods ("the reply of the 7th publish is lost"), and the same
// script of what clients do. It does not repeat the interleaving: goroutines,
// the network and the clock are real, so that the 7th publish may be another
// event's. A seed that has found a fault finds it again often, not always;
// CHAOS_RUNS with CHAOS_SEED plays one seed several times.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// How many seeds are played; FAULT=long is what make test-fault says.
const (
	shortRuns = 12
	longRuns  = 150
	atOnce    = 4 // most of the time a schedule waits
)

// TestChaos plays seeds 1 to 12. CHAOS_SEED plays one, CHAOS_RUNS so many
// schedules: from 1 on, or that one again and again.
func TestChaos(t *testing.T) {
	runs, same := shortRuns, false
	if testing.Short() {
		runs = 3
	}
	if os.Getenv("FAULT") == "long" {
		runs = longRuns
	}
	first, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64)
	if err == nil {
		runs, same = 1, true
	} else {
		first = 1
	}
	if n, err := strconv.Atoi(os.Getenv("CHAOS_RUNS")); err == nil {
		runs = n
	}
	seeds := make(chan uint64, runs)
	for i := range uint64(runs) {
		if same {
			i = 0
		}
		seeds <- first + i
	}
	close(seeds)
	var wg sync.WaitGroup
	for range min(atOnce, runs) {
		wg.Go(func() {
			for seed := range seeds {
				t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) { play(t, seed) })
			}
		})
	}
	wg.Wait()
}

// play is one schedule with its clients: two sessions of two devices each, and
// staff who comes to them.
func play(t *testing.T, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 2))
	p := planOf(r)
	p.staffed(rand.New(rand.NewPCG(seed, 5)))
	t.Cleanup(func() {
		if t.Failed() || testing.Verbose() {
			t.Logf("%s\nreplay: CHAOS_SEED=%d go test -race -count=1 -run TestChaos ./test/chaos", p.report(), seed)
		}
	})
	s := start(t, p)
	talks := []*talk{s.newTalk("ada", rand.New(rand.NewPCG(seed, 3))), s.newTalk("bob", rand.New(rand.NewPCG(seed, 4)))}
	var wg sync.WaitGroup
	for i, k := range talks {
		k.desk = newDesk(rand.New(rand.NewPCG(seed, uint64(6+i))))
		wg.Go(k.play)
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	p.heal()
	s.settled(slices.Concat(talks[0].devices, talks[1].devices)...)
	for _, k := range talks {
		k.judgeStaff(s.judge(k.user, k.session, k.devices...))
	}
}
