package doctext

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxGap is how many spaces and tabs in a row are kept.
const maxGap = 256

// output collects text up to a bound and cleans it: lines end in \n, without space
// before it; there is at most one empty line in a row; control characters and
// invalid UTF-8 are left out.
type output struct {
	b     strings.Builder
	left  int
	lines int // line ends that are due
	gap   []byte
}

func newOutput(most int) *output { return &output{left: most} }

// String returns the text so far.
func (o *output) String() string { return o.b.String() }

// write adds text, or as much as there is room for and errFull.
func (o *output) write(s string) error {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	for _, r := range s {
		if err := o.rune(r); err != nil {
			return err
		}
	}
	return nil
}

// startLine makes what follows begin a line.
func (o *output) startLine() {
	o.lines = max(o.lines, 1)
	o.gap = o.gap[:0]
}

// skipLine makes what follows begin a line after an empty one.
func (o *output) skipLine() {
	o.lines = 2
	o.gap = o.gap[:0]
}

// trim leaves out the spaces at the end.
func (o *output) trim() { o.gap = o.gap[:0] }

// cell ends a cell of a table's row.
func (o *output) cell() {
	for len(o.gap) > 0 && o.gap[len(o.gap)-1] == ' ' {
		o.gap = o.gap[:len(o.gap)-1]
	}
	if len(o.gap) < maxGap {
		o.gap = append(o.gap, '\t')
	}
}

func (o *output) rune(r rune) error {
	switch {
	case r == '\n', r == '\r', r == '\v', r == '\f', r == '\u2028', r == '\u2029', r == '\u0085':
		o.lines = min(o.lines+1, 2)
		o.gap = o.gap[:0]
		return nil
	case r == '\t', unicode.IsSpace(r):
		if len(o.gap) < maxGap {
			o.gap = append(o.gap, gapByte(r))
		}
		return nil
	case r == utf8.RuneError, r == '\ufeff', r&0xfffe == 0xfffe, unicode.IsControl(r):
		return nil
	}
	if o.b.Len() == 0 {
		o.lines = 0
	}
	if o.left -= o.lines + len(o.gap) + utf8.RuneLen(r); o.left < 0 {
		return errFull
	}
	for range o.lines {
		o.b.WriteByte('\n')
	}
	o.b.Write(o.gap)
	o.b.WriteRune(r)
	o.lines, o.gap = 0, o.gap[:0]
	return nil
}

func gapByte(r rune) byte {
	if r == '\t' {
		return '\t'
	}
	return ' '
}
