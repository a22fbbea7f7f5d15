package chatbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestState_UnreadableEventsFoldSafely: nobody can read who came, how or why,
// and the model must not speak in front of a person for it.
func TestState_UnreadableEventsFoldSafely(t *testing.T) {
	joined := Event{Seq: 1, Type: TypeAdminJoin, UserID: "eve", Unreadable: true}
	st := State{}.Apply(joined)
	assert.Equal(t, "eve", st.HolderID)
	assert.EqualValues(t, 1, st.AnswerableFrom)
	assert.NotEmpty(t, State{}.Apply(Event{Seq: 1, Type: TypeAdminJoin, Unreadable: true}).HolderID, "somebody came")

	asked := st.Apply(Event{Seq: 2, Type: TypeUserMessage, Sender: SenderUser})
	left := asked.Apply(Event{Seq: 3, Type: TypeAdminLeave, UserID: "eve", Unreadable: true})
	assert.Empty(t, left.HolderID)
	assert.EqualValues(t, 3, left.AnswerableFrom, "whether it was automatic is not known: what was asked before is not answered")

	k := SessionKey{ID: "s"}
	erased := Erasure(k, "ada", 1, left.LastActivity)
	erased.Metadata, erased.Unreadable = nil, true
	assert.True(t, State{}.Apply(erased).Erased, "its key says so")
	ended := Event{Seq: 1, Key: ServerKey("ended"), Type: TypeSessionEnded, Unreadable: true}
	assert.True(t, State{}.Apply(ended).Ended)
	assert.False(t, State{}.Apply(ended).Erased)
}

func TestEvent_ARepeatOfAnUnreadableOneIsARepeat(t *testing.T) {
	first := Event{Type: TypeUserMessage, ModelID: "m", Unreadable: true}
	assert.True(t, first.SameRequest(Event{Type: TypeUserMessage, ModelID: "m", Content: "hi"}))
	assert.False(t, first.SameRequest(Event{Type: TypeFileUpload, ModelID: "m"}))
	assert.False(t, first.SameRequest(Event{Type: TypeUserMessage, ModelID: "n"}))
}
