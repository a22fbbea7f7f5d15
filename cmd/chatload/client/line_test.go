package client

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestLine_ReplayThenLive(t *testing.T) {
	t.Parallel()
	var l line
	l.ask(3)
	for _, seq := range []int64{4, 5} {
		v, _ := l.event(seq)
		assert.Equal(t, inOrder, v)
	}
	_, _, wrong, detail := l.resumed(5, true)
	assert.Empty(t, wrong, detail)
	v, _ := l.event(6)
	assert.Equal(t, inOrder, v)
	v, _ = l.event(6)
	assert.Equal(t, repeated, v)
	v, hole := l.event(9)
	assert.Equal(t, afterHole, v)
	assert.Equal(t, int64(2), hole)
	v, _ = l.event(8)
	assert.Equal(t, late, v)
}

func TestLine_ExplicitResumeRepeatsWhatItAsksFor(t *testing.T) {
	t.Parallel()
	l := line{known: true, sent: 10}
	l.ask(8)
	for _, step := range []struct {
		seq  int64
		want verdict
	}{{11, inOrder}, {9, replayed}, {10, replayed}, {11, replayed}, {12, inOrder}} {
		v, _ := l.event(step.seq)
		assert.Equal(t, step.want, v, step.seq)
	}
	_, _, wrong, detail := l.resumed(12, true)
	assert.Empty(t, wrong, detail)
}

func TestLine_ResumeFromWhereItStandsMeetsEventsOnTheirWay(t *testing.T) {
	t.Parallel()
	l := line{known: true, sent: 10}
	l.ask(10)
	for _, seq := range []int64{11, 12, 11, 12, 13} {
		v, _ := l.event(seq)
		assert.Contains(t, []verdict{inOrder, replayed}, v, seq)
	}
	_, _, wrong, detail := l.resumed(13, true)
	assert.Empty(t, wrong, detail)
}

func TestLine_ResumedThatLies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		from      int64
		events    []int64
		seq       int64
		recovered bool
		want      Class
	}{
		{"swallowed the tail", 3, []int64{4}, 6, true, SeqHole},
		{"says less than it sent", 3, []int64{4, 5}, 4, true, ResumedWrong},
		{"head behind", 7, nil, 2, false, HeadBack},
		{"session vanished", 7, nil, 0, true, HeadBack},
	} {
		var l line
		l.ask(c.from)
		for _, seq := range c.events {
			l.event(seq)
		}
		_, _, wrong, _ := l.resumed(c.seq, c.recovered)
		assert.Equal(t, c.want, wrong, c.name)
	}
}

func TestLine_NotRecoveredLeavesAGapForREST(t *testing.T) {
	t.Parallel()
	var l line
	l.ask(3)
	from, to, wrong, _ := l.resumed(2000, false)
	assert.Empty(t, wrong)
	assert.Equal(t, Range{4, 2000}, Range{from, to})
	v, _ := l.event(2001)
	assert.Equal(t, inOrder, v)
}

func TestLine_NewSessionBeginsAtOne(t *testing.T) {
	t.Parallel()
	var l line
	v, _ := l.event(1)
	assert.Equal(t, inOrder, v)
	l = line{}
	v, hole := l.event(2)
	assert.Equal(t, afterHole, v)
	assert.Equal(t, int64(1), hole)
}

func TestLine_OwnFramesWithoutIDAreSkipped(t *testing.T) {
	t.Parallel()
	l := line{known: true, sent: 1, skips: 1}
	v, _ := l.event(3)
	assert.Equal(t, inOrder, v)
	v, _ = l.event(5)
	assert.Equal(t, afterHole, v)
}

// Only the gapless ascending order passes without a violation.
func TestLine_OnlyDenseOrderPasses(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.Int64Range(0, 5).Draw(t, "from")
		seqs := rapid.SliceOfN(rapid.Int64Range(1, 12), 1, 8).Draw(t, "seqs")
		l := line{known: true, sent: from}
		dense, complained := true, false
		for i, seq := range seqs {
			dense = dense && seq == from+int64(i)+1
			v, _ := l.event(seq)
			complained = complained || v != inOrder
		}
		if dense == complained {
			t.Fatalf("from %d: %v: dense %v, complained %v", from, seqs, dense, complained)
		}
	})
}
