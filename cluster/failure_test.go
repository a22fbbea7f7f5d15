package cluster

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"

	"chatbox"
)

func TestNewFailure_KeepsTheAdaptersSentence(t *testing.T) {
	k := chatbox.SessionKey{ID: "s"}
	of := func(err error) *Failure { return NewFailure(k, chatbox.Gen{Seq: 3, Run: 2}, "m", err, "Sorry.") }
	why := chatbox.AsError(errors.Join(&chatbox.Error{Code: chatbox.ModelRefused, Message: "no quota"}))
	assert.Equal(t, chatbox.ModelRefused, why.Code)
	assert.Equal(t, "no quota", of(why).Message)
	assert.Equal(t, chatbox.ModelFailed, chatbox.AsError(chatbox.ModelFailed).Code)
	assert.Equal(t, chatbox.Internal, chatbox.AsError(errors.New("x")).Code)
	assert.Equal(t, &Failure{
		AnswerID: chatbox.AnswerID(k, 3, 2), Gen: chatbox.Gen{Seq: 3, Run: 2}, ReplyTo: "m", Code: chatbox.Internal, Message: "Sorry.",
	}, of(errors.New("x")))
}
