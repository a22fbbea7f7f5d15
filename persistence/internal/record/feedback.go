package record

import (
	"strconv"

	"chatbox"
)

// PartFeedback is the name of the sealed comment on the answer at seq.
func PartFeedback(seq int64) string { return "feedback:" + strconv.FormatInt(seq, 10) }

// OpenFeedback decodes the stored feedback on the answer at seq. A comment that no
// key opens is empty.
func OpenFeedback(c Cipher, k chatbox.SessionKey, seq int64, opinion string, comment []byte, millis int64) *chatbox.Feedback {
	o := &Opener{Cipher: c, Session: k}
	return &chatbox.Feedback{Opinion: chatbox.Opinion(opinion), Comment: o.Text(PartFeedback(seq), comment), Time: Time(millis)}
}
