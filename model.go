package chatbox

import (
	"slices"
	"strings"
)

// Model is a language model that users may choose, as clients see it.
type Model struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Role is the speaker of a prompt message.
type Role string

// The roles of a prompt.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// PromptMessage is one message of a prompt.
type PromptMessage struct {
	Role Role
	// Content says of every file of the message what a model without its data is
	// told: name, type and size.
	Content  string
	Pictures []PromptPicture // what a model that sees is shown, before Content
}

// PromptPicture is a picture for a model. A provider sends it as data, never as
// an address.
type PromptPicture struct {
	Name          string
	ContentType   string // image/jpeg or image/png
	Width, Height int    // pixels of Data
	Data          []byte
}

// Prompt is the input of a model. Prefix is the beginning of an answer that
// another pod was giving when it died. A provider that can continue a prefix
// yields only the text after it.
type Prompt struct {
	ModelID  string
	Messages []PromptMessage
	Prefix   string
}

// Pictures returns the pictures of all messages, in order.
func (p Prompt) Pictures() []PromptPicture {
	var all []PromptPicture
	for _, m := range p.Messages {
		all = append(all, m.Pictures...)
	}
	return all
}

// Blind returns the prompt without its pictures, for a model that does not see.
// Each message that had pictures says so.
func (p Prompt) Blind() Prompt {
	if len(p.Pictures()) == 0 {
		return p
	}
	p.Messages = slices.Clone(p.Messages)
	for i, m := range p.Messages {
		if len(m.Pictures) > 0 {
			p.Messages[i].Pictures = nil
			p.Messages[i].Content = strings.TrimLeft(m.Content+"\n[You cannot see the pictures of this message.]", "\n")
		}
	}
	return p
}

// Delta is one step of a model's output. The last delta of a complete answer
// has a Finish. A stream that ends without a Finish was cut off, which is an
// error.
type Delta struct {
	Text    string
	Replace bool   // Text replaces all earlier text, which is withdrawn
	ModelID string // the answering model, if it is not the requested one
	Finish  Finish // empty until the end
	Usage   *Usage // the provider's count so far, if it reports one
}

// Usage is the cost of an answer in tokens. Zero means unknown.
type Usage struct {
	Prompt, Completion int
	Estimated          bool // a number is not the provider's
}

// Known reports whether any number is known.
func (u Usage) Known() bool { return u.Prompt > 0 || u.Completion > 0 }
