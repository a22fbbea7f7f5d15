package conversation

import (
	"context"
	"log/slog"
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oneMessage is a history of one user message.
type oneMessage struct {
	MessageStore

	turn chatbox.Turn
}

func (h oneMessage) Range(_ context.Context, k chatbox.SessionKey, _, _ int64) ([]chatbox.Event, error) {
	return []chatbox.Event{{Session: k, Seq: 1, ID: "m1", Type: chatbox.TypeUserMessage, Turn: &h.turn}}, nil
}

// waitingFeed has sockets that were told of an answer's beginning.
type waitingFeed struct {
	Feed

	waits chatbox.Gen
	told  []chatbox.Update
}

func (f *waitingFeed) Answering(chatbox.SessionKey) chatbox.Gen { return f.waits }

func (f *waitingFeed) Deliver(u chatbox.Update) bool {
	f.told = append(f.told, u)
	return true
}

// A failure before any piece is in no log: where its message on the bus was
// lost, the turn of the message remembers it.
func TestFollow_LostFailureIsTold(t *testing.T) {
	gen := chatbox.Gen{Seq: 1, Run: 2}
	for name, c := range map[string]struct {
		turn chatbox.Turn
		open *chatbox.OpenAnswer
		told bool
	}{
		"it failed":             {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 2}, told: true},
		"it was tried again":    {turn: chatbox.Turn{State: chatbox.TurnPending, Run: 3}, told: true},
		"it is to come":         {turn: chatbox.Turn{State: chatbox.TurnPending, Run: 2}},
		"an earlier one failed": {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 1}},
		"it is being given":     {turn: chatbox.Turn{State: chatbox.TurnFailed, Run: 2}, open: &chatbox.OpenAnswer{Gen: gen}},
	} {
		t.Run(name, func(t *testing.T) {
			feed := &waitingFeed{waits: gen}
			s := New(DefaultConfig(), Deps{Messages: oneMessage{turn: c.turn}, Feed: feed, Logger: slog.New(slog.DiscardHandler)})
			k := chatbox.SessionKey{ID: "s"}
			require.NoError(t, s.tellFailure(t.Context(), k, chatbox.Tail{
				Seeded: true, Owner: "u", State: chatbox.State{Head: 1}, Open: c.open,
			}))
			if !c.told {
				assert.Empty(t, feed.told)
				return
			}
			require.Len(t, feed.told, 1)
			f := feed.told[0].Failure
			require.NotNil(t, f)
			assert.Equal(t, chatbox.AnswerID(k, 1, 2), f.AnswerID)
			assert.Equal(t, "m1", f.ReplyTo)
			assert.Equal(t, "u", feed.told[0].Owner)
		})
	}
}
