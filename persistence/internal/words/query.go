package words

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chatbox"
)

// Limits of a query.
const (
	maxQuery  = 500 // code points
	maxAsked  = 20  // different words
	maxPlaces = 200 // of one term that are examined in one text
	quotation = "\"“”„«»"
)

// Query is a list of terms, all of which must be in one text. A term is a
// sequence of adjacent words.
type Query struct{ terms [][]string }

// Parse parses a query into terms separated by white space. A quoted phrase is
// one term, and so are the words of user@host or well-known. It returns
// chatbox.InvalidArgument naming the field.
func Parse(field, text string) (Query, error) {
	switch {
	case !utf8.ValidString(text):
		return Query{}, chatbox.Invalid(field, "is not valid UTF-8")
	case utf8.RuneCountInString(text) > maxQuery:
		return Query{}, chatbox.Invalid(field, "is longer than 500 characters")
	}
	parts := strings.FieldsFunc(mark(text), func(r rune) bool { return r == '\n' })
	if strings.Count(strings.Map(quotes, text), `"`)%2 != 0 {
		return Query{}, chatbox.Invalid(field, "has a quotation mark that is not closed")
	}
	var q Query
	for _, part := range parts {
		var term []string
		for _, w := range Split(part) {
			if utf8.RuneCountInString(w.Text) > Longest {
				return Query{}, chatbox.Invalid(field, "has a word longer than 64 characters")
			}
			term = append(term, w.Text)
		}
		same := func(other []string) bool { return slices.Equal(other, term) }
		if len(term) > 0 && !slices.ContainsFunc(q.terms, same) {
			q.terms = append(q.terms, term)
		}
	}
	switch n := len(q.Words()); {
	case n == 0:
		return Query{}, chatbox.Invalid(field, "has no word: letters or digits")
	case n > maxAsked:
		return Query{}, chatbox.Invalid(field, "has more than 20 words")
	}
	return q, nil
}

// quotes maps all quotation marks to one character.
func quotes(r rune) rune {
	if strings.ContainsRune(quotation, r) {
		return '"'
	}
	return r
}

// mark puts each term on a line of its own.
func mark(text string) string {
	quoted := false
	return strings.Map(func(r rune) rune {
		switch {
		case quotes(r) == '"':
			quoted = !quoted
			return '\n'
		case !unicode.IsSpace(r):
			return r
		case quoted:
			return ' '
		default:
			return '\n'
		}
	}, text)
}

// Words returns the query's different words.
func (q Query) Words() []string {
	var out []string
	for _, term := range q.terms {
		for _, w := range term {
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// place is where a term was found.
type place struct{ term, from, to int }

// In reports whether the text has all of the query's terms.
func (q Query) In(text string) bool {
	places, ok := q.find(text)
	return ok && len(places) > 0
}

// find returns the places of the terms in text order, up to maxPlaces for each. It
// returns false if a term is missing.
func (q Query) find(text string) ([]place, bool) {
	all := Split(text)
	var places []place
	for t, term := range q.terms {
		found := 0
		for i := 0; i+len(term) <= len(all) && found < maxPlaces; i++ {
			if follows(all[i:], term) {
				places = append(places, place{t, all[i].From, all[i+len(term)-1].To})
				found++
			}
		}
		if found == 0 {
			return nil, false
		}
	}
	slices.SortStableFunc(places, func(a, b place) int { return cmp.Compare(a.from, b.from) })
	return places, true
}

func follows(words []Word, term []string) bool {
	for i, w := range term {
		if words[i].Text != w {
			return false
		}
	}
	return true
}
