// Package fuzz runs the module's fuzz targets: as Go does with -fuzz, and, many
// times faster, in the test's own process.
//
// Go's own fuzzing tracks every branch of every package and copies all
// counters after each execution, which is slow. A long run in process tracks
// only the statements of the package under test, if the binary was built with
// -cover. Both read and write the same corpus.
package fuzz

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The environment variables of a long run.
const (
	// timeVariable says how long each target is run in process, written as for
	// -fuzztime: "5m", or "1000000x" for a number of executions.
	timeVariable = "FUZZ_LONG"
	// seedVariable repeats a run: with the same corpus, the same executions.
	seedVariable = "FUZZ_SEED"
	// corpusVariable is the directory with a corpus for each target, beside
	// testdata/fuzz. Inputs that reach a new statement are added to it.
	corpusVariable = "FUZZ_CORPUS"
	// seedsVariable, if set, copies the inputs that reach a statement which no
	// seed reaches to testdata/fuzz.
	seedsVariable = "FUZZ_SEEDS"
)

// T is what a check reports to.
type T interface{ testing.TB }

// Run makes check, a func(T, ...) whose other parameters are strings, []byte
// and ints, the fuzz target of f. Call Run once, at the end of the fuzz
// function. If FUZZ_LONG is set, check is then called with mutations of the
// corpus, one after another, until that is over or check fails. An input that
// fails is written to testdata/fuzz.
func Run(f *testing.F, check any) {
	f.Helper()
	fn := reflect.ValueOf(check)
	var corpus [][]any
	f.Fuzz(seedsOf(fn, &corpus))
	if limit := os.Getenv(timeVariable); limit != "" && !f.Failed() {
		long(f, fn, corpus, limit)
	}
}

// seedsOf is check as testing.F wants it. It notes what it is called with, which
// is how Go hands out the seeds.
func seedsOf(check reflect.Value, corpus *[][]any) any {
	in := []reflect.Type{reflect.TypeFor[*testing.T]()}
	for i := 1; i < check.Type().NumIn(); i++ {
		in = append(in, check.Type().In(i))
	}
	keep := os.Getenv(timeVariable) != ""
	return reflect.MakeFunc(reflect.FuncOf(in, nil, false), func(args []reflect.Value) []reflect.Value {
		if keep {
			*corpus = append(*corpus, copyOf(args[1:]))
		}
		return check.Call(args)
	}).Interface()
}

func copyOf(args []reflect.Value) []any {
	values := make([]any, len(args))
	for i, a := range args {
		values[i] = a.Interface()
		if b, ok := values[i].([]byte); ok {
			values[i] = append([]byte{}, b...)
		}
	}
	return values
}

// bound is where a run ends: after some executions, or at a time.
type bound struct {
	executions int64
	until      time.Time
}

func boundOf(text string) (bound, error) {
	if digits, ok := strings.CutSuffix(text, "x"); ok {
		n, err := strconv.ParseInt(digits, 10, 64)
		return bound{executions: n}, err
	}
	d, err := time.ParseDuration(text)
	return bound{until: time.Now().Add(d)}, err
}

// over looks at the clock now and then only.
func (b bound) over(executed int64) bool {
	if b.until.IsZero() {
		return executed >= b.executions
	}
	return executed%256 == 0 && !time.Now().Before(b.until)
}

// quiet is f without the cost of noting every helper's name.
type quiet struct{ T }

func (quiet) Helper() {}

func long(f *testing.F, check reflect.Value, corpus [][]any, limit string) {
	f.Helper()
	end, err := boundOf(limit)
	if err != nil {
		f.Fatalf("%s: %v", timeVariable, err)
	}
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			f.Fatalf("%s: %v", seedVariable, err)
		}
	}
	r := &run{name: f.Name(), pool: corpus, seeds: len(corpus), choose: os.Getenv(seedsVariable) != ""}
	if err := r.load(os.Getenv(corpusVariable), check.Type()); err != nil {
		f.Fatal(err)
	}
	if len(r.pool) == 0 {
		f.Fatal("no seeds")
	}
	began, whole := time.Now(), false
	defer func() { // also where check failed or panicked
		took := time.Since(began)
		result := fmt.Sprintf("%s: %d executions in %v, %.0f/s, seed %d, statements %.1f%%, corpus %d, %d of them new",
			r.name, r.executed, took.Round(time.Second), float64(r.executed)/took.Seconds(), seed, 100*r.reached, len(r.pool), r.added)
		if whole {
			f.Log(result)
			return
		}
		f.Errorf("%s; fails with %s", result, r.blame())
	}()
	r.mutate(quiet{f}, check, rand.New(rand.NewPCG(seed, 0)), end)
	whole = true
}

// run is one target's long run.
type run struct {
	name     string
	pool     [][]any // the seeds first
	seeds    int
	choose   bool    // of the rest those that are to become seeds
	keep     string  // directory of the corpus; empty: none
	reached  float64 // part of the statements
	executed int64
	added    int
	current  []any
}

func (r *run) mutate(tb T, check reflect.Value, rnd *rand.Rand, end bound) {
	m := mutator{rnd: rnd, pool: r.pool}
	args := make([]reflect.Value, 1+len(r.pool[0]))
	args[0] = reflect.ValueOf(&tb).Elem()
	call := func(input []any) {
		r.current = input
		for i, v := range input {
			args[i+1] = reflect.ValueOf(v)
		}
		check.Call(args)
		r.executed++
	}
	for i, input := range r.pool {
		call(input)
		now := testing.Coverage()
		if i >= r.seeds && now > r.reached && r.choose {
			if _, err := write(testdata(r.name), input); err != nil {
				tb.Fatal(err)
			}
		}
		r.reached = now
	}
	for !end.over(r.executed) {
		call(m.next())
		if now := testing.Coverage(); now > r.reached {
			r.reached = now
			r.add(tb, r.current)
			m.pool = r.pool
		}
	}
}
