package client

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

const stamp = "2026-01-02T03:04:05.678Z"

// The following functions return the frames of a correct server for session s.

func hello(session string) Frame {
	return Frame{
		Type: TypeConnectionStatus, SessionID: session, UserID: "u", Sender: "system", Models: []Model{{ID: "m", Name: "M"}},
		Metadata: map[string]string{"connection_id": "c", "pod": "p", "protocol": "1"},
	}
}

func resumed(seq int64) Frame {
	return Frame{Type: TypeResumed, SessionID: "s", Seq: seq, Metadata: map[string]string{"recovered": "true"}}
}

func event(kind, id string, seq int64) Frame {
	return Frame{Type: kind, ID: id, SessionID: "s", Seq: seq, Content: "text of " + id, Sender: "user", Timestamp: stamp}
}

func ackOf(id string, seq int64) Frame {
	return Frame{Type: TypeAck, ID: id, SessionID: "s", Seq: seq, Timestamp: stamp}
}

func ackAgain(id string, seq int64) Frame {
	f := ackOf(id, seq)
	f.Metadata = map[string]string{"duplicate": "true"}
	return f
}

func piece(attempt, index int, text string) Frame {
	return Frame{Type: TypeAIResponse, ID: "ans_1", SessionID: "s", Content: text, Metadata: map[string]string{
		"streaming": "true", "done": "false", "attempt": strconv.Itoa(attempt), "index": strconv.Itoa(index), "reply_to": "q",
	}}
}

func snapshot(attempt, index int, text string) Frame {
	f := piece(attempt, index, text)
	f.Metadata["snapshot"] = "true"
	return f
}

func final(seq int64, attempt, index, length int) Frame {
	f := piece(attempt, index, "")
	f.Seq, f.Timestamp, f.Sender = seq, stamp, "ai"
	maps.Copy(f.Metadata, map[string]string{"done": "true", "finish": "stop", "length": strconv.Itoa(length)})
	return f
}

func finalReplayed(seq int64, text string) Frame {
	f := final(seq, 0, 0, len([]rune(text)))
	f.Content = text
	f.Metadata["streaming"] = "false"
	return f
}

func message(id string) Frame {
	return Frame{Type: TypeUserMessage, ID: id, SessionID: "s", Content: "text of " + id}
}

// opened, sent and got write a transcript.

func opened(conn int, last int64) Entry {
	return Entry{At: time.Now(), Conn: conn, Act: ActOpened, Frame: Frame{SessionID: "s", Seq: last}}
}

func sent(f Frame) Entry { return Entry{At: time.Now(), Act: ActSent, Frame: f} }

func got(f Frame) Entry { return Entry{At: time.Now(), Act: ActReceived, Frame: f} }

// attached is the beginning of most transcripts: a socket on the empty session s.
func attached(more ...Entry) []Entry {
	return append([]Entry{opened(1, 0), got(hello("s")), got(resumed(0))}, more...)
}

// answering is a running question: acked at 1, two pieces shown.
func answering(more ...Entry) []Entry {
	return append(attached(
		sent(message("q")), got(ackOf("q", 1)), got(piece(0, 0, "né ")), got(piece(0, 1, "日本"))), more...)
}

func classes(t *Tracker) []Class { return slices.Sorted(maps.Keys(t.Counts)) }

