package llm

import (
	"strings"

	"chatbox"
)

// Values of Provider.Roles: how the system prompt is sent.
const (
	RolesSystem = "system" // as a message with the role system
	RolesMerged = "merged" // before the user's first message, for models without that role
)

const (
	earlierText = "(What was said before is not shown.)"
	emptyText   = "(an empty message)"
)

// talk is a prompt in a form that every server accepts: one system text, then
// alternating messages of user and assistant. The user's messages are the first
// and the last.
type talk struct {
	system string // empty: there is none, or it is part of the first message
	lines  []chatbox.PromptMessage
}

// arrange converts a prompt to a talk. After failed, stopped or held turns the
// log contains consecutive messages of one role, which some servers always refuse
// (the chat templates of Mistral and Gemma: "roles must alternate"). Consecutive
// messages of one role are joined by a blank line. Messages without text are
// dropped, except for the last one. If the first message is the assistant's, a
// user's message is inserted before it.
func arrange(p chatbox.Prompt, roles string) talk {
	var system []string
	var t talk
	for i, l := range p.Messages {
		blank := strings.TrimSpace(l.Content) == ""
		switch {
		case blank && (l.Role != chatbox.RoleUser || i < len(p.Messages)-1):
		case blank:
			t.add(chatbox.RoleUser, emptyText)
		case l.Role == chatbox.RoleSystem:
			system = append(system, l.Content)
		default:
			t.add(l.Role, l.Content)
		}
	}
	if len(t.lines) == 0 || t.lines[len(t.lines)-1].Role != chatbox.RoleUser {
		t.add(chatbox.RoleUser, emptyText)
	}
	t.system = strings.Join(system, "\n\n")
	if roles == RolesMerged && t.system != "" {
		t.lines[0].Content = t.system + "\n\n" + t.lines[0].Content
		t.system = ""
	}
	return t
}

// add appends a message. If the last message has the same role, it appends the
// text to that message.
func (t *talk) add(role chatbox.Role, content string) {
	last := len(t.lines) - 1
	switch {
	case last >= 0 && t.lines[last].Role == role:
		t.lines[last].Content += "\n\n" + content
	case last < 0 && role == chatbox.RoleAssistant:
		t.lines = append(t.lines, chatbox.PromptMessage{Role: chatbox.RoleUser, Content: earlierText}, chatbox.PromptMessage{Role: role, Content: content})
	default:
		t.lines = append(t.lines, chatbox.PromptMessage{Role: role, Content: content})
	}
}
