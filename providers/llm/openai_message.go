package llm

import "strings"

// retelling assembles the text of servers that send it in messages instead of
// deltas. A message is either the next piece of the text, or the whole text so
// far, or a final repetition of the deltas. Servers differ and do not say which
// form they use.
type retelling struct {
	said     strings.Builder // the text passed on so far
	deltas   bool            // deltas contained text
	pieces   strings.Builder // all messages, concatenated
	messages int
	grown    int  // messages that extended the previous one
	apart    bool // messages are pieces of the text
}

const (
	firmlyGrown = 3  // after this number of messages that extended the previous one, every message is the whole text
	tellsAll    = 12 // bytes: a message of this length that equals all pieces so far is their repetition
)

func (r *retelling) delta(text string) {
	r.deltas = r.deltas || text != ""
	r.said.WriteString(text)
}

// message returns the text that a message adds, or the text that replaces the
// text so far. last says that the answer ends with this message.
func (r *retelling) message(text string, last bool) (news string, replace bool) {
	r.messages++
	r.pieces.WriteString(text)
	said := r.said.String()
	switch {
	case text == "":
		return "", false
	case said == "":
		return r.add(text)
	case r.deltas:
		return r.sum(said, text)
	case r.apart:
		if (last || r.messages > 2 && len(text) >= tellsAll) && 2*len(text) >= len(said) && sameWords(said, text) {
			return "", false
		}
		return r.add(text)
	}
	rest, more := beyond(said, text)
	switch {
	case more:
		if rest != "" {
			r.grown++
		}
		return r.add(rest)
	case r.grown >= firmlyGrown:
		return r.become(text)
	default:
		r.apart = true
		return r.become(r.pieces.String())
	}
}

// sum handles a message that repeats the whole text of the deltas.
func (r *retelling) sum(said, text string) (news string, replace bool) {
	if rest, ok := beyond(said, text); ok {
		return r.add(rest)
	}
	before, inside := visible(said)
	all, open := visible(text)
	switch {
	case sameWords(said, text), strings.Contains(before, all) && 2*len(all) >= len(before) && !inside:
		return "", false
	case all == "" || open:
		return "", false
	case inside || 2*len(all) >= len(before):
		return r.become(text)
	default:
		return r.add(text)
	}
}

func (r *retelling) add(text string) (news string, replace bool) {
	r.said.WriteString(text)
	return text, false
}

// become changes the text to the given one. It returns the added text, or the
// whole text with replace set.
func (r *retelling) become(text string) (news string, replace bool) {
	if rest, ok := strings.CutPrefix(text, r.said.String()); ok {
		return r.add(rest)
	}
	r.said.Reset()
	r.said.WriteString(text)
	return text, true
}

// beyond returns the part of text after the text so far. It returns false if text
// does not begin with the text so far. White space at the ends and reasoning are
// ignored.
func beyond(said, text string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(text, said); ok {
		return rest, true
	}
	before, inside := visible(said)
	all, _ := visible(text)
	rest, ok = strings.CutPrefix(all, before)
	if !ok || inside || before == "" && strings.TrimSpace(said) == "" {
		return "", false
	}
	if strings.TrimRight(said, blanks) != said {
		rest = strings.TrimLeft(rest, blanks)
	}
	return rest, true
}

func sameWords(a, b string) bool {
	a, _ = visible(a)
	b, _ = visible(b)
	return strings.Join(strings.Fields(a), " ") == strings.Join(strings.Fields(b), " ")
}

// visible returns a text without reasoning and without white space at its ends.
// inside says that the text ends within reasoning.
func visible(text string) (shown string, inside bool) {
	var t thinking
	shown, _ = t.take(text)
	inside = t.closing != ""
	return strings.TrimSpace(shown + t.rest()), inside
}
