package words

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Sizes of an excerpt in code points: its approximate length, how much of it
// precedes the match, and how far a cut may be moved to white space.
const (
	excerptLength = 160
	excerptBefore = 50
	excerptSlack  = 16
)

const ellipsis = "…"

// Excerpt returns the first part of the text where most of the query's terms are
// close together: about 160 code points on one line, with an ellipsis at each
// cut. It returns false if the text lacks a term.
func (q Query) Excerpt(text string) (string, bool) {
	places, ok := q.find(text)
	if !ok || len(places) == 0 {
		return "", false
	}
	from := back(text, densest(text, places), excerptBefore)
	to := forth(text, from, excerptLength)
	if to == len(text) { // use room left at the end for the start
		from = back(text, to, excerptLength)
	}
	if from > 0 {
		from = startAt(text, from)
	}
	if to < len(text) {
		to = endAt(text, from, to)
	}
	out := strings.Join(strings.Fields(text[from:to]), " ")
	if strings.TrimSpace(text[:from]) != "" {
		out = ellipsis + out
	}
	if strings.TrimSpace(text[to:]) != "" {
		out += ellipsis
	}
	return out, true
}

// densest returns where the stretch with the most different terms begins.
func densest(text string, places []place) int {
	best, at, end := 0, places[0].from, 0
	for i, p := range places {
		end = max(end, forth(text, p.from, excerptLength-excerptBefore))
		terms := map[int]bool{}
		for _, other := range places[i:] {
			if other.from >= end {
				break
			}
			if other.to <= end || other == p {
				terms[other.term] = true
			}
		}
		if len(terms) > best {
			best, at = len(terms), p.from
		}
	}
	return at
}

// back returns the position n code points before the given one, and forth the one
// after it. Both stop at the ends of the text.
func back(text string, at, n int) int {
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(text[:at])
		at -= size
	}
	return at
}

func forth(text string, at, n int) int {
	for ; n > 0 && at < len(text); n-- {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// startAt moves a cut to just after nearby white space, or else to just after the
// combining characters of the previous character.
func startAt(text string, at int) int {
	near := text[at:forth(text, at, excerptSlack)]
	if i := strings.IndexFunc(near, unicode.IsSpace); i >= 0 {
		return at + i
	}
	for _, r := range near {
		if !attached(r) {
			break
		}
		at += utf8.RuneLen(r)
	}
	return at
}

// endAt moves the end of the excerpt in the same way, in the other direction.
func endAt(text string, from, at int) int {
	near := text[max(from, back(text, at, excerptSlack)):at]
	if i := strings.LastIndexFunc(near, unicode.IsSpace); i >= 0 {
		return at - len(near) + i
	}
	for range excerptSlack {
		if r, _ := utf8.DecodeRuneInString(text[at:]); !attached(r) {
			break
		}
		at = back(text, at, 1)
	}
	return max(from, at)
}

// attached reports whether the character combines with the previous one.
func attached(r rune) bool { return unicode.IsMark(r) || unicode.Is(unicode.Cf, r) }
