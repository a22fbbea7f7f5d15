package transcribe_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/transcribe"
	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// failing is a provider that always fails.
func failing(context.Context, int) (chatbox.Transcript, error) {
	return chatbox.Transcript{}, errVendor
}

var errVendor = chatbox.NewError(chatbox.ModelFailed, "Nobody listened.", nil)

func TestAwait_MakesOneTranscript(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("hello", chatbox.TurnPending)
		var wg sync.WaitGroup
		for _, name := range []string{"a", "b", "c"} {
			wg.Go(func() {
				seq, err := tm.pod(name).Await(t.Context(), k)
				if assert.NoError(t, err) {
					assert.EqualValues(t, 2, seq)
				}
			})
		}
		wg.Wait()
		all := tm.transcripts()
		require.Len(t, all, 1)
		e := all[0]
		of, ok := e.Transcribes()
		assert.True(t, ok)
		assert.EqualValues(t, 1, of)
		assert.Equal(t, "heard hello", e.Content)
		assert.Equal(t, map[string]string{"of": "hello", "of_seq": "1", "duration_ms": "1500", "language": "en"}, e.Metadata)
		assert.Equal(t, chatbox.SenderSystem, e.Sender)
		assert.Equal(t, 1, tm.ear.times(), "the provider is asked once")
		assert.Equal(t, chatbox.TranscriptDone, tm.books.of(k).state)
		seq, err := tm.pod("d").Await(t.Context(), k)
		require.NoError(t, err)
		assert.EqualValues(t, 2, seq)
		assert.Equal(t, 1, tm.ear.times())
	})
}

func TestAwait_NothingToTranscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		delete(tm.books.all, k) // stored by a pod without a provider
		seq, err := tm.pod("a").Await(t.Context(), k)
		require.NoError(t, err)
		assert.Zero(t, seq)
		assert.Zero(t, tm.ear.times())
	})
}

func TestAwait_AFailureIsTheProvidersAndIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		tm.ear.says = func(_ context.Context, nth int) (chatbox.Transcript, error) {
			if nth == 1 {
				return chatbox.Transcript{}, errVendor
			}
			return chatbox.Transcript{Text: " now\x00 it\r\nworks \n", Language: "<b>"}, nil
		}
		pod := tm.pod("a")
		_, err := pod.Await(t.Context(), k)
		require.ErrorIs(t, err, chatbox.ModelFailed)
		assert.Equal(t, chatbox.TranscriptFailed, tm.books.of(k).state)
		assert.Empty(t, tm.redis.Ephemerals(), "the answer reports it")
		seq, err := pod.Await(t.Context(), k)
		require.NoError(t, err)
		assert.EqualValues(t, 2, seq)
		assert.Equal(t, "now it\nworks", tm.transcripts()[0].Content)
		assert.NotContains(t, tm.transcripts()[0].Metadata, "language")
	})
}

func TestAwait_LeftByItsAnswerTheTranscriptIsMadeAnyway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		pod := tm.pod("a")
		defer run(t, pod)()
		ctx, takeover := context.WithTimeoutCause(t.Context(), time.Second/2, chatbox.NotOwner)
		defer takeover()
		_, err := pod.Await(ctx, k)
		require.ErrorIs(t, err, chatbox.NotOwner)
		pass(t, 2*time.Second)
		assert.Len(t, tm.transcripts(), 1)
	})
}

func TestAwait_WaitsForAnOutageOfTheHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		tm.books.breaks(chatbox.Unavailable)
		time.AfterFunc(10*time.Second, func() { tm.books.breaks(nil) })
		seq, err := tm.pod("a").Await(t.Context(), k)
		require.NoError(t, err)
		assert.EqualValues(t, 2, seq)

		tm.books.breaks(chatbox.Unavailable)
		other := tm.records("y", chatbox.TurnPending)
		_, err = tm.pod("a").Await(t.Context(), other)
		assert.ErrorIs(t, err, chatbox.Unavailable, "not for ever")
	})
}

func TestRun_ADeadPodsWorkIsMadeByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnHeld)
		tm.ear.says = func(ctx context.Context, nth int) (chatbox.Transcript, error) {
			if nth == 1 {
				<-ctx.Done() // the pod dies meanwhile
			}
			return chatbox.Transcript{Text: "heard"}, ctx.Err()
		}
		dead := tm.pod("a")
		kill := run(t, dead)
		dead.Raise(k)
		pass(t, time.Second)
		dead.Cut()
		kill()
		assert.NotEmpty(t, tm.books.of(k).token, "a crash gives nothing back")
		stop := run(t, tm.pod("b"))
		defer stop()
		pass(t, transcribe.DefaultConfig().Lease+2*transcribe.DefaultConfig().SweepEvery)
		assert.Len(t, tm.transcripts(), 1)
		assert.Equal(t, 2, tm.ear.times())
	})
}

