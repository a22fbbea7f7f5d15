package llm

import (
	"strings"

	"chatbox"
)

// How the system prompt is sent; Provider.Roles.
const (
	RolesSystem = "system" // as a line of its own role
	RolesMerged = "merged" // in front of the user's first line: the model knows no such role
)

const (
	earlierText = "(What was said before is not shown.)"
	emptyText   = "(an empty message)"
)

// talk is a prompt as every server takes it: the system's lines are one text,
// then user and assistant alternate, the user begins and ends.
type talk struct {
	system string // empty: none, or it is in the first line
	lines  []chatbox.PromptMessage
}

// arrange brings a prompt into that form whatever the log looked like: after
// failed, stopped or held turns lines of one role follow each other, and some
// servers refuse that for good (Mistral's and Gemma's chat templates: "roles
// must alternate"). Lines of one role are joined by a blank line; lines without
// text are dropped; a talk that begins with the assistant gets a line before
// it. The newest line is kept also where it has no text.
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

// add appends a line, or its text to the line before where that has its role.
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
