package fuzz

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stopping ends the goroutine that it fails in, as a test's does.
type stopping struct{ T }

func (stopping) FailNow() { runtime.Goexit() }

// play runs check from the seed until it fails or n executions are over.
func play(t *testing.T, seed uint64, n int64, check any, corpus ...[]any) *run {
	t.Helper()
	r := &run{name: "FuzzX", pool: corpus}
	done := make(chan struct{})
	go func() { // ends with the run, or where check fails
		defer close(done)
		r.mutate(stopping{t}, reflect.ValueOf(check), rand.New(rand.NewPCG(seed, 0)), bound{executions: n})
	}()
	<-done
	return r
}

func TestRun_FindsAndRepeats(t *testing.T) {
	check := func(t T, text string, n int) {
		if n == math.MaxInt64 && len(text) > 5 {
			t.FailNow()
		}
	}
	for seed := range uint64(5) {
		first := play(t, seed, 100_000, check, []any{"abc", 1})
		require.Less(t, first.executed, int64(100_000), "found")
		assert.Equal(t, math.MaxInt64, first.current[1])
		again := play(t, seed, 100_000, check, []any{"abc", 1})
		assert.Equal(t, first.executed, again.executed)
		assert.Equal(t, first.current, again.current)
	}
}

func TestRun_CallsTheCorpusFirst(t *testing.T) {
	var got []string
	r := play(t, 1, 5, func(_ T, b []byte) { got = append(got, string(b)) }, []any{[]byte("a")}, []any{[]byte("b")})
	assert.Equal(t, []string{"a", "b"}, got[:2])
	assert.Len(t, got, 5)
	assert.EqualValues(t, 5, r.executed)
}

func TestMutator_LeavesThePoolAlone(t *testing.T) {
	long := slices.Repeat([]byte("x1"), 3000)
	m := mutator{rnd: rand.New(rand.NewPCG(1, 2)), pool: [][]any{{[]byte("abc 123"), "text", 7}, {[]byte{}, "", 0}, {long, "", 1}}}
	changed := 0
	for range 20_000 {
		input := m.next()
		assert.LessOrEqual(t, size(input), 6000+longest)
		if !slices.ContainsFunc(m.pool, func(p []any) bool { return reflect.DeepEqual(p, input) }) {
			changed++
		}
	}
	assert.Greater(t, changed, 15_000)
	assert.Equal(t, []any{[]byte("abc 123"), "text", 7}, m.pool[0])
	assert.Equal(t, slices.Repeat([]byte("x1"), 3000), m.pool[2][0])
}

func TestCorpus_IsKeptAndReadAgain(t *testing.T) {
	dir, check := t.TempDir(), reflect.TypeOf(func(T, string, []byte, int) {})
	r := &run{name: "FuzzX"}
	require.NoError(t, r.load(dir, check), "none yet")
	input := []any{"a\n\"\xff", []byte("b)("), -3}
	r.add(t, input)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "FuzzX", "other"), []byte(header+"\nstring(\"x\")\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "FuzzX", "broken"), []byte("no corpus"), 0o600))
	again := &run{name: "FuzzX"}
	require.NoError(t, again.load(dir, check))
	assert.Equal(t, [][]any{input}, again.pool)
}

func TestBound(t *testing.T) {
	b, err := boundOf("20x")
	require.NoError(t, err)
	assert.False(t, b.over(19))
	assert.True(t, b.over(20))
	b, err = boundOf("0s")
	require.NoError(t, err)
	assert.True(t, b.over(256))
	_, err = boundOf("many")
	require.Error(t, err)
	_, err = boundOf("manyx")
	require.Error(t, err)
}

// FuzzFormat: a file of the corpus says the input that it was written for.
func FuzzFormat(f *testing.F) {
	f.Add("a\n", []byte("b"), 1)
	Run(f, func(t T, s string, b []byte, n int) {
		again, ok := parse(format([]any{s, b, n}))
		if !ok || !reflect.DeepEqual(again, []any{s, append([]byte{}, b...), n}) {
			t.Fatalf("%q became %q", []any{s, b, n}, again)
		}
	})
}
