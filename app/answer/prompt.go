package answer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"chatbox"
)

// buildPrompt returns the prompt for message m: the system prompt, the turns
// before m that fit the budget, and m. It depends only on its arguments, so
// every pod and every attempt builds the same prompt.
//
// A turn is a question with its answer, at any place of the log: of m1 m2 a1
// a2 the prompt for m2 is m1 a1 m2. If a message has several runs, only the
// last run's final is used, with all its text: answers that were cut off,
// cancelled or failed were shown and are part of the conversation. Runs of m
// itself and messages after m are left out. A staff member's message has the
// role assistant and their name, and belongs to the turn during which it was
// sent.
//
// The budget is in tokens; see chatbox.FitMessages for the cut. The system
// prompt and m are always included, at any cost. full reports that the budget
// left out a turn of the log, so that older events would be left out too.
func buildPrompt(system string, log []chatbox.Event, m chatbox.Event, budget int) (prompt []chatbox.PromptMessage, full bool) {
	question, _ := lineOf(m)
	prompt = make([]chatbox.PromptMessage, 0, len(log)+2)
	if system != "" {
		prompt = append(prompt, chatbox.PromptMessage{Role: chatbox.RoleSystem, Content: system})
	}
	prompt = append(append(prompt, linesBefore(m.Seq, log)...), question)
	return chatbox.FitMessages(prompt, budget)
}

// linesBefore returns the prompt messages before seq. An answer whose question
// is not in the log is left out, since it would seem to answer another
// question.
func linesBefore(seq int64, log []chatbox.Event) []chatbox.PromptMessage {
	log = inOrder(log)
	answers := lastAnswers(log)
	var lines []chatbox.PromptMessage
	for _, e := range log {
		if e.Seq >= seq {
			break
		}
		line, ok := lineOf(e)
		if !ok {
			continue
		}
		lines = append(lines, line)
		if a, ok := answers[e.Seq]; ok && a.Content != "" {
			lines = append(lines, chatbox.PromptMessage{Role: chatbox.RoleAssistant, Content: a.Content})
		}
	}
	return lines
}

// inOrder returns the events by seq, without duplicates.
func inOrder(log []chatbox.Event) []chatbox.Event {
	bySeq := func(a, b chatbox.Event) int { return cmp.Compare(a.Seq, b.Seq) }
	if !slices.IsSortedFunc(log, bySeq) {
		log = slices.SortedStableFunc(slices.Values(log), bySeq)
	}
	sameSeq := func(a, b chatbox.Event) bool { return a.Seq == b.Seq }
	for i := 1; i < len(log); i++ {
		if sameSeq(log[i-1], log[i]) {
			return slices.CompactFunc(slices.Clone(log), sameSeq)
		}
	}
	return log
}

// lastAnswers returns the final of each message's last run, by the message's
// seq.
func lastAnswers(log []chatbox.Event) map[int64]chatbox.Event {
	answers := make(map[int64]chatbox.Event)
	for _, e := range log {
		if e.Type != chatbox.TypeAnswer || e.Answer == nil {
			continue
		}
		known, ok := answers[e.Answer.Gen.Seq]
		if !ok || e.Answer.Gen.Compare(known.Answer.Gen) >= 0 {
			answers[e.Answer.Gen.Seq] = e
		}
	}
	return answers
}

// lineOf returns the prompt message of an event. It returns false for events
// other than messages and files, and for those that cannot be decrypted.
// Answers are placed after their questions instead.
func lineOf(e chatbox.Event) (chatbox.PromptMessage, bool) {
	if e.Unreadable {
		return chatbox.PromptMessage{}, false
	}
	var said string
	switch e.Type {
	case chatbox.TypeUserMessage:
		said = e.Content
	case chatbox.TypeFileUpload, chatbox.TypeVoiceMessage:
		said = attachmentNote(e)
	default:
		return chatbox.PromptMessage{}, false
	}
	switch e.Sender {
	case chatbox.SenderUser:
		return chatbox.PromptMessage{Role: chatbox.RoleUser, Content: said}, true
	case chatbox.SenderAdmin:
		return chatbox.PromptMessage{Role: chatbox.RoleAssistant, Content: attribution(e) + said}, true
	default:
		return chatbox.PromptMessage{}, false
	}
}

const maxNoteName = 100 // code points

func attribution(e chatbox.Event) string {
	name := printable(e.Metadata[chatbox.MetaAdminName])
	if name == "" || name == chatbox.UnnamedStaff {
		return chatbox.UnnamedStaff + ": "
	}
	return name + " (support): "
}

// metaFilename is the metadata name of a file's name.
const metaFilename = "filename"

// attachmentNote describes a file by its name and caption. It omits every
// address: a file's address is signed, and anyone who has it can read the
// file.
func attachmentNote(e chatbox.Event) string {
	note := "[file"
	if e.Type == chatbox.TypeVoiceMessage {
		note = "[voice message"
	}
	if name := printable(e.Metadata[metaFilename]); name != "" && !hasAddress(name) {
		note += ": " + name
	}
	note += "]"
	if e.Content != "" && !hasAddress(e.Content) {
		note += " " + e.Content
	}
	return note
}

func hasAddress(s string) bool {
	return strings.Contains(s, "//") || strings.Contains(strings.ToLower(s), "data:") || strings.Contains(s, `\\`)
}

// printable returns the printable characters of a name that a user chose, cut
// to 100 code points.
func printable(name string) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, name))
	n := 0
	for i := range name {
		if n == maxNoteName {
			return name[:i]
		}
		n++
	}
	return name
}
