//go:build !race

package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cluster"
	"chatbox/test/budget"
)

func TestAllocations_Frames(t *testing.T) {
	message := []byte(`{"type":"user_message","id":"0190f2a0-6c1e-7000-8000-00000000abcd","session_id":"s-1","content":"A question of some forty characters, or so."}`)
	said := event(func(e *chatbox.Event) { e.Content = "A question of some forty characters, or so." })
	encode := Encoder("/chatbox")
	streamed := piece(func(p *cluster.Piece) { p.Content = "A piece of some forty characters, as it were." })
	for name, tc := range map[string]struct {
		budget.Budget

		run func()
	}{
		"decode a message": {budget.Budget{Objects: 70, Bytes: 2980}, func() {
			_, err := decode(message)
			require.NoError(t, err)
		}},
		"encode an event": {budget.Budget{Objects: 10, Bytes: 976}, func() { encode(said) }},
		"encode a piece":  {budget.Budget{Objects: 18, Bytes: 1370}, func() { encode(streamed) }},
	} {
		t.Run(name, func(t *testing.T) { budget.Hold(t, tc.Budget, 1000, tc.run) })
	}
}
