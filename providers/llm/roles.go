package llm

import (
	"slices"
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
	carriedText = "(The first pictures of this message are those that were sent before it.)"
)

// talk is a prompt in a form that every server accepts: one system text, then
// alternating messages of user and assistant. The user's messages are the first
// and the last, and only they have pictures.
type talk struct {
	system string // empty: there is none, or it is part of the first message
	lines  []chatbox.PromptMessage
	places [][]int // of each line with pictures: where in its text each picture belongs
	// carried are pictures of the assistant's messages, which the next message of
	// the user shows.
	carried []chatbox.PromptPicture
}

// arrange converts a prompt to a talk. After failed, stopped or held turns the
// log contains consecutive messages of one role, which some servers always refuse
// (the chat templates of Mistral and Gemma: "roles must alternate"). Consecutive
// messages of one role are joined by a blank line. Messages without text and
// pictures are dropped, except for the last one. If the first message is the
// assistant's, a user's message is inserted before it. Vendors accept pictures of
// users only, so those that staff sent move to the next message of the user.
func arrange(p chatbox.Prompt, roles string) talk {
	var system []string
	var t talk
	for i, l := range p.Messages {
		blank := strings.TrimSpace(l.Content) == "" && len(l.Pictures) == 0
		switch {
		case blank && (l.Role != chatbox.RoleUser || i < len(p.Messages)-1):
		case blank:
			t.add(chatbox.PromptMessage{Role: chatbox.RoleUser, Content: emptyText})
		case l.Role == chatbox.RoleSystem:
			system = append(system, l.Content)
		default:
			t.add(l)
		}
	}
	if len(t.lines) == 0 || t.lines[len(t.lines)-1].Role != chatbox.RoleUser {
		t.add(chatbox.PromptMessage{Role: chatbox.RoleUser, Content: emptyText})
	}
	t.system = strings.Join(system, "\n\n")
	if roles == RolesMerged && t.system != "" {
		before := t.system + "\n\n"
		t.lines[0].Content = before + t.lines[0].Content
		if len(t.places) > 0 {
			for i := range t.places[0] {
				t.places[0][i] += len(before)
			}
		}
		t.system = ""
	}
	return t
}

// add appends a message. If the last message has the same role, it appends text
// and pictures to that message.
func (t *talk) add(l chatbox.PromptMessage) {
	switch {
	case l.Role != chatbox.RoleUser:
		t.carried = append(t.carried, l.Pictures...)
		l.Pictures = nil
	case len(t.carried) > 0:
		l.Content = carriedText + "\n\n" + l.Content
		l.Pictures = slices.Concat(t.carried, l.Pictures)
		t.carried = nil
	}
	last := len(t.lines) - 1
	switch {
	case last >= 0 && t.lines[last].Role == l.Role:
		t.lines[last].Content += "\n\n"
	case last < 0 && l.Role == chatbox.RoleAssistant:
		t.lines = append(t.lines, chatbox.PromptMessage{Role: chatbox.RoleUser, Content: earlierText}, chatbox.PromptMessage{Role: l.Role})
	default:
		t.lines = append(t.lines, chatbox.PromptMessage{Role: l.Role})
	}
	last = len(t.lines) - 1
	if len(l.Pictures) > 0 {
		for len(t.places) <= last {
			t.places = append(t.places, nil)
		}
		for _, p := range l.Pictures {
			t.places[last] = append(t.places[last], len(t.lines[last].Content))
			t.lines[last].Pictures = append(t.lines[last].Pictures, p)
		}
	}
	t.lines[last].Content += l.Content
}

// part is a stretch of a message: text, or one picture.
type part struct {
	text    string
	picture *chatbox.PromptPicture // nil: it is text
}

// parts returns a message's text and pictures in their order, or nil if it has no
// pictures. No text is blank.
func (t *talk) parts(i int) []part {
	l := t.lines[i]
	if len(l.Pictures) == 0 {
		return nil
	}
	var list []part
	from := 0
	say := func(to int) {
		if text := strings.TrimSpace(l.Content[from:to]); text != "" {
			list = append(list, part{text: text})
		}
		from = to
	}
	for n := range l.Pictures {
		say(t.places[i][n])
		list = append(list, part{picture: &l.Pictures[n]})
	}
	say(len(l.Content))
	return list
}
