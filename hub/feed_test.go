package hub

import (
	"fmt"
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stage is a pod with sockets whose writer is the test.
type stage struct {
	t  *testing.T
	tr *truth
	h  *Hub
	fs *Feeds
}

func newStage(t *testing.T) *stage {
	t.Helper()
	h := New(Config{}, encodeTold, nil)
	return &stage{t: t, tr: newTruth(), h: h, fs: NewFeeds(h)}
}

// socket adds one that is live at the head, or nowhere.
func (s *stage) socket(id, user string, joined bool) *listener {
	s.t.Helper()
	c := newListener(s.tr, id, user, 1<<20)
	s.h.Add(c.conn)
	if joined {
		s.join(c, s.tr.state.Head)
	}
	return c
}

func (s *stage) join(c *listener, from int64) {
	s.t.Helper()
	_, err := s.fs.Enter(c.id, s.tr.key)
	require.NoError(s.t, err)
	events, state, open := s.tr.read(from)
	c.mark(from)
	require.NoError(s.t, s.fs.Join(s.t.Context(), c.id, s.tr.key, Join{
		Owner: s.tr.owner, From: from, Events: events, State: state, Open: open, Announce: true, Recovered: true,
	}))
}

// flow delivers what was published; all of it must be wanted.
func (s *stage) flow() {
	s.t.Helper()
	for _, u := range s.tr.channel {
		require.True(s.t, s.fs.Deliver(u), describe(u))
	}
	s.tr.channel = nil
}

// got writes everything and lists it by kind.
func (s *stage) got(c *listener) []string {
	s.t.Helper()
	c.settle()
	require.Empty(s.t, c.faults)
	var out []string
	for _, d := range c.frames {
		switch {
		case d.Mark != nil:
			out = nil // what was before a resume is not of interest
		case d.Event != nil && d.Replay:
			out = append(out, fmt.Sprint("replay ", d.Event.Seq))
		case d.Event != nil:
			out = append(out, fmt.Sprint("event ", d.Event.Seq))
		case d.Ack != nil && d.Ack.Duplicate:
			out = append(out, fmt.Sprint("ack again ", d.Ack.Seq))
		case d.Ack != nil:
			out = append(out, fmt.Sprint("ack ", d.Ack.Seq))
		case d.Piece != nil && d.Piece.Snapshot:
			out = append(out, "snapshot "+d.Piece.Content)
		case d.Piece != nil:
			out = append(out, "piece "+d.Piece.Content)
		case d.Loading != nil:
			out = append(out, "loading")
		case d.Failure != nil:
			out = append(out, "failure")
		case d.Read != nil:
			out = append(out, fmt.Sprint("read ", d.Read.UserID, " ", d.Read.Seq))
		case d.Notification != nil:
			out = append(out, d.Notification.Event)
		case d.Place != nil:
			out = append(out, fmt.Sprint("place ", d.Place.Position, " of ", d.Place.Waiting))
		case d.Resumed != nil:
			out = append(out, fmt.Sprint("resumed ", d.Resumed.Seq))
		}
	}
	return out
}

func TestFeed_AnswerIsShownInOrder(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	s.tr.message("")
	s.tr.start()
	s.tr.piece("a", false)
	s.tr.piece("b", false)
	s.tr.restart()
	s.tr.piece("c", false)
	s.tr.final(chatbox.FinishStop, nil)
	s.flow()
	assert.Equal(t, []string{
		"resumed 0", "event 1", "loading", "piece a", "piece b", "snapshot ", "piece c", "event 2",
	}, s.got(c))
}

func TestFeed_OwnFramesAreAckedOrSuppressed(t *testing.T) {
	s := newStage(t)
	c, other := s.socket("c", "u", true), s.socket("other", "u", true)
	for i, named := range []bool{true, false} {
		key := fmt.Sprint("own", i)
		c.own[key] = named
		c.unnamed[int64(i+1)] = !named
		s.fs.Expect(c.id, s.tr.key, key, named)
		s.tr.message(key)
	}
	s.fs.Expect(c.id, s.tr.key, "refused", true)
	s.fs.Forget(c.id, s.tr.key, "refused")
	s.tr.message("refused")
	s.flow()
	assert.Equal(t, []string{"resumed 0", "ack 1", "event 3"}, s.got(c))
	assert.Equal(t, []string{"resumed 0", "event 1", "event 2", "event 3"}, s.got(other))
}

func TestFeed_AckAgain(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	c.own["k"] = true
	s.fs.Expect(c.id, s.tr.key, "k", true)
	e := s.tr.message("k")
	assert.False(t, s.fs.AckAgain(c.id, e), "its event is under way: the ack comes in its place")
	s.flow()
	assert.True(t, s.fs.AckAgain(c.id, e), "it came meanwhile, and was acked: not twice")
	s.fs.Expect(c.id, s.tr.key, "k", true)
	assert.True(t, s.fs.AckAgain(c.id, e), "a later repeat gets one more")
	assert.Equal(t, []string{"resumed 0", "ack 1", "ack again 1"}, s.got(c))
	later := s.socket("later", "u", true)
	later.own["k"] = true
	s.fs.Expect(later.id, s.tr.key, "k", true)
	assert.True(t, s.fs.AckAgain(later.id, e), "at or below where it joined counts as sent")
	assert.Equal(t, []string{"resumed 1", "ack again 1"}, s.got(later))
	assert.False(t, s.fs.AckAgain("nobody", e))
}

func TestFeed_FailureIsToldOnce(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	late := s.socket("late", "u", false)
	s.tr.message("")
	s.tr.start()
	s.tr.fail()
	_, err := s.fs.Enter(late.id, s.tr.key)
	require.NoError(t, err)
	lost, failure := s.tr.channel[0], s.tr.channel[2]
	s.tr.channel = nil
	assert.False(t, s.fs.Deliver(failure), "an event before it is missing")
	assert.False(t, s.fs.Deliver(failure))
	assert.Equal(t, []string{"resumed 0"}, s.got(c))
	assert.True(t, s.fs.CatchUp(s.tr.key, []chatbox.Event{*lost.Event}, nil))
	assert.True(t, s.fs.Deliver(failure))
	assert.Equal(t, []string{"resumed 0", "event 1", "failure"}, s.got(c))
	s.join(late, 1)
	assert.Equal(t, []string{"resumed 1", "failure"}, s.got(late), "it fell into the join")

	s.tr.message("")
	s.tr.start()
	s.tr.piece("kept", false)
	s.tr.final(chatbox.FinishError, nil)
	s.flow()
	assert.Equal(t, []string{
		"resumed 0", "event 1", "failure", "event 2", "loading", "piece kept", "event 3", "failure",
	}, s.got(c), "the error stands behind the final")
}

func TestFeed_CollapsedPiecesAreMadeUpFor(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	c.conn.cfg.CollapseBytes = 900
	s.tr.message("")
	s.tr.start()
	s.flow()
	require.Equal(t, []string{"resumed 0", "event 1", "loading"}, s.got(c))
	want := ""
	for i := range 9 {
		want += fmt.Sprint(i)
		s.tr.piece(fmt.Sprint(i), false)
	}
	s.flow()
	c.write(1 << 30)
	require.NotEmpty(t, c.owed, "the writer is about to report that the queue has drained")
	s.tr.piece("9", false)
	s.flow() // and in between a piece arrives
	assert.Equal(t, []string{"resumed 0", "event 1", "loading", "snapshot " + want + "9"}, s.got(c))
	for range 9 {
		s.tr.piece("x", false)
	}
	s.tr.final(chatbox.FinishStop, nil)
	s.flow()
	assert.Equal(t, []string{"snapshot " + want + "9xxxxxxxxx", "event 2"}, s.got(c)[4:], "the whole text, then its final")
}

// Pieces that another session's frame removed from the queue are missing until
// the writer has reported them. Frames that arrive in between change nothing.
func TestFeed_PiecesTakenOutForAnotherSessionAreMadeUpFor(t *testing.T) {
	for _, ends := range []bool{false, true} {
		s := newStage(t)
		c := s.socket("c", "u", true)
		s.tr.message("")
		s.tr.start()
		s.flow()
		require.Equal(t, []string{"resumed 0", "event 1", "loading"}, s.got(c))
		s.tr.piece("a", false)
		s.tr.piece("b", false)
		s.flow()
		c.shake()
		c.write(1 << 30)
		require.NotEmpty(t, c.owed, "the writer is about to report that the queue has drained")
		want := []string{"snapshot abc"}
		s.tr.piece("c", false)
		if ends {
			s.tr.final(chatbox.FinishStop, nil)
			want = append(want, "event 2")
		}
		s.flow()
		assert.Equal(t, want, s.got(c)[3:])
	}
}

func TestFeed_QueuedTextOutlivesTheNextAnswersCollapse(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	c.conn.cfg.CollapseBytes = 2500
	s.tr.message("")
	s.tr.message("")
	s.tr.start()
	s.tr.piece("first", false)
	s.tr.final(chatbox.FinishStop, nil)
	s.tr.start()
	for range 9 {
		s.tr.piece("x", false)
	}
	s.flow() // nothing is written meanwhile
	assert.Equal(t, []string{
		"resumed 0", "event 1", "event 2", "loading", "piece first", "event 3", "loading", "snapshot xxxxxxxxx",
	}, s.got(c))
}

func TestFeed_NoPieceBehindATakeoverTheSocketJoinedBehind(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	s.tr.message("")
	s.tr.start()
	s.tr.piece("a", false)
	s.tr.takeover()
	ahead := s.socket("ahead", "u", true) // it reads what the pod has not received yet
	for _, u := range s.tr.channel {
		s.fs.Deliver(u)
	}
	assert.Equal(t, []string{"resumed 3"}, s.got(ahead))
	assert.Equal(t, []string{"resumed 0", "event 1", "loading", "piece a", "event 2", "event 3"}, s.got(c))
}

func TestFeed_AnotherOwnersEventsReachNobody(t *testing.T) {
	s := newStage(t)
	stranger := s.socket("stranger", "x", true) // the id was free, and reserved
	s.tr.message("")
	s.tr.start()
	s.tr.piece("a", false)
	s.flow()
	c := s.socket("c", "u", true)
	assert.Equal(t, []string{"snapshot a", "resumed 1"}, s.got(c))
	_, _, open := s.tr.read(1)
	_, err := s.fs.Enter(stranger.id, s.tr.key)
	require.NoError(t, err)
	assert.Equal(t, []string{"resumed 0"}, s.got(stranger))
	stranger.mark(1)
	require.NoError(t, s.fs.Join(t.Context(), stranger.id, s.tr.key, Join{From: 1, Announce: true}))
	s.tr.piece("b", false)
	open.Index, open.Text = 7, "read"
	s.fs.CatchUp(s.tr.key, nil, open)
	s.tr.final(chatbox.FinishError, nil)
	s.flow()
	assert.Equal(t, []string{"resumed 1"}, s.got(stranger))
}

func TestFeed_EarlyUpdatesBeyondTheBoundAreReadAgain(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", false)
	_, err := s.fs.Enter(c.id, s.tr.key)
	require.NoError(t, err)
	events, state, _ := s.tr.read(0)
	for range maxEarly + 5 {
		s.tr.message("")
	}
	s.flow()
	c.mark(0)
	j := Join{Events: events, State: state, Announce: true, Recovered: true}
	require.ErrorIs(t, s.fs.Join(t.Context(), c.id, s.tr.key, j), chatbox.Clash)
	j.Events, j.State, _ = s.tr.read(0)
	j.Continue = true
	require.NoError(t, s.fs.Join(t.Context(), c.id, s.tr.key, j))
	got := s.got(c)
	assert.Len(t, got, maxEarly+6)
	assert.Equal(t, fmt.Sprint("resumed ", maxEarly+5), got[len(got)-1])
}

func TestFeed_WhatASlowReplayMissesIsBoundedAndReadAgain(t *testing.T) {
	s := newStage(t)
	s.socket("quick", "u", true)
	c := s.socket("c", "u", false)
	_, err := s.fs.Enter(c.id, s.tr.key)
	require.NoError(t, err)
	c.mark(0)
	for range maxRecent + 2 {
		s.tr.message("")
	}
	s.flow()
	assert.LessOrEqual(t, len(s.fs.feed(s.tr.key).recent), maxRecent)
	require.ErrorIs(t, s.fs.Join(t.Context(), c.id, s.tr.key, Join{Announce: true, Recovered: true}), chatbox.Clash)
	sent, _ := s.fs.Attached(c.id, s.tr.key)
	events, state, open := s.tr.read(sent)
	require.NoError(t, s.fs.Join(t.Context(), c.id, s.tr.key, Join{
		Events: events, State: state, Open: open, Announce: true, Recovered: true, Continue: true,
	}))
	assert.Len(t, s.got(c), maxRecent+3)
}

func TestFeed_AHoleInTheReplayIsNotShown(t *testing.T) {
	s := newStage(t)
	for range 5 {
		s.tr.message("")
	}
	c := s.socket("c", "u", false)
	_, err := s.fs.Enter(c.id, s.tr.key)
	require.NoError(t, err)
	events, state, _ := s.tr.read(0)
	c.mark(0)
	j := Join{Events: append(events[:2:2], events[3:]...), State: state, Announce: true}
	require.ErrorIs(t, s.fs.Join(t.Context(), c.id, s.tr.key, j), chatbox.Clash)
	j.Events = events[:4]
	require.ErrorIs(t, s.fs.Join(t.Context(), c.id, s.tr.key, j), chatbox.Clash, "short of the head")
	sent, ok := s.fs.Attached(c.id, s.tr.key)
	assert.True(t, ok)
	assert.EqualValues(t, 4, sent)
}

func TestFeed_WaitsForTheEndOfAnAnswer(t *testing.T) {
	s := newStage(t)
	s.socket("c", "u", true)
	answering := func() chatbox.Gen { return s.fs.Answering(s.tr.key) }
	assert.Zero(t, answering(), "nothing was announced")
	s.tr.message("")
	s.flow()
	assert.Zero(t, answering(), "a question alone is not an answer")
	s.tr.start()
	s.flow()
	first := chatbox.Gen{Seq: 1, Run: 1}
	assert.Equal(t, first, answering())
	assert.Equal(t, first, s.fs.Positions()[0].Answering)
	s.tr.fail()
	s.flow()
	assert.Zero(t, answering(), "its failure was told")
	s.tr.message("")
	s.tr.start()
	s.tr.piece("a", false)
	s.flow()
	assert.Equal(t, chatbox.Gen{Seq: 2, Run: 1}, answering())
	s.tr.final(chatbox.FinishStop, nil)
	s.flow()
	assert.Zero(t, answering(), "its final was told")
	assert.Zero(t, s.fs.Answering(chatbox.SessionKey{ID: "unknown"}))
}
