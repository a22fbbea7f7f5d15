package feedback

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/seek"
)

var (
	epoch = time.UnixMilli(7).UTC()
	key   = chatbox.SessionKey{Tenant: "t", ID: "s"}
	ann   = chatbox.Actor{Tenant: "t", UserID: "ann"}
)

// history has one session of ann with one answer, to the message at 2.
type history struct {
	kept    *chatbox.Feedback
	erased  bool
	counted []string
}

func (*history) Now() time.Time { return epoch }

func (h *history) Owned(_ context.Context, a chatbox.Actor, id string) (chatbox.Session, error) {
	if a.UserID != "ann" || id != "s" {
		return chatbox.Session{}, chatbox.NotYourSession()
	}
	return chatbox.Session{Key: key, Owner: "ann", Erased: h.erased, State: chatbox.State{Head: 3}}, nil
}

func (*history) ByKey(_ context.Context, k chatbox.SessionKey, eventKey string) (chatbox.Event, error) {
	if k != key || eventKey != chatbox.AnswerKey(2, 1) {
		return chatbox.Event{}, chatbox.NotFound
	}
	return chatbox.Event{Session: k, Seq: 3, Type: chatbox.TypeAnswer, ModelID: "m"}, nil
}

func (h *history) SetFeedback(_ context.Context, _ chatbox.SessionKey, seq int64, f *chatbox.Feedback) (*chatbox.Feedback, error) {
	if seq != 3 {
		return nil, chatbox.NotFound
	}
	before := h.kept
	h.kept = f
	return before, nil
}

func (h *history) Feedback(modelID string, o chatbox.Opinion) {
	h.counted = append(h.counted, modelID+" "+string(o))
}

func newService() (*Service, *history) {
	h := &history{}
	return New(Deps{Log: h, Answers: seek.NewAnswers(), Messages: h, Store: h, Observer: h}), h
}

func TestGive_TheNewestStandsAndEachChangeCountsOnce(t *testing.T) {
	s, h := newService()
	answer := chatbox.AnswerID(key, 2, 1)
	for _, c := range []struct {
		o       chatbox.Opinion
		comment string
	}{{chatbox.OpinionNone, ""}, {chatbox.OpinionUp, ""}, {chatbox.OpinionUp, "so\x00 good"}, {chatbox.OpinionDown, ""}, {chatbox.OpinionNone, ""}, {chatbox.OpinionNone, ""}} {
		f, err := s.Give(t.Context(), ann, "s", answer, c.o, c.comment)
		require.NoError(t, err)
		assert.Equal(t, h.kept, f)
		if c.o == chatbox.OpinionNone {
			assert.Nil(t, f)
		} else {
			assert.Equal(t, c.o, f.Opinion)
			assert.Equal(t, epoch, f.Time)
			assert.NotContains(t, f.Comment, "\x00")
		}
	}
	assert.Equal(t, []string{"m up", "m down", "m none"}, h.counted)
}

func TestGive_Refuses(t *testing.T) {
	s, h := newService()
	answer := chatbox.AnswerID(key, 2, 1)
	for name, c := range map[string]struct {
		who             chatbox.Actor
		session, answer string
		o               chatbox.Opinion
		comment         string
		want            chatbox.Code
	}{
		"of another user":    {chatbox.Actor{Tenant: "t", UserID: "bob"}, "s", answer, chatbox.OpinionUp, "", chatbox.NotYours},
		"a question":         {ann, "s", "m-1", chatbox.OpinionUp, "", chatbox.NotFound},
		"an answer to come":  {ann, "s", chatbox.AnswerID(key, 3, 1), chatbox.OpinionUp, "", chatbox.NotFound},
		"of another session": {ann, "s", chatbox.AnswerID(chatbox.SessionKey{Tenant: "t", ID: "x"}, 2, 1), chatbox.OpinionUp, "", chatbox.NotFound},
		"no opinion":         {ann, "s", answer, "good", "", chatbox.InvalidArgument},
		"a comment on none":  {ann, "s", answer, chatbox.OpinionNone, "why", chatbox.InvalidArgument},
	} {
		_, err := s.Give(t.Context(), c.who, c.session, c.answer, c.o, c.comment)
		require.ErrorIs(t, err, c.want, name)
	}
	h.erased = true
	_, err := s.Give(t.Context(), ann, "s", answer, chatbox.OpinionUp, "")
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Nil(t, h.kept)
	assert.Empty(t, h.counted)
}
