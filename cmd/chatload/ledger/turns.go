package ledger

import (
	"fmt"

	"chatbox/cmd/chatload/client"
)

// OutOfTurn finds in the history people who came, spoke or left while another
// person or nobody held the session, and the model's answers during a takeover.
// It returns nothing if all was in order.
func OutOfTurn(history []client.Message) (bad []string) {
	holder := ""
	for _, m := range history {
		admin := m.Metadata["admin_id"]
		switch {
		case m.Type == client.TypeAdminJoin:
			if holder != "" {
				bad = append(bad, fmt.Sprintf("%s came at %d while %s held", admin, m.Seq, holder))
			}
			holder = admin
		case m.Type == client.TypeAdminLeave:
			if holder != admin || admin == "" {
				bad = append(bad, fmt.Sprintf("%q left at %d, held by %q", admin, m.Seq, holder))
			}
			holder = ""
		case m.Sender == "admin" && (holder != admin || admin == ""):
			bad = append(bad, fmt.Sprintf("%q spoke at %d, held by %q", admin, m.Seq, holder))
		case m.Type == client.TypeAIResponse && holder != "":
			bad = append(bad, fmt.Sprintf("the model answers %s at %d, held by %q", m.ID, m.Seq, holder))
		}
	}
	return bad
}
