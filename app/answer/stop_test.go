package answer

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// Clients that were shown pieces of the claim's attempt ignore a final of the same
// attempt that stands before them.
func TestCloseRunning_TextThatRedisLostIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("Hello"))
		d.ask(t, "m1", "hi")
		running := chatbox.Gen{Seq: 1, Run: 1}
		claimed, err := d.history.ClaimTurn(t.Context(), session, running.Seq)
		require.NoError(t, err)
		shown := claimed.Turn.Claims - 1 // the attempt of this claim
		require.NoError(t, d.closeRunning(t.Context(), session, running, nil, chatbox.FinishTakenOver))
		final := d.last()
		require.NotNil(t, final.Answer)
		assert.Empty(t, final.Content)
		assert.Greater(t, final.Answer.Attempt, shown)
		assert.Equal(t, -1, final.Answer.Index)
	})
}
