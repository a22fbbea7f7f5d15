package ledger

import (
	"testing"

	"chatbox/cmd/chatload/client"

	"github.com/stretchr/testify/assert"
)

func TestCompare_AnswersComeInTheOrderOfTheirQuestions(t *testing.T) {
	asked := func(id string, seq int64) client.Message { return stored(client.TypeUserMessage, id, seq, id) }
	answer := func(id, to string, seq int64, status string) client.Message {
		m := stored(client.TypeAIResponse, id, seq, "A")
		m.Status, m.Metadata = status, map[string]string{"reply_to": to, "finish": "stop"}
		return m
	}
	ended := Device{Answers: []Shown{{ID: "ans_q", ReplyTo: "q", Failed: true}}}
	for name, c := range map[string]struct {
		history []client.Message
		devices []Device
		bad     int
	}{
		"in order":         {history: []client.Message{asked("q", 1), asked("r", 2), answer("ans_q", "q", 3, "complete"), answer("ans_r", "r", 4, "complete")}},
		"the later first":  {history: []client.Message{asked("q", 1), asked("r", 2), answer("ans_r", "r", 3, "complete"), answer("ans_q", "q", 4, "complete")}, bad: 1},
		"stopped, in turn": {history: []client.Message{asked("q", 1), asked("r", 2), answer("ans_q", "q", 3, "cancelled"), answer("ans_r", "r", 4, "complete")}},
		"asked for again": {
			history: []client.Message{asked("q", 1), answer("ans_q", "q", 2, "cancelled"), asked("r", 3), answer("ans_r", "r", 4, "complete"), answer("ans_q2", "q", 5, "complete")},
		},
		"failed without a word, and asked for again": {
			history: []client.Message{asked("q", 1), asked("r", 2), answer("ans_r", "r", 3, "complete"), answer("ans_q2", "q", 4, "complete")},
			devices: []Device{ended},
		},
		"two behind the last": {
			history: []client.Message{asked("q", 1), asked("r", 2), asked("s", 3), answer("ans_s", "s", 4, "complete"), answer("ans_q", "q", 5, "complete"), answer("ans_r", "r", 6, "complete")},
			bad:     2,
		},
	} {
		r := Compare(Input{SessionID: "s", History: c.history, Devices: c.devices})
		assert.Equal(t, c.bad, r.Counts[OutOfOrder], "%s: %v", name, r.Examples[OutOfOrder])
	}
}
