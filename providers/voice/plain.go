package voice

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	extast "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// plain returns the words of Markdown: a link's text without its address, code
// without its fence, the cells of a table with commas between them. HTML is left
// out. Of a text on which the parser would take long, only the characters of marks
// are left out.
func plain(markdown string) string {
	markdown = strings.ToValidUTF8(markdown, "")
	if !tame(markdown) {
		return bare(markdown)
	}
	source := []byte(markdown)
	doc := goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(source))
	w := words{source: source, items: map[*ast.List]int{}}
	_ = ast.Walk(doc, w.node) // node returns no error
	return strings.TrimSpace(w.out.String())
}

// Bounds within which the parser takes less than about a second. Its time grows with
// the square of the lines, of the containers of a line, and of the marks within a
// paragraph. The cells of a table are those of its first row in all rows.
const (
	maxLines      = 2000
	maxContainers = 20  // of one line: quotations and lists
	maxMarks      = 500 // in lines without an empty one between them
	maxCells      = 40  // of one line
)

// tame reports whether a text is within the bounds.
func tame(markdown string) bool {
	lines, marks := 0, 0
	for line := range strings.Lines(markdown) {
		lines++
		inner := strings.TrimSpace(line)
		if inner == "" {
			marks = 0
		}
		rest := strings.TrimLeft(inner, "> \t-+*.)0123456789")
		lead := inner[:len(inner)-len(rest)]
		containers := strings.Count(lead, ">") + strings.Count(lead, "- ") + strings.Count(lead, "+ ") + strings.Count(lead, "* ") +
			strings.Count(lead, ". ") + strings.Count(lead, ") ")
		for _, r := range inner {
			if strings.ContainsRune("[]()*_~<`!&\\:", r) {
				marks++
			}
		}
		if lines > maxLines || containers > maxContainers || marks > maxMarks || strings.Count(inner, "|") > maxCells {
			return false
		}
	}
	return true
}

// bare leaves out the characters of marks.
func bare(markdown string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if strings.ContainsRune("[]*_~<>`#|", r) {
			return ' '
		}
		return r
	}, markdown))
}

// words collects the words of a tree.
type words struct {
	source []byte
	out    strings.Builder
	items  map[*ast.List]int // how many items of a numbered list were written
}

// node writes the words of one node.
func (w *words) node(n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		w.leave(n)
		return ast.WalkContinue, nil
	}
	switch n := n.(type) {
	case *ast.Text:
		value := n.Value(w.source)
		if !n.IsRaw() {
			value = util.ResolveEntityNames(util.ResolveNumericReferences(util.UnescapePunctuations(value)))
		}
		w.out.Write(value)
		if n.HardLineBreak() {
			w.newline()
		} else if n.SoftLineBreak() {
			w.out.WriteByte(' ')
		}
	case *ast.String:
		w.out.Write(n.Value)
	case *ast.AutoLink:
		w.out.Write(n.Label(w.source))
	case *ast.CodeBlock, *ast.FencedCodeBlock:
		w.out.Write(n.Lines().Value(w.source))
		w.newline()
		return ast.WalkSkipChildren, nil
	case *ast.HTMLBlock, *ast.RawHTML:
		return ast.WalkSkipChildren, nil
	case *ast.ListItem:
		if list, ok := n.Parent().(*ast.List); ok && list.IsOrdered() {
			w.out.WriteString(strconv.Itoa(list.Start+w.items[list]) + ". ")
			w.items[list]++
		}
	default:
	}
	return ast.WalkContinue, nil
}

func (w *words) leave(n ast.Node) {
	switch n := n.(type) {
	case *extast.TableCell:
		if n.NextSibling() != nil {
			w.out.WriteString(", ")
		}
	default:
		if n.Type() == ast.TypeBlock {
			w.newline()
		}
	}
}

// newline ends a line that has words.
func (w *words) newline() {
	if s := w.out.String(); s != "" && !strings.HasSuffix(s, "\n") {
		w.out.WriteByte('\n')
	}
}

// split cuts a text into parts of at most the given number of characters: at the
// end of a sentence if there is one, else between words, else anywhere. No part is
// empty.
func split(text string, most int) []string {
	var parts []string
	for text = strings.TrimSpace(text); text != ""; text = strings.TrimSpace(text) {
		end := cutAt(text, most)
		if part := strings.TrimSpace(text[:end]); part != "" {
			parts = append(parts, part)
		}
		text = text[end:]
	}
	return parts
}

// cutAt returns where the first part of a text ends, in bytes.
func cutAt(text string, most int) int {
	count, sentence, word := 0, 0, 0
	var last rune
	for at, r := range text {
		switch {
		case unicode.IsSpace(r) && (endsSentence(last) || r == '\n'):
			sentence, word = at, at
		case unicode.IsSpace(r):
			word = at
		case endsAlone(last):
			sentence, word = at, at
		}
		if count == most {
			switch {
			case sentence > 0:
				return sentence
			case word > 0:
				return word
			default:
				return at
			}
		}
		count++
		last = r
	}
	return len(text)
}

// endsSentence reports whether a sentence ends with the character and a space.
func endsSentence(r rune) bool { return strings.ContainsRune(".!?…:;؟۔।", r) }

// endsAlone reports whether a sentence ends with the character, of scripts that
// need no space.
func endsAlone(r rune) bool { return r != utf8.RuneError && strings.ContainsRune("。！？", r) }
