package ledger

import (
	"strings"
	"testing"

	"chatbox/cmd/chatload/client"

	"github.com/stretchr/testify/assert"
)

func TestOutOfTurn_FindsWhoDidNotHold(t *testing.T) {
	by := func(kind, admin string) client.Message {
		return client.Message{Type: kind, Metadata: map[string]string{"admin_id": admin}}
	}
	said := by(client.TypeUserMessage, "bob")
	said.Sender = "admin"
	join, leave := by(client.TypeAdminJoin, "bob"), by(client.TypeAdminLeave, "bob")
	answer := client.Message{Type: client.TypeAIResponse}
	for want, history := range map[string][]client.Message{
		"":           {answer, join, said, leave, answer, join, leave},
		"came":       {join, by(client.TypeAdminJoin, "eve")},
		"left":       {join, by(client.TypeAdminLeave, "eve")},
		"spoke":      {join, leave, said},
		"model":      {join, answer},
		"left spoke": {leave, said},
	} {
		bad := OutOfTurn(history)
		assert.Len(t, bad, len(strings.Fields(want)), want)
		for i, word := range strings.Fields(want) {
			assert.Contains(t, bad[i], word)
		}
	}
}
