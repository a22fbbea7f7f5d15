package lanes

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One key takes no lane of others', however much it asks for, and nothing is
// left of acts that ended or were given up.
func TestLanes_EachKeyHasItsShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New[string](3, 2)
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
	})
}
