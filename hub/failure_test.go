package hub

import (
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
)

// The failure of a transcript ends no answer: neither the one that is running nor a
// later one of the same generation. Each try may fail.
func TestDeliver_FailedTranscriptsEndNoAnswer(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	s.tr.message("")
	s.tr.start()
	s.tr.piece("a", false)
	s.flow()
	for _, gen := range []chatbox.Gen{{Seq: 1, Run: 1}, {Seq: 2, Run: 1}, {Seq: 2, Run: 1}} {
		s.tr.tell(cluster.Update{Session: s.tr.key, Failure: &cluster.Failure{Gen: gen, Again: true}})
	}
	s.tr.piece("b", false)
	s.tr.piece("c", false)
	for _, u := range s.tr.channel {
		s.fs.Deliver(u)
	}
	s.tr.channel = nil
	c.settle()
	text, failures := "", 0
	for _, d := range c.frames {
		if d.Failure != nil {
			failures++
		}
		if d.Piece != nil {
			text += d.Piece.Content
		}
	}
	assert.Equal(t, "abc", text)
	assert.Equal(t, 3, failures)
}
