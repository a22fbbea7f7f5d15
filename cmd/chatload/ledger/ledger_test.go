package ledger

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox/cmd/chatload/client"
)

const stamp = "2026-01-02T03:04:05.678Z"

// scene is a correct session, watched by two devices: a question q with its
// answer ans_1, and a second question r with ans_2. Each test changes one thing.
type scene struct {
	phone, laptop []client.Frame // after connecting, what they read; the phone sends q and r
	history       []client.Message
}

func hello() client.Frame {
	return client.Frame{
		Type: client.TypeConnectionStatus, SessionID: "s", UserID: "u",
		Metadata: map[string]string{"connection_id": "c", "pod": "p", "protocol": "1"},
	}
}

func resumed(seq int64) client.Frame {
	return client.Frame{Type: client.TypeResumed, SessionID: "s", Seq: seq, Metadata: map[string]string{"recovered": "true"}}
}

func ack(id string, seq int64) client.Frame {
	return client.Frame{Type: client.TypeAck, ID: id, SessionID: "s", Seq: seq, Timestamp: stamp}
}

func shown(kind, id string, seq int64, text string) client.Frame {
	return client.Frame{Type: kind, ID: id, SessionID: "s", Seq: seq, Content: text, Sender: "user", Timestamp: stamp}
}

func piece(id, to string, index int, text string) client.Frame {
	return client.Frame{Type: client.TypeAIResponse, ID: id, SessionID: "s", Content: text, Metadata: map[string]string{
		"streaming": "true", "done": "false", "attempt": "0", "index": fmt.Sprint(index), "reply_to": to,
	}}
}

func final(id, to string, seq int64, index, length int) client.Frame {
	f := piece(id, to, index, "")
	f.Seq, f.Timestamp = seq, stamp
	maps.Copy(f.Metadata, map[string]string{"done": "true", "finish": "stop", "length": fmt.Sprint(length)})
	return f
}

func stored(kind, id string, seq int64, text string) client.Message {
	m := client.Message{ID: id, Seq: seq, Type: kind, Sender: "user", Content: text, Status: "complete", Timestamp: stamp}
	if kind == client.TypeAIResponse {
		m.Sender = "ai"
	}
	return m
}

func good() scene {
	return scene{
		phone: []client.Frame{
			hello(), resumed(0), ack("q", 1), piece("ans_1", "q", 0, "Q"), piece("ans_1", "q", 1, "!"), final("ans_1", "q", 2, 1, 2),
			ack("r", 3), piece("ans_2", "r", 0, "R!"), final("ans_2", "r", 4, 0, 2),
		},
		laptop: []client.Frame{
			hello(), resumed(0), shown(client.TypeUserMessage, "q", 1, "q"), piece("ans_1", "q", 0, "Q"), piece("ans_1", "q", 1, "!"),
			final("ans_1", "q", 2, 1, 2), shown(client.TypeUserMessage, "r", 3, "r"), piece("ans_2", "r", 0, "R!"), final("ans_2", "r", 4, 0, 2),
		},
		history: []client.Message{
			stored(client.TypeUserMessage, "q", 1, "q"), stored(client.TypeAIResponse, "ans_1", 2, "Q!"),
			stored(client.TypeUserMessage, "r", 3, "r"), stored(client.TypeAIResponse, "ans_2", 4, "R!"),
		},
	}
}

// transcript is a device that connects, sends what it is told, and reads.
func transcript(read []client.Frame, send ...string) []client.Entry {
	entries := []client.Entry{{Conn: 1, Act: client.ActOpened, Frame: client.Frame{SessionID: "s"}}}
	for _, id := range send {
		f := client.Frame{Type: client.TypeUserMessage, ID: id, SessionID: "s", Content: id}
		entries = append(entries, client.Entry{Act: client.ActSent, Frame: f})
	}
	for _, f := range read {
		entries = append(entries, client.Entry{At: time.Now(), Act: client.ActReceived, Frame: f})
	}
	return entries
}

func judge(sc scene) Report {
	return Compare(Input{
		SessionID: "s", History: sc.history, Complete: true,
		Expected: func(q string) string { return strings.ToUpper(q) + "!" },
		Devices: []Device{
			FromTranscript("phone", "s", transcript(sc.phone, "q", "r")), FromTranscript("laptop", "s", transcript(sc.laptop)),
		},
	})
}