func TestRun_APodThatStopsGivesItsWorkBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnHeld)
		first := tm.pod("a")
		stop := run(t, first)
		first.Raise(k)
		pass(t, time.Second/2)
		stop()
		assert.Equal(t, 1, tm.outcome(transcribe.OutcomeReleased))
		assert.Empty(t, tm.books.of(k).token)
		defer run(t, tm.pod("b"))()
		pass(t, 4*time.Second)
		assert.Len(t, tm.transcripts(), 1)
	})
}

func TestRun_ALongRecordingKeepsItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnHeld)
		tm.ear.says = func(ctx context.Context, _ int) (chatbox.Transcript, error) {
			sleep.For(ctx, 90*time.Second)
			return chatbox.Transcript{Text: strings.Repeat("é", 100<<10)}, nil
		}
		a, b := tm.pod("a"), tm.pod("b")
		defer run(t, a)()
		defer run(t, b)()
		a.Raise(k)
		pass(t, 2*time.Minute)
		all := tm.transcripts()
		require.Len(t, all, 1)
		assert.Equal(t, 1, tm.ear.times())
		assert.Equal(t, strings.Repeat("é", 64<<10), all[0].Content, "cut between characters")
		assert.Equal(t, "true", all[0].Metadata["truncated"])
	})
}

func TestRun_AFailureIsReportedToThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		held, staffs := tm.records("x", chatbox.TurnHeld), tm.records("staff's", "")
		tm.ear.says = failing
		pod := tm.pod("a")
		defer run(t, pod)()
		pod.Raise(held)
		pod.Raise(staffs)
		pass(t, time.Minute)
		require.Len(t, tm.redis.Ephemerals(), 1, "once, and not for a recording that nobody answers")
		f := tm.redis.Ephemerals()[0].Failure
		assert.Equal(t, chatbox.AnswerID(session, 1, 1), f.AnswerID)
		assert.Equal(t, "x", f.ReplyTo)
		assert.Equal(t, "Nobody listened.", f.Message)
		assert.Equal(t, chatbox.ModelFailed, f.Code)
		assert.Equal(t, 2, tm.ear.times(), "it is not tried again by itself")

		require.NoError(t, pod.Again(t.Context(), held))
		pass(t, time.Minute)
		assert.Len(t, tm.redis.Ephemerals(), 2, "the second try fails as well")
		tm.ear.says = nil
		require.NoError(t, pod.Again(t.Context(), held))
		pass(t, time.Minute)
		assert.Len(t, tm.transcripts(), 1)
		require.ErrorIs(t, pod.Again(t.Context(), held), chatbox.NotFound)
	})
}

// An answer waits for nothing where nothing can be made, however often it asks.
func TestAwait_ARecordingThatIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("gone", chatbox.TurnPending)
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			seq, err := tm.pod("a").Await(ctx, k)
			cancel()
			require.NoError(t, err)
			assert.Zero(t, seq)
		}
	})
}

// The answer to a recording reports its failure; the queue must not, since the
// answer tries again.
func TestRun_LeavesTheReportToTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		tm.ear.says = failing
		defer run(t, tm.pod("a"))()
		pass(t, 10*time.Second)
		assert.Equal(t, chatbox.TranscriptFailed, tm.books.of(k).state)
		assert.Empty(t, tm.redis.Ephemerals())
	})
}

// However often it failed, a retry asks the provider again, but not at once.
func TestAgain_HasNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnHeld)
		var asked []time.Time
		tm.ear.says = func(context.Context, int) (chatbox.Transcript, error) {
			asked = append(asked, time.Now())
			return chatbox.Transcript{}, errVendor
		}
		pod := tm.pod("a")
		defer run(t, pod)()
		pod.Raise(k)
		for n := range 20 {
			for tm.books.of(k).state != chatbox.TranscriptFailed {
				pass(t, time.Second/10)
			}
			require.Len(t, asked, n+1)
			require.NoError(t, pod.Again(t.Context(), k))
			require.ErrorIs(t, pod.Again(t.Context(), k), chatbox.NotFound, "it is pending")
		}
		for n := 1; n < len(asked); n++ {
			assert.GreaterOrEqual(t, asked[n].Sub(asked[n-1]), transcribe.DefaultConfig().Pause, "the provider has a pause")
		}
	})
}

// A provider that hangs, or a store, costs its places and nothing else: the work
// fails, and other owners' recordings are made.
func TestAwait_AProviderThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		hung := make(chan struct{})
		tm.ear.says = func(context.Context, int) (chatbox.Transcript, error) { <-hung; return chatbox.Transcript{}, errVendor }
		pod := tm.pod("a")
		began := time.Now()
		_, err := pod.Await(t.Context(), k)
		require.ErrorIs(t, err, chatbox.ModelTimeout)
		assert.Equal(t, transcribe.DefaultConfig().Longest, time.Since(began))
		assert.Equal(t, chatbox.TranscriptFailed, tm.books.of(k).state)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		_, err = pod.Await(ctx, k)
		require.ErrorIs(t, err, context.DeadlineExceeded, "a caller leaves when it likes")
		_, err = pod.Await(t.Context(), tm.records("y", chatbox.TurnPending))
		require.ErrorIs(t, err, chatbox.ModelTimeout)
		began = time.Now()
		_, err = pod.Await(t.Context(), tm.records("z", chatbox.TurnPending))
		require.ErrorIs(t, err, chatbox.ModelFailed, "the owner's places are taken: it says so")
		assert.Less(t, time.Since(began), 2*transcribe.DefaultConfig().Wait)
		close(hung)
		synctest.Wait()
	})
}

