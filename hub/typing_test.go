package hub

import (
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
)

// A user who sends a message has stopped typing, however soon after the first key.
func TestTypingRate_TwoWithinASecondAndAlwaysTheEnd(t *testing.T) {
	here, there := chatbox.SessionKey{ID: "here"}, chatbox.SessionKey{ID: "there"}
	at := func(ms int) time.Time { return time.Unix(1000, 0).Add(time.Duration(ms) * time.Millisecond) }
	var r typingRate
	for i, c := range []struct {
		in   chatbox.SessionKey
		on   bool
		at   int
		wait int
	}{
		{here, true, 0, 0},
		{here, true, 1, 0},
		{here, true, 2, 998},
		{there, false, 3, 997},
		{here, false, 4, 0},
		{here, false, 5, 996},
		{here, true, 999, 2},
		{here, true, 1001, 0},
		{there, true, 1004, 0},
		{there, false, 1005, 0},
		{there, true, 1006, 998},
		{there, false, 1007, 997},
	} {
		assert.Equal(t, time.Duration(c.wait)*time.Millisecond, r.may(c.in, c.on, at(c.at)), "frame %d", i)
	}
}