func TestCompare_AGoodSessionHasNoFinding(t *testing.T) {
	t.Parallel()
	r := judge(good())
	assert.Zero(t, r.Violations(false), r.Examples)
	assert.Empty(t, r.Sorted())
	assert.Equal(t, Report{Sessions: 1, Devices: 2, Messages: 2, Events: 4, Answers: 2, Verified: 2}, r)
}

func TestCompare_CatchesEveryClass(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want Class
		bend func(*scene)
	}{
		"acked, not stored":      {Lost, func(s *scene) { s.history[2].ID = "other"; s.laptop = s.laptop[:6] }},
		"shown, not stored":      {Lost, func(s *scene) { s.history = s.history[:3] }},
		"stored twice":           {Repeated, func(s *scene) { s.history = append(s.history, stored(client.TypeUserMessage, "q", 5, "q")) }},
		"seq twice":              {Repeated, func(s *scene) { s.history = append(s.history, s.history[3]) }},
		"shown twice":            {Repeated, func(s *scene) { s.laptop = append(s.laptop, s.laptop[8]) }},
		"history out of order":   {OutOfOrder, func(s *scene) { s.history[0], s.history[2] = s.history[2], s.history[0] }},
		"two orders":             {OutOfOrder, func(s *scene) { s.laptop[2].ID = "r" }},
		"ack of another place":   {OutOfOrder, func(s *scene) { s.phone[2].Seq, s.phone[6].Seq = 3, 1 }},
		"answer before question": {OutOfOrder, func(s *scene) { s.history[2].Seq, s.history[3].Seq = 4, 3 }},
		"hole in the history":    {Hole, func(s *scene) { s.history = append(s.history[:1], s.history[2:]...) }},
		"hole on a device":       {Hole, func(s *scene) { s.laptop = append(s.laptop[:6], s.laptop[7:]...) }},
		"tail never delivered":   {Hole, func(s *scene) { s.laptop = s.laptop[:6] }},
		"question altered":       {WrongText, func(s *scene) { s.history[0].Content = "q " }},
		"shown altered":          {WrongText, func(s *scene) { s.laptop[2].Content = "Q" }},
		"answer altered": {WrongText, func(s *scene) {
			s.phone[7].Content, s.laptop[7].Content, s.history[3].Content = "x!", "x!", "x!"
		}},
		"truncated shown as success": {WrongText, func(s *scene) {
			for _, frames := range [][]client.Frame{s.phone, s.laptop} {
				frames[7].Content = "R"
				frames[8].Metadata["length"] = "1"
			}
			s.history[3].Content = "R"
		}},
		"history shorter than shown": {WrongText, func(s *scene) { s.history[3].Content = "R" }},
		"piece lost":                 {WrongText, func(s *scene) { s.laptop = append(s.laptop[:4], s.laptop[5:]...) }},
		"two good answers": {SeveralFinals, func(s *scene) {
			s.history = append(s.history, stored(client.TypeAIResponse, "ans_3", 5, "R!"))
			s.history[4].Metadata = map[string]string{"reply_to": "r"}
		}},
		"final twice": {SeveralFinals, func(s *scene) { s.laptop = append(s.laptop, final("ans_2", "r", 5, 0, 2)) }},
		"held":        {AfterTakeover, func(s *scene) { s.history[2] = stored(client.TypeAdminJoin, "j", 3, "") }},
		"piece while held": {AfterTakeover, func(s *scene) {
			s.laptop = append(s.laptop, shown(client.TypeAdminJoin, "j", 5, ""), piece("ans_3", "r", 0, "x"))
		}},
		"no answer": {Unanswered, func(s *scene) { s.history = append(s.history, stored(client.TypeUserMessage, "z", 5, "z")) }},
		"begun, never ended": {Unanswered, func(s *scene) {
			s.history = append(s.history, stored(client.TypeUserMessage, "z", 5, "z"))
			s.phone = append(s.phone, shown(client.TypeUserMessage, "z", 5, "z"), piece("ans_3", "z", 0, "Z"))
		}},
		"nobody asked": {Contract, func(s *scene) { s.history[3].Metadata = map[string]string{"reply_to": "ghost"} }},
		"first frame":  {Contract, func(s *scene) { s.laptop = s.laptop[1:] }},
		"error frame": {ErrorShown, func(s *scene) {
			s.laptop = append(s.laptop, client.Frame{Type: client.TypeError, Error: &client.WireError{Code: "SERVICE_ERROR"}})
		}},
	} {
		sc := good()
		c.bend(&sc)
		r := judge(sc)
		assert.Positive(t, r.Counts[c.want], "%s: %v", name, r.Examples)
		assert.NotEmpty(t, r.Examples[c.want], name)
		assert.Positive(t, r.Violations(false), name)
	}
}

