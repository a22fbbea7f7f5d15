package answer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"chatbox"
)

type stream = func(context.Context) iter.Seq2[chatbox.Delta, error]

// beat is one delta of a provider, or its error, after a pause.
type beat struct {
	pause time.Duration
	delta chatbox.Delta
	err   error
}

func said(pause time.Duration, text string) beat {
	return beat{pause: pause, delta: chatbox.Delta{Text: text}}
}

func finished(pause time.Duration) beat {
	return beat{pause: pause, delta: chatbox.Delta{Finish: chatbox.FinishStop, Usage: &chatbox.Usage{Completion: 7}}}
}

func replaced(pause time.Duration, text string) beat {
	return beat{pause: pause, delta: chatbox.Delta{Text: text, Replace: true}}
}

func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// beats is a provider that says these and, unless it was told to stop, ends;
// ended is closed when it has.
func beats(ended chan<- struct{}, list ...beat) stream {
	return func(ctx context.Context) iter.Seq2[chatbox.Delta, error] {
		return func(yield func(chatbox.Delta, error) bool) {
			defer close(ended)
			for _, b := range list {
				if !rest(ctx, b.pause) {
					yield(chatbox.Delta{}, context.Cause(ctx))
					return
				}
				if !yield(b.delta, b.err) {
					return
				}
			}
		}
	}
}

// received is a text that a consumer got, and when it did.
type received struct {
	at    time.Duration
	delta chatbox.Delta
	err   error
}

func listen(ctx context.Context, s stream, cfg coalescing, busy time.Duration) []received {
	var all []received
	began := time.Now()
	for d, err := range coalesce(ctx, s, cfg) {
		all = append(all, received{time.Since(began), d, err})
		rest(ctx, busy)
	}
	return all
}

const ms = time.Millisecond

func TestCoalesce_Windows(t *testing.T) {
	end := chatbox.Delta{Finish: chatbox.FinishStop, Usage: &chatbox.Usage{Completion: 7}}
	endWith := func(text string) chatbox.Delta { d := end; d.Text = text; return d }
	text := func(s string) chatbox.Delta { return chatbox.Delta{Text: s} }
	tests := map[string]struct {
		provider []beat
		busy     time.Duration
		want     []received
	}{
		"the first word is not delayed": {
			[]beat{said(200*ms, "a"), said(10*ms, "b"), said(10*ms, "c"), said(15*ms, "d"), finished(100 * ms)},
			0,
			[]received{{200 * ms, text("a"), nil}, {230 * ms, text("bc"), nil}, {260 * ms, text("d"), nil}, {335 * ms, end, nil}},
		},
		"slow words pass one by one": {
			[]beat{said(40*ms, "a"), said(40*ms, "b"), said(40*ms, "c"), finished(0)},
			0,
			[]received{{40 * ms, text("a"), nil}, {80 * ms, text("b"), nil}, {120 * ms, text("c"), nil}, {120 * ms, end, nil}},
		},
		"the end does not wait": {
			[]beat{said(0, "a"), said(1*ms, "b"), finished(1 * ms)},
			0,
			[]received{{0, text("a"), nil}, {2 * ms, endWith("b"), nil}},
		},
		"an error comes after the text before it": {
			[]beat{said(0, "a"), said(1*ms, "b"), {err: chatbox.ModelFailed}},
			0,
			[]received{{0, text("a"), nil}, {1 * ms, text("b"), nil}, {1 * ms, chatbox.Delta{}, chatbox.ModelFailed}},
		},
		"an end without finish is passed on as it is": {
			[]beat{said(0, "a"), said(1*ms, "b")},
			0,
			[]received{{0, text("a"), nil}, {1 * ms, text("b"), nil}},
		},
		"nothing at all": {nil, 0, nil},
		"only signs of life": {
			[]beat{said(0, ""), said(ms, ""), {err: chatbox.ModelTimeout}},
			0,
			[]received{{1 * ms, chatbox.Delta{}, chatbox.ModelTimeout}},
		},
		"a busy consumer gets more at once": {
			[]beat{said(0, "a"), said(10*ms, "b"), said(10*ms, "c"), said(10*ms, "d"), said(90*ms, "e"), finished(200 * ms)},
			100 * ms,
			[]received{{0, text("a"), nil}, {130 * ms, text("bcde"), nil}, {320 * ms, end, nil}},
		},
		"a replacement passes at once": {
			[]beat{said(0, "a"), said(ms, "b"), replaced(ms, "c"), said(40*ms, "d"), finished(0)},
			0,
			[]received{{0, text("a"), nil}, {2 * ms, chatbox.Delta{Text: "c", Replace: true}, nil}, {42 * ms, text("d"), nil}, {42 * ms, end, nil}},
		},
		"a replacement by nothing": {
			[]beat{said(0, "a"), said(ms, "b"), replaced(ms, ""), finished(ms)},
			0,
			[]received{{0, text("a"), nil}, {2 * ms, chatbox.Delta{Replace: true}, nil}, {3 * ms, end, nil}},
		},
		"a replacement drops half a character": {
			[]beat{said(0, "a\xf0\x9f"), replaced(ms, "c"), finished(ms)},
			0,
			[]received{{0, text("a"), nil}, {ms, chatbox.Delta{Text: "c", Replace: true}, nil}, {2 * ms, end, nil}},
		},
		"who says it is passed on": {
			[]beat{{delta: chatbox.Delta{Text: "a", ModelID: "spare"}}, said(ms, "b"), finished(0)},
			0,
			[]received{
				{0, chatbox.Delta{Text: "a", ModelID: "spare"}, nil},
				{ms, chatbox.Delta{Text: "b", ModelID: "spare", Finish: end.Finish, Usage: end.Usage}, nil},
			},
		},
		"usage that comes early is kept for the end": {
			[]beat{{delta: chatbox.Delta{Text: "a", Usage: end.Usage}}, {delta: chatbox.Delta{Finish: chatbox.FinishStop}}},
			0,
			[]received{{0, text("a"), nil}, {0, end, nil}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan struct{})
				got := listen(t.Context(), beats(ended, tt.provider...), coalescing{Window: 30 * ms, MaxBytes: 100, ReadOn: 16}, tt.busy)
				assert.Equal(t, tt.want, got)
				requireEnded(t, ended)
			})
		})
	}
}

