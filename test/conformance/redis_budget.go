package conformance

import (
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
	"chatbox/test/budget"
)

// RedisAllocations holds what a message, a claim and a piece of an answer allocate
// to their budgets. The server must be another process.
func RedisAllocations(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	t.Run("begin and publish a message", func(t *testing.T) {
		budget.Hold(t, budget.Budget{Objects: 143, Bytes: 12_200}, 300, func() {
			e := k.note("A question of some forty characters, or so.")
			_, err := k.c.Begin(t.Context(), cluster.Beginning{Session: k.key, Key: e.Key, User: k.user()})
			require.NoError(t, err)
			k.say(e)
		})
	})
	k = k.again()
	k.say(k.message("question"))
	l := k.taken()
	o := k.stream(l, 0)
	t.Run("append a piece", func(t *testing.T) {
		budget.Hold(t, budget.Budget{Objects: 52, Bytes: 5_150}, 300, func() {
			var p cluster.Piece
			p, o = add(o, "some words ")
			o.Text = ""
			require.NoError(t, k.c.Append(t.Context(), l, p))
		})
	})
	t.Run("claim a turn and finish it", func(t *testing.T) {
		budget.Hold(t, budget.Budget{Objects: 219, Bytes: 23_900}, 100, func() {
			k := k.again()
			k.say(k.message("question"))
			l := k.taken()
			k.say(k.final(k.opening(l, 0), chatbox.FinishStop))
		})
	})
}
