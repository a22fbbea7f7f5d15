// Package expect computes the text that a deterministic model must answer to a
// user's message, so that a client can check answers without asking the server.
// It does no I/O.
package expect

import (
	"fmt"
	"hash/fnv"
	"strings"
)

// Func returns the whole answer to one user message.
type Func func(userMessage string) string

// defaultWords is the length of an answer if the question has no directive.
const defaultWords = 60

// maxWords limits the length that a directive may ask for.
const maxWords = 200_000

// vocabulary contains the words of answers. Besides plain words it has text that
// breaks when it is cut between bytes, escaped for HTML, trimmed, or counted in
// units other than code points.
const vocabulary = "the a river keeps its order and every stone remembers where water went before rain came back over " +
	"hills slowly then all at once until nobody could say which came first or last among them " +
	"naïve façade Ærøskøbing straße Ελλάδα Привет שלום مرحبا 你好 日本語 한국어 " +
	"😀 👩‍👩‍👧 é ＜wide＞ <b>&amp;\"quoted\"</b> a\\b {json:1} ’tis 𝔘nicode"

// ByName returns the model's function by its name on the command line: none (nil:
// nothing is verified), fakeopenai or echo. Any other name is an error.
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

// Echo returns the answer of a model that repeats the message.
func Echo(userMessage string) string { return userMessage }

// Text returns the answer of the fake OpenAI server: the joined Pieces.
func Text(userMessage string) string { return strings.Join(Pieces(userMessage), "") }

// Pieces returns the answer cut as the fake server sends it: one word with the
// gap after it per piece. The same message always gives the same pieces;
// different messages give different texts.
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

// step is one step of xorshift64, which is small, fast and portable.
func step(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	return x
}

// gap returns the separator of two words: mostly a space, sometimes characters
// that a careless server would trim.
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