// requireEnded checks that the provider's stream is over at this very moment.
func requireEnded(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	default:
		t.Fatal("the provider is still being read")
	}
}

func TestCoalesce_CutsLargeTextBetweenCharacters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("añ你🙂", 50)
		for limit := 1; limit < 40; limit++ {
			got := listen(t.Context(), beats(make(chan struct{}), said(0, text), finished(0)), coalescing{MaxBytes: limit}, 0)
			all := ""
			for _, h := range got {
				require.True(t, utf8.ValidString(h.delta.Text))
				require.LessOrEqual(t, len(h.delta.Text), max(limit, utf8.UTFMax))
				all += h.delta.Text
			}
			require.Equal(t, text, all)
			require.Equal(t, chatbox.FinishStop, got[len(got)-1].delta.Finish)
		}
	})
}

func TestCoalesce_AnySplitGivesTheSameText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		raw := rapid.OneOf(
			rapid.Map(rapid.String(), func(s string) []byte { return []byte(s) }),
			rapid.SliceOf(rapid.Byte()),
		).Draw(rt, "raw")
		var list []beat
		for left := raw; len(left) > 0; {
			n := rapid.IntRange(1, len(left)).Draw(rt, "cut")
			list = append(list, said(time.Duration(rapid.IntRange(0, 40).Draw(rt, "pause"))*ms, string(left[:n])))
			left = left[n:]
		}
		list = append(list, finished(0))
		limit := rapid.IntRange(1, 64).Draw(rt, "limit")
		busy := time.Duration(rapid.IntRange(0, 60).Draw(rt, "busy")) * ms
		synctest.Test(t, func(t *testing.T) {
			got := listen(t.Context(), beats(make(chan struct{}), list...), coalescing{Window: 30 * ms, MaxBytes: limit, ReadOn: 4}, busy)
			all := ""
			for i, h := range got {
				require.NoError(t, h.err)
				require.True(t, utf8.ValidString(h.delta.Text))
				require.Equal(t, i == len(got)-1, h.delta.Finish != "", "the finish is last")
				require.True(t, i == len(got)-1 || h.delta.Text != "", "no empty piece")
				all += h.delta.Text
			}
			if utf8.Valid(raw) {
				require.Equal(t, string(raw), all)
			}
			legible := func(s string) string { return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\uFFFD", "") }
			require.Equal(t, legible(string(raw)), legible(all))
		})
	})
}

func TestCoalesce_BreakEndsTheReader(t *testing.T) {
	silence := said(time.Hour, "too late")
	flood := make([]beat, 1000)
	for i := range flood {
		flood[i] = said(0, "x")
	}
	for name, list := range map[string][]beat{
		"while the provider is silent": {said(0, "a"), silence},
		"while the reader is ahead":    flood,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan struct{})
				began := time.Now()
				for _, err := range coalesce(t.Context(), beats(ended, list...), coalescing{Window: 30 * ms, MaxBytes: 10, ReadOn: 2}) {
					require.NoError(t, err)
					break
				}
				requireEnded(t, ended)
				assert.Zero(t, time.Since(began))
			})
		})
	}
}

func TestCoalesce_ConsumersPanicEndsTheReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		assert.PanicsWithValue(t, "mine", func() {
			for d := range coalesce(t.Context(), beats(ended, said(0, "mine"), said(time.Hour, "b")), defaultCoalesce()) { //nolint:errcheck // it does not come to that
				panic(d.Text)
			}
		})
		requireEnded(t, ended)
	})
}

func TestCoalesce_CancellationComesAtOnceAndLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*ms, func() { cancel(chatbox.NotOwner) })
		ended := make(chan struct{})
		got := listen(ctx, beats(ended, said(0, "a"), said(5*ms, "b"), said(time.Hour, "c")), coalescing{Window: 30 * ms, MaxBytes: 10, ReadOn: 2}, 0)
		require.Len(t, got, 2, "what was gathered when the answer was stopped is not shown any more")
		assert.Equal(t, "a", got[0].delta.Text)
		require.ErrorIs(t, got[1].err, chatbox.NotOwner)
		assert.Equal(t, 10*ms, got[1].at)
		requireEnded(t, ended)
	})
}

