package llm

import "strings"

// thinking removes reasoning between tags from an answer. Reasoning models
// produce such text if their server does not separate it. A tag is recognised at
// the beginning of the answer, after other reasoning, and at the beginning of a
// line outside of fenced code. Elsewhere it is part of the answer.
//
// Some templates put the opening tag into the prompt, so that the answer begins
// within reasoning. In this case the closing tag withdraws the text yielded so
// far. This tag may also follow a sentence.
type thinking struct {
	held     string // text that may be the beginning of a tag
	closing  string // within reasoning: the closing tag
	withheld []byte // within reasoning after the beginning: the text to return if the tag is never closed
	spoken   bool   // text of the answer was passed on
	inLine   bool   // the next byte is not the first of its line
	behind   string // the last bytes passed on from the current line
	quoted   bool   // the position is within inline code
	fenced   bool
	trim     bool // white space that follows belongs to the previous tag
	tagged   bool // a tag was seen, so a single closing tag has no meaning any more
}

const blanks = " \t\r\n"

const (
	maxHeld     = 4 << 10 // bytes: no tag and the white space around it is longer
	maxWithheld = 1 << 20 // bytes: no answer is longer (ANSWER_MAX)
)

// take returns the part of the text that belongs to the answer. withdrawn says
// that the returned text replaces all text returned before.
func (t *thinking) take(text string) (answer string, withdrawn bool) {
	var out strings.Builder
	text, t.held = t.held+text, ""
	for text != "" {
		switch {
		case t.closing != "":
			text = t.skip(text)
			continue
		case t.trim:
			if text = strings.TrimLeft(text, blanks); text == "" {
				continue
			}
			t.trim = false
		}
		rest, tagged, held := t.open(text)
		if held && len(text) <= maxHeld {
			t.held = text
			break
		}
		if tagged {
			if t.closing == "" && t.spoken {
				out.Reset()
				withdrawn, t.spoken = true, false
			}
			text = rest
			continue
		}
		line := text
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			line = text[:i+1]
		}
		if rest, ended := t.endsInLine(line); ended {
			out.Reset()
			withdrawn, t.spoken, t.inLine = withdrawn || t.spoken, false, false
			t.behind, t.quoted = "", false
			t.tagged, t.trim = true, true
			text = rest + text[len(line):]
			continue
		}
		said := line[:len(line)-t.undecided(line)]
		t.say(said)
		out.WriteString(said)
		text = text[len(said):]
		if len(said) < len(line) {
			t.held = text
			break
		}
	}
	return out.String(), withdrawn
}

// open looks for a tag at the beginning of the text and returns the text after
// it. held says that more text is needed to decide.
func (t *thinking) open(text string) (rest string, tagged, held bool) {
	if t.inLine {
		return "", false, false
	}
	body := strings.TrimLeft(text, " \t")
	if !t.spoken {
		body = strings.TrimLeft(text, blanks)
	}
	if body == "" || fence[:min(len(body), len(fence)-1)] == body {
		return "", false, true
	}
	if t.fenced {
		return "", false, false
	}
	if rest, ok := cutFold(body, loneEnd); ok && !t.tagged {
		t.tagged, t.trim = true, true
		return rest, true, false
	}
	if len(body) < len(loneEnd) && !t.tagged && strings.EqualFold(loneEnd[:len(body)], body) {
		return "", false, true
	}
	switch n, closing, held := formAt(body, t.spoken); {
	case held:
		return "", false, true
	case n == 0:
		return "", false, false
	default:
		t.tagged, t.closing, t.withheld, t.trim = true, closing, nil, true
		if t.spoken {
			t.withheld = []byte(text[:len(text)-len(body)+n])
		}
		return body[n:], true, false
	}
}

const fence = "```"

func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// say records a line, or a part of one, that is passed on.
func (t *thinking) say(line string) {
	if !t.inLine && strings.HasPrefix(strings.TrimLeft(line, " \t"), fence) {
		t.fenced = !t.fenced
	}
	t.spoken = t.spoken || strings.Trim(line, blanks) != ""
	t.inLine = !strings.HasSuffix(line, "\n")
	t.noteLine(line)
}

// skip skips reasoning and returns the text after its closing tag.
func (t *thinking) skip(text string) string {
	i := indexFold(text, t.closing)
	if i >= 0 {
		rest := text[i+len(t.closing):]
		t.closing, t.withheld, t.trim, t.inLine = "", nil, true, false
		t.behind, t.quoted = "", false
		return rest
	}
	keep := min(len(text), longestTag-1)
	if t.withheld != nil {
		more := text[:len(text)-keep]
		t.withheld = append(t.withheld, more[:min(len(more), maxWithheld-len(t.withheld))]...)
	}
	t.held = text[len(text)-keep:]
	return ""
}

// apart removes reasoning from the steps that next returns.
func apart(next func() (step, error)) func() (step, error) {
	var t thinking
	return func() (step, error) {
		st, err := next()
		if st.replace {
			t = thinking{}
		}
		said, withdrawn := t.take(st.text)
		st.thinks = st.thinks || st.text != ""
		st.text, st.replace = said, st.replace || withdrawn
		if err != nil || st.terminal {
			st.text += t.rest()
		}
		return st, err
	}
}

// rest returns the held text that belongs to the answer if no text follows.
func (t *thinking) rest() string {
	held := t.held
	t.held = ""
	switch {
	case t.closing == "":
		return held
	case t.withheld != nil:
		return string(t.withheld) + held
	default:
		return ""
	}
}

func indexFold(s, sub string) int {
	for i := 0; i+len(sub) <= len(s); i++ {
		if strings.EqualFold(s[i:i+len(sub)], sub) {
			return i
		}
	}
	return -1
}
