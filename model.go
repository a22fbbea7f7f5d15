package chatbox

// Model is a language model that users may choose, as clients see it.
type Model struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// Role is whose words a prompt's line are.
type Role string

// The roles of a prompt.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Line is one entry of a prompt.
type PromptMessage struct {
	Role    Role
	Content string
}

// Prompt is what a model is asked. Prefix is the beginning of an answer that
// another pod was giving when it died; a provider that can continues it and
// yields only what follows.
type Prompt struct {
	ModelID  string
	Messages []PromptMessage
	Prefix   string
}

// Delta is one step of a model's output. The last one of a whole answer
// carries Finish; a stream that ends without it was cut off, and that is an
// error, never a success.
type Delta struct {
	Text    string
	Replace bool   // Text stands in place of all text before it, which is withdrawn
	ModelID string // who says it, where that is not the model that was asked
	Finish  Finish // empty until the end
	Usage   *Usage // as the provider counted so far, where it says
}

// Usage is what an answer cost, in tokens. Zero stands for not known.
type Usage struct {
	Prompt, Completion int
	Estimated          bool // a number is not the provider's
}

// Known reports whether there is anything to say of the usage.
func (u Usage) Known() bool { return u.Prompt > 0 || u.Completion > 0 }
