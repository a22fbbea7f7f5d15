package api

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"chatbox"
)

// markdown writes a session as Markdown. Content is written byte for byte inside
// a fence that it cannot close. All other text from people is escaped.
type markdown struct{ session chatbox.Session }

func (m *markdown) begin(w io.Writer) error {
	name := m.session.Name
	if name == "" {
		name = m.session.Key.ID
	}
	_, err := fmt.Fprintf(w, "# %s\n\nSession %s · %s · started %s · %d messages\n",
		escapeMarkdown(name), codeSpan(m.session.Key.ID), statusOf(m.session), stamp(m.session.CreatedAt), m.session.State.Head)
	return err
}

func (m *markdown) events(w io.Writer, events []chatbox.Event) error {
	for _, e := range events {
		if _, err := io.WriteString(w, entry(e)); err != nil {
			return err
		}
	}
	return nil
}

func (m *markdown) end(io.Writer) error { return nil }

// entry renders one event: a heading, and the content or what happened if there
// is none.
func entry(e chatbox.Event) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n## %d. %s · %s", e.Seq, speaker(e), stamp(e.Time))
	if e.Status != chatbox.StatusComplete && e.Status != "" {
		fmt.Fprintf(&b, " · %s", escapeMarkdown(string(e.Status)))
	}
	b.WriteString("\n")
	if e.Type != chatbox.TypeUserMessage && e.Type != chatbox.TypeAnswer {
		fmt.Fprintf(&b, "\n*%s*", escapeMarkdown(strings.ReplaceAll(string(e.Type), "_", " ")))
		for _, what := range []string{e.ModelID, e.FileURL, e.Metadata[chatbox.MetaReason]} {
			if what != "" {
				fmt.Fprintf(&b, " %s", codeSpan(what))
			}
		}
		b.WriteString("\n")
	}
	for _, f := range e.Files {
		fmt.Fprintf(&b, "\n*file* %s (%s)\n", codeSpan(f.Name), escapeMarkdown(f.ContentType))
	}
	if e.Unreadable {
		b.WriteString("\n*this cannot be read: no key opens it*\n")
	}
	if e.Content != "" {
		fence := strings.Repeat("`", max(3, longestRun(e.Content)+1))
		fmt.Fprintf(&b, "\n%s\n%s\n%s\n", fence, e.Content, fence)
	}
	return b.String()
}

func speaker(e chatbox.Event) string {
	switch e.Sender {
	case chatbox.SenderUser:
		return "User"
	case chatbox.SenderAI:
		if e.ModelID != "" {
			return "Assistant (" + escapeMarkdown(e.ModelID) + ")"
		}
		return "Assistant"
	case chatbox.SenderAdmin:
		if name := e.Metadata[chatbox.MetaAdminName]; name != "" && name != chatbox.UnnamedStaff {
			return "Staff (" + escapeMarkdown(name) + ")"
		}
		return "Staff"
	default:
		return "System"
	}
}

// longestRun returns the length of the longest run of backticks.
func longestRun(s string) int {
	longest, run := 0, 0
	for _, c := range []byte(s) {
		if c != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// codeSpan renders a text literally, on one line.
func codeSpan(s string) string {
	s = oneLine(s)
	ticks := strings.Repeat("`", longestRun(s)+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// escapeMarkdown escapes a text, on one line.
func escapeMarkdown(s string) string {
	var b strings.Builder
	for _, r := range oneLine(s) {
		if strings.ContainsRune("\\`*_[]<>#|~&!$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