func TestTracker_GoodTranscriptsHaveNoViolation(t *testing.T) {
	t.Parallel()
	for name, entries := range map[string][]Entry{
		"answer live":           answering(got(final(2, 0, 1, 5))),
		"cancelled before text": attached(sent(message("q")), got(ackOf("q", 1)), got(final(2, 0, -1, 0))),
		"repeat acked again":    answering(sent(message("q")), got(ackAgain("q", 1)), got(final(2, 0, 1, 5))),
		"restart": answering(got(snapshot(1, -1, "")), got(piece(1, 0, "new")), got(piece(0, 1, "old")),
			got(final(2, 1, 0, 3))),
		"collapsed queue": answering(got(snapshot(0, 7, "né 日本 and more")), got(piece(0, 8, "!")), got(final(2, 0, 8, 15))),
		"reconnect in mid-answer": answering(opened(2, 1), got(hello("s")), got(snapshot(0, 3, "né 日本語!")), got(resumed(1)),
			got(piece(0, 4, ".")), got(final(2, 0, 4, 8))),
		"reconnect after the answer": answering(opened(2, 1), got(hello("s")), got(finalReplayed(2, "other text")), got(resumed(2))),
		"unacked frame replayed, then repeated": attached(sent(message("q")), opened(2, 0), got(hello("s")),
			got(event(TypeUserMessage, "q", 1)), got(resumed(1)), sent(message("q")), got(ackAgain("q", 1))),
		"takeover and back": answering(got(final(2, 0, 1, 5)), got(event(TypeAdminJoin, "j", 3)),
			got(event(TypeUserMessage, "h", 4)), got(event(TypeAdminLeave, "l", 5))),
		"far behind": attached(got(event(TypeUserMessage, "x", 1)), opened(2, 1), got(hello("s")),
			got(Frame{Type: TypeResumed, SessionID: "s", Seq: 1500, Metadata: map[string]string{"recovered": "false"}}),
			got(event(TypeUserMessage, "y", 1501))),
		"from the head": {opened(1, NoResume), got(hello("s")), got(resumed(41)), got(event(TypeUserMessage, "y", 42))},
		"old client": attached(sent(Frame{Type: TypeUserMessage, SessionID: "s", Content: "no id"}),
			got(event(TypeUserMessage, "y", 2))),
		"second connection_status and noise": attached(got(Frame{Type: TypeConnectionStatus, SessionID: "s", Content: "Help request sent."}),
			got(Frame{Type: "novelty"}), got(Frame{Type: TypePong})),
		"throttled": attached(sent(message("q")), got(Frame{
			Type: TypeError, ID: "q", SessionID: "s",
			Error: &WireError{Code: CodeTooManyRequests, RetryAfter: 10},
		}), sent(message("q")), got(ackOf("q", 1))),
	} {
		tr := Replay(entries)
		assert.Empty(t, tr.Violations, name)
	}
}

func TestTracker_EveryClassIsCaught(t *testing.T) {
	t.Parallel()
	noStamp := event(TypeUserMessage, "x", 1)
	noStamp.Timestamp = "0001-01-01T00:00:00Z"
	badFinish := final(2, 0, 1, 5)
	badFinish.Metadata["finish"] = "done"
	second := final(3, 0, 1, 5)
	for name, c := range map[string]struct {
		entries []Entry
		want    Class
	}{
		"hole":                 {attached(got(event(TypeUserMessage, "x", 2))), SeqHole},
		"hole in replay":       {append([]Entry{opened(1, 3), got(hello("s"))}, got(event(TypeUserMessage, "x", 5))), SeqHole},
		"resume hides a hole":  {[]Entry{opened(1, 3), got(hello("s")), got(resumed(5))}, SeqHole},
		"repeat":               {attached(got(event(TypeUserMessage, "x", 1)), got(event(TypeUserMessage, "x", 1))), SeqRepeat},
		"event and ack":        {attached(sent(message("q")), got(event(TypeUserMessage, "q", 1)), got(ackOf("q", 1))), SeqRepeat},
		"replay repeats":       {[]Entry{opened(1, 3), got(hello("s")), got(event(TypeUserMessage, "x", 3))}, SeqRepeat},
		"late":                 {attached(got(event(TypeUserMessage, "x", 2)), got(event(TypeUserMessage, "y", 1))), OutOfOrder},
		"seq reused":           {attached(got(event(TypeUserMessage, "x", 1)), opened(2, 0), got(hello("s")), got(event(TypeUserMessage, "y", 1))), SeqReused},
		"head back":            {[]Entry{opened(1, 9), got(hello("s")), got(resumed(4))}, HeadBack},
		"ack early":            {attached(sent(message("q")), got(ackOf("q", 2))), AckEarly},
		"repeated ack early":   {attached(sent(message("q")), got(ackAgain("q", 1))), AckEarly},
		"ack unknown":          {attached(got(ackOf("q", 1))), AckUnknown},
		"ack changed":          {attached(sent(message("q")), got(ackOf("q", 1)), sent(message("q")), got(ackAgain("q", 9))), AckChanged},
		"resumed wrong":        {[]Entry{opened(1, 0), got(hello("s")), got(event(TypeUserMessage, "x", 1)), got(resumed(0))}, ResumedWrong},
		"first frame":          {[]Entry{opened(1, 0), got(Frame{Type: TypePong})}, FirstFrame},
		"other session":        {[]Entry{opened(1, 0), got(hello("t"))}, FirstFrame},
		"early event":          {[]Entry{opened(1, 0), got(event(TypeUserMessage, "x", 1))}, EarlyEvent},
		"garbled":              {attached(Entry{Act: ActGarbled, Note: "?"}), BadFrame},
		"zero time":            {attached(got(noStamp)), BadFrame},
		"event without seq":    {attached(got(event(TypeUserMessage, "x", 0))), BadFrame},
		"final content":        {answering(got(func() Frame { f := final(2, 0, 1, 5); f.Content = "x"; return f }())), BadFrame},
		"unknown finish":       {answering(got(badFinish)), BadFrame},
		"piece missing":        {answering(got(piece(0, 3, "x"))), IndexGap},
		"begins late":          {attached(got(piece(0, 2, "x"))), IndexGap},
		"restart, no snapshot": {answering(got(piece(1, 0, "x"))), IndexGap},
		"last piece missing":   {answering(got(final(2, 0, 2, 5))), IndexGap},
		"other snapshot":       {answering(got(snapshot(0, 1, "né 日x"))), SnapshotWrong},
		"snapshot goes back":   {answering(got(snapshot(0, 5, "other"))), SnapshotWrong},
		"piece after final":    {answering(got(final(2, 0, 1, 5)), got(piece(0, 2, "x"))), PieceAfterFinal},
		"piece after takeover": {answering(got(event(TypeAdminJoin, "j", 2)), got(piece(0, 2, "x"))), PieceAfterTakeover},
		"final after takeover": {answering(got(event(TypeAdminJoin, "j", 2)), got(final(3, 0, 1, 5))), PieceAfterTakeover},
		"bytes for length":     {answering(got(final(2, 0, 1, 10))), WrongLength},
		"replay length":        {attached(got(func() Frame { f := finalReplayed(1, "abc"); f.Metadata["length"] = "4"; return f }())), WrongLength},
		"second final":         {answering(got(final(2, 0, 1, 5)), got(second)), SecondFinal},
		"error frame":          {attached(got(Frame{Type: TypeError, Error: &WireError{Code: "LLM_UNAVAILABLE"}})), ErrorShown},
	} {
		tr := Replay(c.entries)
		assert.Contains(t, classes(tr), c.want, name)
		assert.NotEmpty(t, tr.Violations[0].String(), name)
	}
}

