package hub

import (
	"encoding/json"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// toldOf takes what waits for the socket, without judging it by a log that is
// gone, and lists the events.
func toldOf(t *testing.T, c *listener) (out []int64) {
	t.Helper()
	c.conn.mu.Lock()
	defer c.conn.mu.Unlock()
	for len(c.conn.out.items) > 0 {
		var d told
		require.NoError(t, json.Unmarshal(c.conn.popLocked().frame, &d))
		c.frames = append(c.frames, d)
		if d.Event != nil {
			out = append(out, d.Event.Seq)
		}
	}
	return out
}

func TestErase_ToldOnceAndNothingAfter(t *testing.T) {
	s := newStage(t)
	a, other := s.socket("a", "ann", true), s.socket("b", "bob", true)
	f := s.fs.feed(s.tr.key)
	last := f.last
	end := chatbox.Erasure(s.tr.key, "ann", last+7, time.Now())
	u := cluster.Update{Session: s.tr.key, Owner: "ann", Head: end.Seq, Event: &end}
	require.True(t, s.fs.Deliver(u), "what is missing before it is gone")
	require.True(t, s.fs.Deliver(u))
	require.True(t, s.fs.CatchUp(s.tr.key, []chatbox.Event{end}, nil))
	later := chatbox.Event{Session: s.tr.key, Seq: end.Seq + 1, Key: "s:x", Type: chatbox.TypeUserMessage, Owner: "ann", Content: "late"}
	for _, u := range []cluster.Update{
		{Session: s.tr.key, Owner: "ann", Head: later.Seq, Event: &later},
		{Session: s.tr.key, Owner: "ann", Head: end.Seq, Loading: &cluster.Loading{AnswerID: "ans_1", Gen: chatbox.Gen{Seq: 99, Run: 1}}},
		{Session: s.tr.key, Owner: "ann", Head: end.Seq, Piece: &cluster.Piece{AnswerID: "ans_1", Gen: chatbox.Gen{Seq: 99, Run: 1}, Content: "late"}},
		{Session: s.tr.key, Owner: "ann", Head: end.Seq, Failure: &cluster.Failure{AnswerID: "ans_1", Gen: chatbox.Gen{Seq: 99, Run: 1}}},
		{Session: s.tr.key, Owner: "ann", Typing: &cluster.Typing{Conn: "x", UserID: "ann", On: true}},
		{Session: s.tr.key, Head: end.Seq + 9, Notice: true},
	} {
		require.True(t, s.fs.Deliver(u), "nothing is missing any more: %+v", u)
	}
	_, mine := s.fs.BeginCatchUp(s.tr.key)
	assert.False(t, mine)
	assert.Empty(t, s.fs.Positions(), "nothing is compared any more")
	assert.Equal(t, []int64{end.Seq}, toldOf(t, a))
	assert.Empty(t, toldOf(t, other), "it is not theirs")
	n := 0
	for _, c := range []*listener{a, other} {
		for _, d := range c.frames {
			if d.Piece != nil || d.Loading != nil || d.Failure != nil || d.Typing != nil {
				n++
			}
		}
	}
	assert.Zero(t, n)
}
