package chatbox

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of canned replies.
const (
	MaxReplies    = 500 // of one tenant
	MaxShortcut   = 40
	MaxReplyTitle = 200  // code points
	MaxReplyText  = 8000 // code points
)

// CannedReply is a text that a tenant's staff says often. Variables in double
// braces are filled in for a session when it is used.
type CannedReply struct {
	ID        string
	Shortcut  string // unique in the tenant
	Title     string // may be empty
	Text      string
	UpdatedAt time.Time
	UpdatedBy string // user id; empty: erased
	// Unreadable is set where no key opens the reply: it has only its id.
	Unreadable bool
}

// The variables of canned replies.
const (
	VarUserID      = "user_id"
	VarUserName    = "user_name"
	VarSessionName = "session_name"
	VarAdminID     = "admin_id"
	VarAdminName   = "admin_name"
	VarDate        = "date"
	VarTime        = "time"
)

// ReplyVariables lists all of them.
func ReplyVariables() []string {
	return []string{VarUserID, VarUserName, VarSessionName, VarAdminID, VarAdminName, VarDate, VarTime}
}

// Clean returns the reply with its title trimmed. It refuses the first field
// that is wrong.
func (r CannedReply) Clean() (CannedReply, error) {
	r.Title = strings.TrimSpace(r.Title)
	switch {
	case r.Shortcut == "":
		return r, Missing("shortcut")
	case !validShortcut(r.Shortcut):
		return r, Invalid("shortcut", "must be 1-40 of a-z 0-9 . _ -")
	case utf8.RuneCountInString(r.Title) > MaxReplyTitle:
		return r, Invalid("title", "is longer than 200 characters")
	case strings.ContainsFunc(r.Title, func(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }):
		return r, Invalid("title", "has control characters")
	case r.Text == "":
		return r, Missing("text")
	case strings.TrimSpace(r.Text) == "":
		return r, Invalid("text", "must not be blank")
	case utf8.RuneCountInString(r.Text) > MaxReplyText:
		return r, Invalid("text", "is longer than 8000 characters")
	}
	if _, err := parseTemplate(r.Text); err != nil {
		return r, err
	}
	return r, nil
}

func validShortcut(s string) bool {
	return len(s) <= MaxShortcut && only(s, "._-") && strings.ToLower(s) == s
}

// Variables lists what the text names, each once, in the order of the text.
func (r CannedReply) Variables() []string {
	parts, _ := parseTemplate(r.Text)
	names := []string{}
	for _, p := range parts {
		if p.name != "" && !slices.Contains(names, p.name) {
			names = append(names, p.name)
		}
	}
	return names
}

// Render fills the text in. A variable without a value shows its fallback; one
// that has neither stays in the text as {{name}} and is named in missing, once.
// Values are never looked at for variables.
func (r CannedReply) Render(values map[string]string) (content string, missing []string) {
	parts, err := parseTemplate(r.Text)
	if err != nil { // of a version that knows other variables
		return r.Text, []string{}
	}
	missing = []string{}
	var b strings.Builder
	for _, p := range parts {
		switch value := values[p.name]; {
		case p.name == "":
			b.WriteString(p.text)
		case value != "":
			b.WriteString(value)
		case p.optional:
			b.WriteString(p.text)
		default:
			b.WriteString("{{" + p.name + "}}")
			if !slices.Contains(missing, p.name) {
				missing = append(missing, p.name)
			}
		}
	}
	return b.String(), missing
}

// part is a piece of a template: text as it is, or a variable with, where it is
// optional, a text that stands in for it.
type part struct {
	name, text string
	optional   bool
}

// parseTemplate cuts a text at its variables. Only what stands between double
// braces is special, and all that does must be a variable: what looks like one
// is a slip more often than it is meant.
func parseTemplate(text string) ([]part, error) {
	var parts []part
	for {
		before, rest, found := strings.Cut(text, "{{")
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if !found {
			return parts, nil
		}
		inner, after, closed := strings.Cut(rest, "}}")
		if !closed || strings.Contains(inner, "{{") {
			return nil, Invalid("text", "a variable is not closed: {{ without }}")
		}
		name, fallback, optional := strings.Cut(inner, "|")
		name = strings.TrimSpace(name)
		if !slices.Contains(ReplyVariables(), name) {
			return nil, Invalid("text", "has an unknown variable; there are "+strings.Join(ReplyVariables(), ", "))
		}
		parts = append(parts, part{name: name, text: strings.TrimSpace(fallback), optional: optional})
		text = after
	}
}
