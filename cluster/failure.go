package cluster

import (
	"cmp"

	"chatbox"
)

// NewFailure returns the failure of a generation that the error has ended. Its code,
// text and delay are those of the error; otherwise is the text if the error has
// none. replyTo is the id of the message to answer.
func NewFailure(k chatbox.SessionKey, g chatbox.Gen, replyTo string, failed error, otherwise string) *Failure {
	why := chatbox.AsError(failed)
	return &Failure{
		AnswerID: chatbox.AnswerID(k, g.Seq, g.Run), Gen: g, ReplyTo: replyTo, Code: why.Code, RetryAfter: why.RetryAfter,
		Message: cmp.Or(why.Message, otherwise),
	}
}
