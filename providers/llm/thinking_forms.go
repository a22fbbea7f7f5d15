package llm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// thinkingForm is the markup of a model or a server for reasoning.
type thinkingForm struct {
	opening []string // consecutive parts: texts and the classes below
	closing string
	first   bool // recognised only at the beginning of the answer, since elsewhere it may be part of the answer
}

// Classes of parts in an opening.
const (
	anySpace   = "\x00space"
	attributes = "\x00attributes" // attributes of a tag, at least one with a value, and the end of the tag
	anyTail    = "\x00tail"       // optional attributes and the end of the tag
	dots       = "\x00dots"       // dots and white space
)

// thinkingForms returns the forms that models and servers use.
func thinkingForms() []thinkingForm {
	forms := []thinkingForm{
		{opening: []string{"[think]"}, closing: "[/think]"},
		{opening: []string{"◁think▷"}, closing: "◁/think▷"},
		{opening: []string{"<|start_thinking|>"}, closing: "<|end_thinking|>"},
		{opening: []string{"<|begin_of_thought|>"}, closing: "<|end_of_thought|>"},
		{opening: []string{"<|channel>thought"}, closing: "<channel|>", first: true},
		{opening: []string{"<details", attributes, anySpace, "<summary>", anySpace, "thought for"}, closing: "</details>", first: true},
	}
	for _, name := range []string{"think", "thinking", "thought", "reasoning", "seed:think"} {
		forms = append(forms,
			thinkingForm{opening: []string{"<" + name + ">"}, closing: "</" + name + ">"},
			thinkingForm{opening: []string{"<" + name, attributes}, closing: "</" + name + ">"})
	}
	for _, title := range []string{"thinking", "thoughts", "reasoning", "thought process"} {
		forms = append(forms, thinkingForm{
			opening: []string{"<details", anyTail, anySpace, "<summary>", anySpace, title, dots, "</summary>"}, closing: "</details>", first: true,
		})
	}
	for _, start := range []string{"", "<|start|>assistant"} { // gpt-oss: channels, of which the last contains the answer
		for _, channel := range []string{"analysis", "commentary"} {
			forms = append(forms, thinkingForm{opening: []string{start + "<|channel|>" + channel}, closing: "<|channel|>final<|message|>", first: true})
		}
		forms = append(forms, thinkingForm{opening: []string{start + "<|channel|>final<|message|>"}, first: true})
	}
	return forms
}

const (
	longestTag  = len("<|channel|>final<|message|>")
	longestTail = 512 // bytes of a tag's attributes
	loneEnd     = "</think>"
)

// formAt returns the size of the opening at the beginning of the text, and its
// closing tag. held says that more text is needed to decide.
func formAt(text string, spoken bool) (size int, closing string, held bool) {
	switch first, _ := utf8.DecodeRuneInString(text); first {
	case '<', '[', '◁', utf8.RuneError:
	default:
		return 0, "", false
	}
	for _, f := range thinkingForms() {
		if f.first && spoken {
			continue
		}
		n, more := matchParts(text, f.opening)
		if n > 0 {
			return n, f.closing, false
		}
		held = held || more
	}
	return 0, "", held
}

// matchParts returns the size of the parts at the beginning of the text, or zero
// if they do not match. more says that more text is needed to decide.
func matchParts(text string, parts []string) (size int, more bool) {
	rest := text
	for _, part := range parts {
		n, ok := matchPart(rest, part)
		switch {
		case !ok:
			return 0, false
		case n < 0:
			return 0, true
		}
		rest = rest[n:]
	}
	return len(text) - len(rest), false
}

// matchPart returns the size of one part, or a negative size if the text ends
// within the part.
func matchPart(text, part string) (size int, ok bool) {
	switch part {
	case anySpace, dots:
		cut := blanks
		if part == dots {
			cut += ".…"
		}
		rest := strings.TrimLeft(text, cut)
		if rest == "" {
			return -1, true
		}
		return len(text) - len(rest), true
	case attributes, anyTail:
		return matchTail(text, part == attributes)
	}
	if n := min(len(part), len(text)); strings.EqualFold(part[:n], text[:n]) {
		if n < len(part) {
			return -1, true
		}
		return n, true
	}
	return 0, false
}

func matchTail(text string, wanted bool) (size int, ok bool) {
	end := strings.IndexAny(text, "<>")
	tail := text
	if end >= 0 {
		tail = text[:end]
	}
	switch {
	case len(tail) > longestTail, tail != "" && !unicode.IsSpace(rune(tail[0])), end >= 0 && text[end] == '<':
		return 0, false
	case end < 0:
		return -1, true
	case wanted && !strings.Contains(tail, "="):
		return 0, false
	default:
		return end + 1, true
	}
}

// endsInLine looks in a line for the closing tag of reasoning whose opening tag
// was in the prompt. The tag counts at the end of a sentence. It does not count
// after a blank, a quote or an opening tag, since the line then mentions the tag.
func (t *thinking) endsInLine(line string) (rest string, ended bool) {
	if t.tagged || t.fenced {
		return "", false
	}
	i := indexFold(line, loneEnd)
	if i < 0 {
		return "", false
	}
	t.noteLine(line[:i])
	if t.tagged || t.quoted {
		t.tagged = true // the answer mentions tags
		return "", false
	}
	rest = line[i+len(loneEnd):]
	last, _ := utf8.DecodeLastRuneInString(t.behind)
	if unicode.IsSpace(last) {
		last, _ = utf8.DecodeLastRuneInString(strings.TrimRightFunc(t.behind, unicode.IsSpace))
		if !unicode.IsPunct(last) || strings.Trim(rest, blanks) != "" {
			t.tagged = true
			return "", false
		}
	}
	if strings.ContainsRune("\"'“‘«(<>[{/=", last) {
		t.tagged = true
		return "", false
	}
	return rest, true
}

// noteLine records the state of a line for endsInLine.
func (t *thinking) noteLine(line string) {
	if t.tagged {
		return
	}
	near := t.behind + line
	t.tagged = indexFold(near, "<think>") >= 0
	t.quoted = t.quoted != (strings.Count(line, "`")%2 == 1)
	t.behind = near[max(0, len(near)-2*longestTag):]
	if strings.HasSuffix(line, "\n") {
		t.behind, t.quoted = "", false
	}
}

// undecided returns the number of bytes at the end of a line that may be the
// beginning of the tag that endsInLine looks for.
func (t *thinking) undecided(line string) int {
	if t.tagged || t.fenced {
		return 0
	}
	for n := min(len(loneEnd)-1, len(line)); n > 0; n-- {
		if strings.EqualFold(line[len(line)-n:], loneEnd[:n]) {
			return n
		}
	}
	return 0
}
