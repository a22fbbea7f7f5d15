package bench

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"chatbox/internal/sleep"
)

// clockTick is the unit of times in /proc: a hundredth of a second on every Linux.
const clockTick = 10 * time.Millisecond

// Processes are the processes to account for, by name. Their children, which a
// PostgreSQL has for its connections, count with them.
type Processes map[string][]int

// times returns the processor time that each name has used so far.
func (p Processes) times() (map[string]time.Duration, error) {
	return sum(p, func(all processTable, pid int) time.Duration { return all.family(pid) })
}

// resident returns the resident memory of each name in bytes.
func (p Processes) resident() (map[string]int64, error) {
	return sum(p, func(all processTable, pid int) int64 { return all[pid].resident })
}

// sum adds up what the processes of each name have. All of them must run.
func sum[N ~int64](of Processes, has func(all processTable, pid int) N) (map[string]N, error) {
	if len(of) == 0 {
		return nil, nil
	}
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	sums := map[string]N{}
	for name, pids := range of {
		for _, pid := range pids {
			if _, alive := all[pid]; !alive {
				return nil, fmt.Errorf("process %d (%s) does not run", pid, name)
			}
			sums[name] += has(all, pid)
		}
	}
	return sums, nil
}

// process is one line of /proc/*/stat.
type process struct {
	parent   int
	used     time.Duration // of the process, and of children that have ended
	resident int64         // bytes
}

type processTable map[int]process

func readProcesses() (processTable, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("processor times need /proc: %w", os.ErrNotExist)
	}
	all := processTable{}
	for _, f := range files {
		line, err := os.ReadFile(f) //nolint:gosec // a name that the kernel gave
		if err != nil {
			continue // it has ended
		}
		// The name of the program is in parentheses and may contain anything.
		_, rest, _ := strings.Cut(string(line[strings.LastIndexByte(string(line), ')')+1:]), " ")
		fields := strings.Fields(rest)
		if len(fields) < 22 {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(f)))
		if err != nil {
			continue
		}
		parent, _ := strconv.Atoi(fields[1]) // 0: has none
		var ticks int64
		for _, field := range fields[11:15] { // utime, stime, cutime, cstime
			n, _ := strconv.ParseInt(field, 10, 64) // the kernel writes numbers
			ticks += n
		}
		pages, _ := strconv.ParseInt(fields[21], 10, 64) // as above
		all[pid] = process{parent: parent, used: time.Duration(ticks) * clockTick, resident: pages * int64(os.Getpagesize())}
	}
	return all, nil
}

// family adds up a process and its descendants.
func (p processTable) family(pid int) time.Duration {
	sum := p[pid].used
	for child, of := range p {
		if of.parent == pid {
			sum += p.family(child)
		}
	}
	return sum
}

// Names returns the names in order.
func (p Processes) Names() []string { return slices.Sorted(maps.Keys(p)) }

// span is what a measurement took.
type span struct {
	took          time.Duration
	before, after map[string]time.Duration
}

// spend waits for the warm-up and then, with counting set, for the measurement.
func spend(ctx context.Context, warmup, duration time.Duration, of Processes, counting *atomic.Bool) (span, error) {
	if !sleep.For(ctx, warmup) {
		return span{}, context.Cause(ctx)
	}
	before, err := of.times()
	if err != nil {
		return span{}, err
	}
	began := time.Now()
	counting.Store(true)
	ok := sleep.For(ctx, duration)
	counting.Store(false)
	took := time.Since(began)
	if !ok {
		return span{}, context.Cause(ctx)
	}
	after, err := of.times()
	return span{took: took, before: before, after: after}, err
}

// per returns the milliseconds of processor time of each name for one of n units.
func (s span) per(n float64) map[string]float64 {
	cpu := map[string]float64{}
	for name, t := range s.after {
		cpu[name] = float64((t - s.before[name]).Microseconds()) / 1000 / max(n, 0.001)
	}
	return cpu
}
