package llm

import "strings"

// retelling follows the text of servers that put it into messages instead of
// deltas. A message is the next piece of the text, or all of the text so far, or
// comes at the end and repeats what the deltas said: servers differ, and none
// says which it is.
type retelling struct {
	said     strings.Builder // what was passed on
	deltas   bool            // some of it came in deltas
	pieces   strings.Builder // all messages in a row
	messages int
	grown    int  // messages that took up the one before
	apart    bool // messages are pieces
}

const (
	firmlyGrown = 3  // messages after which those that follow are all of the text too
	tellsAll    = 12 // bytes: a piece of that length that equals all pieces before it is their sum
)

func (r *retelling) delta(text string) {
	r.deltas = r.deltas || text != ""
	r.said.WriteString(text)
}

// message returns what a message adds to the text, or what stands in place of
// it. last: the answer ends with this message.
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

// sum takes a message as all of the text that came in deltas.
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

// become makes the text so.
func (r *retelling) become(text string) (news string, replace bool) {
	if rest, ok := strings.CutPrefix(text, r.said.String()); ok {
		return r.add(rest)
	}
	r.said.Reset()
	r.said.WriteString(text)
	return text, true
}

// beyond returns what the text has beyond what was said; false where it does not
// begin with that. White space at either end and what the model says to itself
// make no difference.
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

// visible is a text without what the model says to itself and without white
// space at its ends; inside: it ends in the midst of such a part.
func visible(text string) (shown string, inside bool) {
	var t thinking
	shown, _ = t.take(text)
	inside = t.closing != ""
	return strings.TrimSpace(shown + t.rest()), inside
}
