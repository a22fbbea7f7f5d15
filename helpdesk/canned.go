package helpdesk

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatbox"
)

// Bounds of canned replies.
const (
	MaxReplies    = 500 // per tenant
	MaxShortcut   = 40
	MaxReplyTitle = 200  // code points
	MaxReplyText  = 8000 // code points
)

// CannedReply is a text that a tenant's staff sends often. Variables in double
// braces are filled in for a session when the reply is used.
type CannedReply struct {
	ID        string
	Shortcut  string // unique within the tenant
	Title     string // may be empty
	Text      string
	UpdatedAt time.Time
	UpdatedBy string // user id; empty: erased
	// Unreadable is set if no key decrypts the reply; only its id is known
	// then.
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

// ReplyVariables lists all variables.
func ReplyVariables() []string {
	return []string{VarUserID, VarUserName, VarSessionName, VarAdminID, VarAdminName, VarDate, VarTime}
}

// Clean returns the reply with its title trimmed. The error names the first
// invalid field.
func (r CannedReply) Clean() (CannedReply, error) {
	r.Title = strings.TrimSpace(r.Title)
	switch {
	case r.Shortcut == "":
		return r, chatbox.Missing("shortcut")
	case !validShortcut(r.Shortcut):
		return r, chatbox.Invalid("shortcut", "must be 1-40 of a-z 0-9 . _ -")
	case utf8.RuneCountInString(r.Title) > MaxReplyTitle:
		return r, chatbox.Invalid("title", "is longer than 200 characters")
	case strings.ContainsFunc(r.Title, func(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }):
		return r, chatbox.Invalid("title", "has control characters")
	case r.Text == "":
		return r, chatbox.Missing("text")
	case strings.TrimSpace(r.Text) == "":
		return r, chatbox.Invalid("text", "must not be blank")
	case utf8.RuneCountInString(r.Text) > MaxReplyText:
		return r, chatbox.Invalid("text", "is longer than 8000 characters")
	}
	if _, err := parseTemplate(r.Text); err != nil {
		return r, err
	}
	return r, nil
}

func validShortcut(s string) bool {
	return len(s) <= MaxShortcut && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && !strings.ContainsRune("._-", c)
	})
}

// Variables lists the variables in the text, each once, in order of
// appearance.
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

// Render fills in the variables of the text. A variable without a value shows
// its fallback. One without a value or a fallback stays in the text as
// {{name}} and is listed once in missing. Variables inside values are not
// expanded.
func (r CannedReply) Render(values map[string]string) (content string, missing []string) {
	parts, err := parseTemplate(r.Text)
	if err != nil { // written by a version that has other variables
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

// part is a piece of a template: literal text, or a variable. The text of an
// optional variable is its fallback.
type part struct {
	name, text string
	optional   bool
}

// parseTemplate splits a text at its variables. Only double braces are
// special, and anything between them must name a variable: an unknown name is
// more often a typo than intended.
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
			return nil, chatbox.Invalid("text", "a variable is not closed: {{ without }}")
		}
		name, fallback, optional := strings.Cut(inner, "|")
		name = strings.TrimSpace(name)
		if !slices.Contains(ReplyVariables(), name) {
			return nil, chatbox.Invalid("text", "has an unknown variable; there are "+strings.Join(ReplyVariables(), ", "))
		}
		parts = append(parts, part{name: name, text: strings.TrimSpace(fallback), optional: optional})
		text = after
	}
}
