package answer

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// hanging is a provider of transcripts that never returns.
type hanging struct{}

func (hanging) Await(ctx context.Context, _ chatbox.RecordingKey) (int64, error) {
	<-ctx.Done()
	return 0, context.Cause(ctx)
}

// unseen counts nothing.
type unseen struct{}

func (unseen) FirstPiece(string, time.Duration, time.Duration) {}
func (unseen) Generation(string)                               {}
func (unseen) Spent(string, chatbox.Usage)                     {}
func (unseen) ModelFailed(string, chatbox.Code)                {}

// Recordings that wait for a provider leave most of a pod's answers to messages.
// Those beyond their part fail at once.
func TestReply_TextIsAnsweredWhileRecordingsWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, says("hi"))
		d.deps.Transcripts, d.deps.Observer = hanging{}, unseen{}
		ctx, cancel := context.WithCancel(t.Context())
		d.due.Open(ctx, d.reply)
		defer func() { d.due.Close(); cancel(); d.due.Wait() }()
		synctest.Wait()
		sessions := 0
		ask := func(owner string, typ chatbox.Type) chatbox.SessionKey {
			sessions++
			k := chatbox.SessionKey{ID: fmt.Sprint("s-", sessions)}
			_, err := d.log.Append(t.Context(), sessionlog.Draft{
				Session: k, Key: "c:" + owner + ":1",
				Create: func() chatbox.Session { return chatbox.Session{Key: k, Owner: owner} },
				Decide: func(sessionlog.Basis) (chatbox.Event, error) {
					return chatbox.Event{
						ID: "1", Type: typ, Sender: chatbox.SenderUser, UserID: owner, Owner: owner, Content: "x", Turn: &chatbox.Turn{State: chatbox.TurnPending, Run: 1},
					}, nil
				},
			})
			require.NoError(t, err)
			return k
		}
		for range 3 * recordingsEach {
			ask("eve", chatbox.TypeVoiceMessage)
		}
		synctest.Wait()
		assert.Len(t, d.redis.Ephemerals(), 2*recordingsEach, "one user's recordings leave places to others")
		for n := range DefaultConfig().Generations {
			ask(fmt.Sprint("user-", n), chatbox.TypeVoiceMessage)
		}
		k := ask("ada", chatbox.TypeUserMessage)
		synctest.Wait()
		assert.Len(t, d.history.Log(k), 2, "the text is answered")
		waiting := DefaultConfig().Generations / recordingsPart
		assert.Len(t, d.redis.Ephemerals(), 3*recordingsEach+DefaultConfig().Generations-waiting)
	})
}
