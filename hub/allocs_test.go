//go:build !race

package hub

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
	"chatbox/test/budget"
)

func TestAllocations_Deliver(t *testing.T) {
	frame, err := json.Marshal(Delivery{})
	require.NoError(t, err)
	h := New(Config{}, func(Delivery) []byte { return frame }, nil)
	fs, tr := NewFeeds(h), newTruth()
	const sockets = 10
	for i := range sockets {
		c := newListener(tr, fmt.Sprint(i), "u", 1<<29)
		h.Add(c.conn)
		_, err := fs.Enter(c.id, tr.key)
		require.NoError(t, err)
		require.NoError(t, fs.Join(t.Context(), c.id, tr.key, Join{}))
	}
	u := cluster.Update{Session: tr.key, Owner: "u", Event: &chatbox.Event{Owner: "u", Type: chatbox.TypeUserMessage}}
	budget.Hold(t, budget.Budget{Objects: 10, Bytes: 3950}, 1000, func() {
		u.Event.Seq++
		require.True(t, fs.Deliver(u))
	})
}
