// Package words takes texts apart into the words that they are found by, and
// finds them in texts again. What one side calls a word the other does, so
// whatever is looked for in the words of a question is there in the words of a
// text, or it is not there.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Longest is how many code points a word may have to be found; longer runs are
// addresses, keys and encoded data, and count as places in a phrase only.
const Longest = 64

// A Word is one word as it is compared, and where it stands in the text.
type Word struct {
	Text     string
	From, To int // bytes of the text
}

// Split lists the words of a text in order: runs of letters, digits and the
// marks on them, whatever else stands between. They are compared by NFKC and
// case folding, so ﬁt, FIT and ｆｉｔ are one word, café and cafe are two.
// Invisible characters do not part a word. In scripts that put no space between
// words each letter is a word, with its marks: there a word of a language is
// found as a phrase.
func Split(text string) []Word {
	s := splitter{fold: cases.Fold()}
	var it norm.Iter
	it.InitString(norm.NFKC, text)
	for !it.Done() {
		at := it.Pos()
		part := it.Next() // what follows up to the next boundary, normalized
		to := it.Pos()
		if to == at { // one of the parts of ½, which is passed with its last
			_, n := utf8.DecodeRuneInString(text[at:])
			to = at + n
		}
		for len(part) > 0 {
			r, n := utf8.DecodeRune(part)
			s.add(r, part[:n], at, to)
			part = part[n:]
		}
	}
	s.end()
	return s.words
}

type splitter struct {
	words    []Word
	fold     cases.Caser
	word     []byte // what there is of the word, normalized but not folded
	wide     bool   // it has more than ASCII
	from, to int
}

func (s *splitter) add(r rune, text []byte, from, to int) {
	switch {
	case r < utf8.RuneSelf:
		if !isASCIIWord(r) {
			s.end()
			return
		}
		if s.alone() {
			s.end()
		}
		s.grow(text, from, to)
	case invisible(r):
	case unicode.IsMark(r):
		// Marks on nothing are no word, and neither is a mark that folds to a
		// letter where each letter is a word.
		if len(s.word) > 0 && (r != iotaSubscript || !s.alone()) {
			s.grow(text, from, to)
			s.wide = true
		}
	case !unicode.IsLetter(r) && !unicode.IsNumber(r):
		s.end()
	case unspaced(r):
		s.end()
		s.grow(text, from, to)
		s.wide = true
	default:
		if s.alone() {
			s.end()
		}
		s.grow(text, from, to)
		s.wide = true
	}
}

func (s *splitter) grow(text []byte, from, to int) {
	if len(s.word) == 0 {
		s.from = from
	}
	s.word = append(s.word, text...)
	s.to = to
}

// alone reports whether the word is a letter of a script without spaces.
func (s *splitter) alone() bool {
	if !s.wide || len(s.word) == 0 {
		return false
	}
	r, _ := utf8.DecodeRune(s.word)
	return unspaced(r)
}

func (s *splitter) end() {
	if len(s.word) == 0 {
		return
	}
	var text string
	if s.wide {
		text = norm.NFKC.String(strings.Map(cherokee, s.fold.String(string(s.word))))
	} else {
		for i, c := range s.word {
			if c >= 'A' && c <= 'Z' {
				s.word[i] = c + 'a' - 'A'
			}
		}
		text = string(s.word)
	}
	s.words = append(s.words, Word{text, s.from, s.to})
	s.word, s.wide = s.word[:0], false
}

// cherokee makes one case of both: the folding swaps these.
func cherokee(r rune) rune {
	switch {
	case r >= 0xab70 && r <= 0xabbf:
		return r - 0xab70 + 0x13a0
	case r >= 0x13f8 && r <= 0x13fd:
		return r - 8
	default:
		return r
	}
}

func isASCIIWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

const iotaSubscript = '\u0345' // the one mark that folds to a letter, ι

const zeroWidthSpace = '\u200b' // parts words, though it is said to be a format character

// invisible characters are passed over wherever they are.
func invisible(r rune) bool {
	const graphemeJoiner = '\u034f'
	return r == graphemeJoiner || r != zeroWidthSpace && unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

// unspaced reports whether the letter's script puts no space between words.
func unspaced(r rune) bool {
	const first = 0x0e00 // of the scripts below
	return r >= first && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// Distinct lists the first different words of a text that can be found, at most
// that many.
func Distinct(text string, most int) []string {
	var out []string
	seen := map[string]bool{}
	for _, w := range Split(text) {
		if len(out) == most {
			break
		}
		if !seen[w.Text] && utf8.RuneCountInString(w.Text) <= Longest {
			seen[w.Text] = true
			out = append(out, w.Text)
		}
	}
	return out
}
