package vendorapi

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxProse = 400 // maximum number of bytes of a vendor's sentence that are analysed

// proseOf normalises a vendor's sentence: lower case, single spaces, and without
// quotations of the request. Otherwise the words of a user could determine the
// reported reason.
func proseOf(sentence string) string {
	if len(sentence) > 4*maxProse {
		sentence = sentence[:4*maxProse]
	}
	s := strings.ToLower(strings.ToValidUTF8(sentence, ""))
	s = withoutQuotes(strings.ReplaceAll(s, "’", "'"))
	if at := echo().FindStringIndex(s); at != nil {
		s = s[:at[0]]
	}
	s = strings.Join(strings.Fields(s), " ")
	return strings.ToValidUTF8(Clip(s, maxProse), "")
}

// echo matches the beginning of a quotation of the request.
func echo() *regexp.Regexp {
	return regexp.MustCompile(`(?i)\b(requests?|inputs?|contents?|values?|body|messages|prompt|received|got|query|text|payload)['"]?( was| is)?\s?[:=]`)
}

// withoutQuotes removes text in quotes, braces and brackets. An unterminated
// quote or brace extends to the end. An apostrophe is not a quote.
func withoutQuotes(s string) string {
	var out strings.Builder
	before := ' '
	for s != "" {
		r, n := utf8.DecodeRuneInString(s)
		if end := closingOf(r, before); end != "" {
			s = behind(s[n:], r, end)
			out.WriteByte(' ')
			before = ' '
			continue
		}
		out.WriteRune(r)
		before, s = r, s[n:]
	}
	return out.String()
}

// closingOf returns the end of a quotation that begins with r, or "" if r begins
// none.
func closingOf(r, before rune) string {
	switch r {
	case '"', '`':
		return string(r)
	case '\'':
		if !unicode.IsLetter(before) && !unicode.IsDigit(before) {
			return "'"
		}
	case '{':
		return "}"
	case '[':
		return "]"
	case '“', '„':
		return "”"
	case '«':
		return "»"
	case '「':
		return "」"
	}
	return ""
}

// behind returns the text after the end of a quotation.
func behind(s string, opening rune, end string) string {
	depth, before := 1, ' '
	for i, r := range s {
		switch {
		case string(r) == end && before != '\\' && (r != '\'' || !startsWord(s[i+1:])):
			if depth--; depth == 0 {
				return s[i+len(end):]
			}
		case r == opening && (r == '{' || r == '['):
			depth++
		}
		before = r
	}
	return ""
}

func startsWord(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r)
}

// says reports whether the prose contains the words as whole words. The separator
// " & " joins words that must all occur.
func says(prose, words string) bool {
	for part := range strings.SplitSeq(words, " & ") {
		if !hasWords(prose, part) {
			return false
		}
	}
	return true
}

func hasWords(prose, words string) bool {
	for from := 0; ; {
		i := strings.Index(prose[from:], words)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(words)
		before, _ := utf8.DecodeLastRuneInString(prose[:start])
		after, _ := utf8.DecodeRuneInString(prose[end:])
		if !joins(before) && !joins(after) {
			return true
		}
		from = end
	}
}

// joins reports whether the letter and an adjacent Latin letter form one word.
func joins(r rune) bool {
	return r == '-' || r == '_' || r < unicode.MaxLatin1 && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// IsPage reports whether a body is HTML, which a model never sends.
func IsPage(body []byte) bool {
	head := strings.ToLower(string(clipBytes(bytes.TrimLeft(body, "\uFEFF \t\r\n"), 16)))
	for _, tag := range []string{"<!doctype", "<html", "<head", "<body", "<title", "<?xml", "<!--", "<center", "<h1"} {
		if strings.HasPrefix(head, tag) {
			return true
		}
	}
	return false
}

// AsksToSignIn reports whether a page asks for a login. Such a page precedes the
// endpoint for all requests, so a retry does not help.
func AsksToSignIn(page []byte) bool {
	text := strings.ToLower(string(page))
	for _, words := range []string{"login", "log in", "log-in", "sign in", "sign-in", "signin", "password", "authenticate", "single sign"} {
		if hasWords(text, words) {
			return true
		}
	}
	return false
}

func clipBytes(b []byte, limit int) []byte { return b[:min(len(b), limit)] }