func TestCoalesce_CancelledWhileTheConsumerWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		ended := make(chan struct{})
		text := ""
		var last error
		for d, err := range coalesce(ctx, beats(ended, said(0, "abcdefgh"), finished(0)), coalescing{MaxBytes: 4, ReadOn: 2}) {
			text, last = text+d.Text, err
			cancel(chatbox.TakenOver)
		}
		assert.Equal(t, "abcd", text)
		require.ErrorIs(t, last, chatbox.TakenOver)
		requireEnded(t, ended)
	})
}

func TestCoalesce_ProvidersPanicIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		boom := func(context.Context) iter.Seq2[chatbox.Delta, error] {
			return func(yield func(chatbox.Delta, error) bool) {
				if yield(chatbox.Delta{Text: "a"}, nil) {
					panic("boom")
				}
			}
		}
		got := listen(t.Context(), boom, defaultCoalesce(), 0)
		require.Len(t, got, 2)
		assert.Equal(t, "a", got[0].delta.Text)
		require.ErrorIs(t, got[1].err, chatbox.Internal)
		e, _ := errors.AsType[*chatbox.Error](got[1].err)
		assert.NotContains(t, e.Message, "boom")
		assert.Contains(t, e.Err.Error(), "boom")
		assert.Contains(t, e.Err.Error(), "coalesce_test.go", "the stack is kept for the log")
	})
}

func TestCoalesce_FullBufferHoldsTheProviderBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		taken := 0
		endless := func(context.Context) iter.Seq2[chatbox.Delta, error] {
			return func(yield func(chatbox.Delta, error) bool) {
				for yield(chatbox.Delta{Text: "x"}, nil) {
					taken++
				}
			}
		}
		for _, err := range coalesce(t.Context(), endless, coalescing{Window: 30 * ms, MaxBytes: 10, ReadOn: 8}) {
			require.NoError(t, err)
			rest(t.Context(), time.Minute)
			break
		}
		assert.LessOrEqual(t, taken, 10)
	})
}

func TestCoalesce_PiecesOfManyAnswersFallDueTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := coalescing{Window: 40 * ms, Tick: 10 * ms, MaxBytes: 1000, ReadOn: 16, Stretch: func() time.Duration { return 17 * ms }}
		rest(t.Context(), 3*ms) // the answer begins between two ticks
		var at []time.Duration
		began := time.Now()
		steady := func(ctx context.Context) iter.Seq2[chatbox.Delta, error] {
			return func(yield func(chatbox.Delta, error) bool) {
				for range 40 {
					rest(ctx, 5*ms)
					if !yield(chatbox.Delta{Text: "x"}, nil) {
						return
					}
				}
			}
		}
		for _, err := range coalesce(t.Context(), steady, cfg) {
			require.NoError(t, err)
			at = append(at, time.Since(began))
			if len(at) > 1 {
				assert.Zero(t, time.Now().UnixNano()%int64(10*ms))
			}
			if len(at) == 3 {
				break
			}
		}
		assert.Equal(t, []time.Duration{5 * ms, 57 * ms, 117 * ms}, at, "the first at once, the others at ticks, about 57 ms apart")
	})
}

func TestStretch_GrowsWithTheAnswersOfThePod(t *testing.T) {
	t.Parallel()
	for answers, want := range map[int64]time.Duration{0: 0, 1: 0, 20: 0, 40: 10 * ms, 90: 35 * ms, 500: 35 * ms} {
		assert.Equal(t, want, stretch(answers), answers)
	}
}

func TestInflow_ReadsTheProviderShortlyBeforeAPieceIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := &inflow{base: time.Now()}
		in.wait(t.Context())
		assert.Zero(t, time.Since(in.base), "nothing was shown yet")
		in.due.Store(int64(40 * ms))
		in.wait(t.Context())
		assert.Equal(t, 40*ms-readAhead, time.Since(in.base))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		in.due.Store(int64(time.Hour))
		in.wait(ended)
	})
}

func BenchmarkCoalesce(b *testing.B) {
	for _, size := range []int{4, 64} {
		b.Run(fmt.Sprintf("1000 deltas of %d bytes", size), func(b *testing.B) {
			d := chatbox.Delta{Text: strings.Repeat("x", size)}
			flow := func(context.Context) iter.Seq2[chatbox.Delta, error] {
				return func(yield func(chatbox.Delta, error) bool) {
					for range 1000 {
						if !yield(d, nil) {
							return
						}
					}
					yield(chatbox.Delta{Finish: chatbox.FinishStop}, nil)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				pieces := 0
				for _, err := range coalesce(b.Context(), flow, defaultCoalesce()) {
					if err != nil {
						b.Fatal(err)
					}
					pieces++
				}
				if pieces > 20 {
					b.Fatalf("%d pieces", pieces)
				}
			}
		})
	}
}