func TestCompare_WhatIsRightAlthoughItLooksOdd(t *testing.T) {
	t.Parallel()
	for name, bend := range map[string]func(*scene){
		"cancelled, then answered anew": func(s *scene) {
			s.history[1].Status, s.history[1].Content = "cancelled", "Q"
			for _, frames := range []*[]client.Frame{&s.phone, &s.laptop} {
				f := *frames
				f[5] = final("ans_1", "q", 2, 0, 1)
				f[5].Metadata["finish"] = "cancelled"
				*frames = slices.Delete(f, 4, 5)
				*frames = append(*frames, piece("ans_3", "q", 0, "Q!"), final("ans_3", "q", 5, 0, 2))
			}
			s.history = append(s.history, stored(client.TypeAIResponse, "ans_3", 5, "Q!"))
		},
		"failed before any piece": func(s *scene) {
			s.history = append(s.history, stored(client.TypeUserMessage, "z", 5, "z"))
			z := shown(client.TypeUserMessage, "z", 5, "z")
			s.laptop = append(s.laptop, z)
			s.phone = append(s.phone, z, client.Frame{Type: client.TypeLoading, ID: "ans_9", SessionID: "s", Metadata: map[string]string{"reply_to": "z"}},
				client.Frame{Type: client.TypeError, ID: "ans_9", SessionID: "s", Error: &client.WireError{Code: "LLM_UNAVAILABLE"}})
		},
		"ended before the answer": func(s *scene) {
			for _, m := range []client.Message{stored(client.TypeUserMessage, "z", 5, "z"), stored(client.TypeSessionEnded, "e", 6, "")} {
				s.history = append(s.history, m)
				s.phone = append(s.phone, shown(m.Type, m.ID, m.Seq, m.Content))
				s.laptop = append(s.laptop, shown(m.Type, m.ID, m.Seq, m.Content))
			}
		},
		"far behind, paged by REST": func(s *scene) {
			r := resumed(4)
			r.Metadata["recovered"] = "false"
			s.laptop = []client.Frame{hello(), r}
		},
	} {
		sc := good()
		bend(&sc)
		r := judge(sc)
		assert.Zero(t, r.Violations(true), "%s: %v", name, r.Examples)
	}
}

func TestCompare_LongTextsAreDescribedBriefly(t *testing.T) {
	t.Parallel()
	sc := good()
	sc.history[0].Content = strings.Repeat("é", 500)
	r := judge(sc)
	assert.Contains(t, string(r.Examples[WrongText][0]), "(500)")
	assert.Less(t, len(r.Examples[WrongText][0]), 300)
}

func TestReport_MergeKeepsCountsAndAFewExamples(t *testing.T) {
	t.Parallel()
	var sum, one Report
	for i := range 7 {
		one.Add(Lost, "message %d", i)
	}
	one.Add(ErrorShown, "oops")
	one.Sessions, one.ErrorCodes = 1, map[string]int{"X": 2}
	sum.Merge(one)
	sum.Merge(one)
	assert.Equal(t, 14, sum.Counts[Lost])
	assert.Len(t, sum.Examples[Lost], keptExamples)
	assert.Equal(t, 4, sum.ErrorCodes["X"])
	assert.Equal(t, 2, sum.Sessions)
	assert.Equal(t, 16, sum.Violations(false))
	assert.Equal(t, 14, sum.Violations(true))
	assert.Equal(t, []Class{Lost, ErrorShown}, sum.Sorted())
}
