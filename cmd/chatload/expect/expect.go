// Package expect knows the text a deterministic model must give for a user's message, so that a
// client can tell a right answer from a wrong one without asking the server. It is pure.
package expect

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Func gives the whole text of the answer to one user message.
type Func func(userMessage string) string

// defaultWords is the length of an answer whose question does not say another one.
const defaultWords = 60

// maxWords bounds what a directive may ask for.
const maxWords = 200_000

// vocabulary is what answers are made of: besides plain words it has what goes wrong when text is
// cut between bytes, escaped for HTML, trimmed, or counted in other units than code points.
const vocabulary = "the a river keeps its order and every stone remembers where water went before rain came back over " +
	"hills slowly then all at once until nobody could say which came first or last among them " +
	"naïve façade Ærøskøbing straße Ελλάδα Привет שלום مرحبا 你好 日本語 한국어 " +
	"😀 👩‍👩‍👧 é ＜wide＞ <b>&amp;\"quoted\"</b> a\\b {json:1} ’tis 𝔘nicode"

// ByName returns the model's function for a command line: none (nil, nothing is verified),
// fakeopenai or echo. Any other name is an error.
func ByName(name string) (Func, error) {
	switch name {
	case "", "none":
		return nil, nil //nolint:nilnil // no function is the meaning of none
	case "fakeopenai":
		return Text, nil
	case "echo":
		return Echo, nil
	default:
		return nil, fmt.Errorf("unknown model %q: none, fakeopenai or echo", name)
	}
}

// Echo is the answer of a model that says back what it was told.
func Echo(userMessage string) string { return userMessage }

// Text is the answer of the fake OpenAI server: the pieces of Pieces, joined.
func Text(userMessage string) string { return strings.Join(Pieces(userMessage), "") }

// Pieces cuts the answer as the fake server sends it, one word and what follows it at a time.
// The same message always gives the same pieces; messages that differ give other texts.
func Pieces(userMessage string) []string {
	n := ParseDirectives(userMessage).Words
	words := strings.Fields(vocabulary)
	h := fnv.New64a()
	_, _ = h.Write([]byte(userMessage)) // a hash never fails
	state := h.Sum64() | 1
	out := make([]string, 0, n)
	for i := range n {
		state = step(state)
		word := words[state%uint64(len(words))]
		if i == n-1 {
			out = append(out, word)
			break
		}
		out = append(out, word+gap(state>>32))
	}
	return out
}

// step is one turn of xorshift64: small, fast and the same everywhere.
func step(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	return x
}

// gap is what separates two words: mostly a space, at times what a careless server would trim.
func gap(r uint64) string {
	switch r % 23 {
	case 0:
		return "\n\n    "
	case 1:
		return ".\n"
	case 2:
		return ",  "
	default:
		return " "
	}
}
