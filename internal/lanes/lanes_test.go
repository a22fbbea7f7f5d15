package lanes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// known returns the number of keys with a share.
func known[K comparable](l *Lanes[K]) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.of)
}

// One key takes no lane of others', however much it asks for, and nothing is
// left of acts that ended or were given up.
func TestLanes_EachKeyHasItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](Config{All: 3, Each: 2})
		leaves, refused := make(chan func(), 10), make(chan error, 10)
		ask := func(k string) {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				leave, err := l.Enter(ctx, k)
				if err != nil {
					refused <- err
					return
				}
				leaves <- leave
			}()
		}
		for range 5 {
			ask("greedy")
		}
		synctest.Wait()
		assert.Len(t, leaves, 2)
		ask("a")
		synctest.Wait()
		assert.Len(t, leaves, 3)
		ask("b")
		synctest.Wait()
		assert.Len(t, leaves, 3, "no lane is left")
		(<-leaves)()
		synctest.Wait()
		assert.Len(t, leaves, 3, "whoever waited is next")
		for l.Acts() > len(leaves) {
			require.ErrorIs(t, <-refused, context.DeadlineExceeded)
			synctest.Wait()
		}
		for len(leaves) > 0 {
			(<-leaves)()
		}
		assert.Zero(t, l.Acts())
		assert.Zero(t, known(l))
	})
}

// A key that always asks for more gets its free time and then its part of the
// time. While it waits, other keys can enter.
func TestLanes_EachKeyHasItsPartOfTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const ms = time.Millisecond
		l, began := New[string](Config{All: 1, Each: 1, Part: 3, Free: 200 * ms}), time.Now()
		act := func(k string, takes time.Duration) time.Duration {
			leave, err := l.Enter(t.Context(), k)
			require.NoError(t, err)
			at := time.Since(began)
			<-time.After(takes)
			leave()
			return at
		}
		assert.Zero(t, act("greedy", 100*ms))
		assert.Equal(t, 100*ms, act("greedy", 100*ms), "that much is free")
		assert.Equal(t, 200*ms, act("greedy", 100*ms))
		assert.Equal(t, 300*ms, act("ada", 50*ms), "the lane is anybody's")
		assert.Equal(t, 400*ms, act("greedy", 100*ms), "a third of the time, from the beginning")
		assert.Equal(t, 700*ms, act("greedy", time.Minute))
		assert.Equal(t, 60*time.Second+700*ms+MaxRest, act("greedy", 0))
		assert.Equal(t, 1, known(l), "a key whose rest is over is forgotten")
		<-time.After(MaxRest)
		assert.Zero(t, known(l))
	})
}

func TestLanes_SayWhoseActsWereInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](Config{All: 1, Each: 1})
		leave, err := l.Enter(t.Context(), "greedy")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = l.Enter(ctx, "greedy")
		require.ErrorIs(t, err, ErrShare)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		_, err = l.Enter(ctx, "ada")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NotErrorIs(t, err, ErrShare)
		leave()
		assert.Zero(t, l.Acts())
	})
}