// A store that hangs costs its places and nothing else.
func TestAwait_AStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnPending)
		tm.hangs = make(chan struct{})
		began := time.Now()
		_, err := tm.pod("a").Await(t.Context(), k)
		require.ErrorIs(t, err, chatbox.ModelTimeout)
		assert.Equal(t, transcribe.DefaultConfig().Longest, time.Since(began))
		assert.Equal(t, chatbox.TranscriptFailed, tm.books.of(k).state, "the claim is not kept for ever")
		close(tm.hangs)
		synctest.Wait()
	})
}

// A recording that is sent several times at once is paid for once.
func TestRun_ARecordingSentSeveralTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		pod := tm.pod("a")
		defer run(t, pod)()
		for _, id := range []string{"1", "2", "3", "4", "5"} {
			pod.Raise(tm.recordsIn(session, "ada", id, "hello", chatbox.TurnHeld))
		}
		pass(t, time.Minute)
		assert.Len(t, tm.transcripts(), 5)
		assert.Equal(t, 1, tm.ear.times())
	})
}

// The recordings of one owner leave most of the pod's workers and places to others.
func TestRun_OneOwnersRecordingsDelayNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		tm.ear.says = func(ctx context.Context, _ int) (chatbox.Transcript, error) {
			sleep.For(ctx, time.Minute)
			return chatbox.Transcript{Text: "at last"}, nil
		}
		pod := tm.pod("a")
		defer run(t, pod)()
		for n := range 50 {
			id := strconv.Itoa(n)
			pod.Raise(tm.recordsIn(session, "ada", id, id, chatbox.TurnHeld))
		}
		synctest.Wait()
		assert.Equal(t, transcribe.DefaultConfig().Each, tm.ear.times())
		bobs := chatbox.SessionKey{ID: "bobs"}
		pod.Raise(tm.recordsIn(bobs, "bob", "b", "b", chatbox.TurnHeld))
		synctest.Wait()
		assert.Equal(t, transcribe.DefaultConfig().Each+1, tm.ear.times(), "it is made at once")
		pass(t, 30*time.Minute)
		assert.Len(t, tm.transcripts(), 50)
		assert.Len(t, tm.history.Log(bobs), 2)
		assert.Equal(t, 51, tm.outcome(transcribe.OutcomeDone), "what waits is not claimed")
	})
}

// Work that was left is found behind any amount of work that waits for its owner.
func TestRun_OneOwnersBacklogHidesNobodyElses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		tm.ear.says = func(ctx context.Context, _ int) (chatbox.Transcript, error) {
			sleep.For(ctx, time.Minute)
			return chatbox.Transcript{Text: "at last"}, nil
		}
		for n := range 500 {
			id := strconv.Itoa(n)
			tm.recordsIn(session, "ada", id, id, chatbox.TurnHeld)
		}
		pass(t, time.Second)
		bobs := chatbox.SessionKey{ID: "bobs"}
		tm.recordsIn(bobs, "bob", "b", "b", chatbox.TurnHeld)
		defer run(t, tm.pod("a"))()
		pass(t, time.Minute+transcribe.DefaultConfig().Lease+5*transcribe.DefaultConfig().SweepEvery)
		assert.Len(t, tm.history.Log(bobs), 2)
	})
}

func TestRun_NothingIsMadeAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k, gone := tm.records("x", chatbox.TurnHeld), tm.records("gone", chatbox.TurnHeld)
		pod := tm.pod("a")
		defer run(t, pod)()
		pod.Raise(k)
		pod.Raise(gone)
		synctest.Wait()
		tm.end()
		pass(t, time.Minute)
		assert.Empty(t, tm.transcripts())
		assert.Equal(t, 2, tm.outcome(transcribe.OutcomeVoid))
		assert.Equal(t, chatbox.TranscriptDone, tm.books.of(k).state)
		assert.Empty(t, tm.redis.Ephemerals())
	})
}

func TestRun_WorkThatKillsPodsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tm := newTeam(t)
		k := tm.records("x", chatbox.TurnHeld)
		tm.books.all[k].tries = transcribe.DefaultConfig().MaxTries // pods died
		pod := tm.pod("a")
		defer run(t, pod)()
		pod.Raise(k)
		pass(t, time.Minute)
		assert.Zero(t, tm.ear.times())
		assert.Equal(t, chatbox.TranscriptFailed, tm.books.of(k).state)
		assert.Len(t, tm.redis.Ephemerals(), 1)
	})
}
