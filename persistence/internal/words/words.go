// Package words splits texts into the words by which they are found, and finds
// those words in texts. Queries and texts are split by the same rules, so a word
// of a query matches exactly the texts that contain it.
package words

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Longest is the largest number of code points of a word that can be found.
// Longer runs are addresses, keys and encoded data; they only count as positions
// in a phrase.
const Longest = 64

// A Word is one word in its comparable form, with its position in the text.
type Word struct {
	Text     string
	From, To int // byte offsets in the text
}

// Split returns the words of a text in order: runs of letters, digits and their
// marks, separated by anything else. Words are compared after NFKC and case
// folding, so ﬁt, FIT and ｆｉｔ are the same word, while café and cafe are two.
// Invisible characters do not separate words. In scripts without spaces between
// words each letter, with its marks, is a word; a word of the language is found
// as a phrase there.
func Split(text string) []Word {
	s := splitter{fold: cases.Fold()}
	var it norm.Iter
	it.InitString(norm.NFKC, text)
	for !it.Done() {
		at := it.Pos()
		part := it.Next() // the normalized text up to the next boundary
		to := it.Pos()
		if to == at { // part of a compatibility character such as ½, whose last part advances
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
	word     []byte // the current word, normalized but not folded
	wide     bool   // the word has non-ASCII characters
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
		// A mark without a letter is not a word, and neither is a mark that folds to
		// a letter where each letter is a word.
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

// alone reports whether the word is a single letter of a script without spaces.
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

// cherokee maps both cases to one, because Unicode folding swaps them.
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

const iotaSubscript = '\u0345' // the only mark that folds to a letter, ι

const zeroWidthSpace = '\u200b' // separates words although Unicode classes it as a format character

// invisible reports whether the character is ignored in words.
func invisible(r rune) bool {
	const graphemeJoiner = '\u034f'
	return r == graphemeJoiner || r != zeroWidthSpace && unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Variation_Selector, r)
}

// unspaced reports whether the letter's script has no spaces between words.
func unspaced(r rune) bool {
	const first = 0x0e00 // lowest letter of the scripts below
	return r >= first && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar)
}

// Distinct returns up to most different words of a text that can be found, in
// order.
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