func TestTracker_AssemblesWhatTheUserSaw(t *testing.T) {
	t.Parallel()
	tr := Replay(answering())
	s := tr.Session("s")
	assert.Equal(t, "né 日本", s.AnswerTo("q").Shown())
	assert.False(t, s.AnswerTo("q").Over())
	assert.True(t, tr.Attached("s"))
	for _, e := range []Entry{got(piece(0, 1, "日本")), got(final(2, 0, 1, 5))} {
		tr.Apply(e)
	}
	assert.Equal(t, 1, s.PiecesRepeated)
	assert.Equal(t, int64(2), s.LastSeq)
	last, ok := s.EventAt(2)
	assert.True(t, ok)
	assert.Equal(t, "né 日本", last.Text)
	assert.Equal(t, "q", last.ReplyTo)
	assert.Equal(t, "stop", last.Finish)
	first, _ := s.EventAt(1)
	assert.Equal(t, ViaAck, first.Via)
	assert.Equal(t, "text of q", first.Text)
}

func TestTracker_AfterAHoleItAsksFromBeforeIt(t *testing.T) {
	t.Parallel()
	tr := Replay(attached(got(event(TypeUserMessage, "a", 1)), got(event(TypeUserMessage, "c", 3))))
	assert.Equal(t, int64(1), tr.Session("s").LastSeq)
	for _, e := range []Entry{
		opened(2, 1), got(hello("s")), got(event(TypeUserMessage, "b", 2)), got(event(TypeUserMessage, "c", 3)), got(resumed(3)),
	} {
		tr.Apply(e)
	}
	assert.Equal(t, int64(3), tr.Session("s").LastSeq)
	assert.Equal(t, map[Class]int{SeqHole: 1}, tr.Counts)
}

func TestTracker_ServerMadeSession(t *testing.T) {
	t.Parallel()
	m := message("q")
	m.SessionID = ""
	tr := Replay([]Entry{
		{Act: ActOpened, Conn: 1, Frame: Frame{Seq: NoResume}},
		got(hello("")), sent(m), got(ackOf("q", 1)), sent(Frame{Type: TypeUserMessage, ID: "r", Content: "again"}), got(ackOf("r", 2)),
	})
	assert.Empty(t, tr.Violations)
	assert.Equal(t, int64(2), tr.Session("s").LastSeq)
}

func TestTracker_KeepsABoundedNumberOfDescriptions(t *testing.T) {
	t.Parallel()
	tr := NewTracker()
	for i := range 3 * keptViolations {
		tr.Apply(Entry{Act: ActGarbled, Note: fmt.Sprint(i)})
	}
	assert.Len(t, tr.Violations, keptViolations)
	assert.Equal(t, 3*keptViolations, tr.Counts[BadFrame])
}
