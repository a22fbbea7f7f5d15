package llm

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// thinkingForm is how a model or a server marks what the model says to itself.
type thinkingForm struct {
	opening []string // parts in a row: texts, and the classes below
	closing string
	first   bool // only at the beginning of the answer: elsewhere it may be the answer's
}

// Classes of what stands in an opening.
const (
	anySpace   = "\x00space"
	attributes = "\x00attributes" // of a tag, at least one with a value, and the tag's end
	anyTail    = "\x00tail"       // attributes or none, and the tag's end
	dots       = "\x00dots"       // and white space
)

// thinkingForms are those in use by models and servers.
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
	for _, start := range []string{"", "<|start|>assistant"} { // gpt-oss: channels, of which the last is the answer
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

// formAt finds the opening that the text begins with: its size and what closes
// it. held: it may be one when more has come.
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

// matchParts is the size of the parts at the beginning of the text, zero where
// they are not there; more: they may be when more has come.
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

// matchPart is the size of one part, below zero where the text ends within it.
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
// was in the prompt. It counts where a sentence ends, and where the line does not
// speak of the tag: not behind a blank, a quote or an opening tag.
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
		t.tagged = true // the answer speaks of tags
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

// noteLine keeps of a line what endsInLine has to know.
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

// undecided is how much at the end of a line may be the beginning of a tag that
// endsInLine looks for.
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
