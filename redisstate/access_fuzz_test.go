package redisstate

import (
	"testing"
	"time"

	"chatbox"
	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
)

// FuzzParseWithdrawal: any message on the channel of all pods is parsed as a
// withdrawal in the form that pods write, or ignored.
func FuzzParseWithdrawal(f *testing.F) {
	at := time.UnixMilli(1_750_000_000_000).UTC()
	good := withdrawalString(chatbox.Withdrawal{User: chatbox.UserKey{Tenant: "t|", ID: "é"}, Before: at, Until: at.Add(time.Hour)})
	for _, seed := range []string{"", "|", "||", good, good + "|", "a.b|1|2", ".|x|y"} {
		f.Add(seed)
	}
	fuzz.Run(f, func(t fuzz.T, s string) {
		w, ok := parseWithdrawal(s)
		if !ok {
			assert.Zero(t, w)
			return
		}
		again, ok := parseWithdrawal(withdrawalString(w))
		assert.True(t, ok)
		assert.Equal(t, w, again)
		_ = decodeReads(s)
	})
}
