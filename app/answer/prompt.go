package answer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"chatbox"
)

// line is a message of a prompt, and the event that it renders. Answers and the
// system prompt have none.
type line struct {
	chatbox.PromptMessage

	event chatbox.Event
}

func messages(lines []line) []chatbox.PromptMessage {
	out := make([]chatbox.PromptMessage, len(lines))
	for i, l := range lines {
		out[i] = l.PromptMessage
	}
	return out
}

// fitLines is chatbox.FitMessages.
func fitLines(lines []line, budget int) (fitting []line, cut bool) {
	kept, cut := chatbox.FitMessages(messages(lines), budget)
	if !cut {
		return lines, false
	}
	first := leading(lines)
	return slices.Concat(lines[:first], lines[len(lines)-len(kept)+first:]), true
}

// leading counts the system messages at the beginning, without the last message.
func leading(lines []line) int {
	n := 0
	for n < len(lines)-1 && lines[n].Role == chatbox.RoleSystem {
		n++
	}
	return n
}

// buildPrompt returns the prompt for message m: the system prompt, the turns
// before m that fit the budget, and m. Files are told by name, type and size; see
// withFiles. It depends only on its arguments, so every pod and every attempt
// builds the same prompt.
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
func buildPrompt(system string, log []chatbox.Event, m chatbox.Event, budget int) (prompt []line, full bool) {
	log = inOrder(log)
	spoken := transcripts(log)
	question, _ := lineOf(m, spoken)
	prompt = make([]line, 0, len(log)+2)
	if system != "" {
		prompt = append(prompt, line{PromptMessage: chatbox.PromptMessage{Role: chatbox.RoleSystem, Content: system}})
	}
	prompt = append(append(prompt, linesBefore(m.Seq, log, spoken)...), question)
	return fitLines(prompt, budget)
}

// linesBefore returns the prompt messages before seq of a log in order. spoken are
// its transcripts. An answer whose question is not in the log is left out, since it
// would seem to answer another question.
func linesBefore(seq int64, log []chatbox.Event, spoken map[int64]chatbox.Event) []line {
	answers := lastAnswers(log)
	var lines []line
	for _, e := range log {
		if e.Seq >= seq {
			break
		}
		said, ok := lineOf(e, spoken)
		if !ok {
			continue
		}
		lines = append(lines, said)
		if a, ok := answers[e.Seq]; ok && a.Content != "" {
			lines = append(lines, line{PromptMessage: chatbox.PromptMessage{Role: chatbox.RoleAssistant, Content: a.Content}})
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

// transcripts returns the readable transcripts, by the seq of their recording.
func transcripts(log []chatbox.Event) map[int64]chatbox.Event {
	var of map[int64]chatbox.Event
	for _, e := range log {
		seq, ok := e.Transcribes()
		if !ok || e.Unreadable {
			continue
		}
		if of == nil {
			of = map[int64]chatbox.Event{}
		}
		of[seq] = e
	}
	return of
}

// maxSpoken is how much of a transcript a prompt has, in bytes: as much as a typed
// message may have.
const maxSpoken = 32 << 10

// lineOf returns the prompt message of an event. It returns false for events
// other than messages and files, and for those that cannot be decrypted.
// Answers are placed after their questions instead, and transcripts within their
// recordings.
func lineOf(e chatbox.Event, spoken map[int64]chatbox.Event) (line, bool) {
	l := line{event: e}
	switch {
	case e.Unreadable:
		return line{}, false
	case e.Sender == chatbox.SenderUser:
		l.Role = chatbox.RoleUser
	case e.Sender == chatbox.SenderAdmin:
		l.Role = chatbox.RoleAssistant
	default:
		return line{}, false
	}
	switch e.Type {
	case chatbox.TypeUserMessage, chatbox.TypeFileUpload, chatbox.TypeVoiceMessage:
		var files map[int]given
		if t, ok := spoken[e.Seq]; ok {
			text := cutText(t.Content, maxSpoken)
			cut := len(text) < len(t.Content) || t.Metadata[chatbox.MetaTruncated] != ""
			files = map[int]given{0: {heard: true, text: text, cut: cut}}
		}
		l.Content = contentOf(e, files)
		return l, true
	default:
		return line{}, false
	}
}

// contentOf returns the text of a message: what was attached, then what was said.
// files are what a model is given of the event's files, by their index.
func contentOf(e chatbox.Event, files map[int]given) string {
	said := e.Content
	switch {
	case len(e.Files) > 0:
		said = withNotes(e, files)
	case e.Type != chatbox.TypeUserMessage:
		said = linkNote(e)
	}
	if e.Sender == chatbox.SenderAdmin {
		return attribution(e) + said
	}
	return said
}

const maxNoteName = 100 // code points

func attribution(e chatbox.Event) string {
	name := printable(e.Metadata[chatbox.MetaAdminName])
	if name == "" || name == chatbox.UnnamedStaff {
		return chatbox.UnnamedStaff + ": "
	}
	return name + " (support): "
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
