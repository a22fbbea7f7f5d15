package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// told plays pieces to a stream: those that begin with "d:" are deltas, "l:" is a
// message that ends the answer, "m:" any other.
func told(pieces ...string) (text string, replaced bool) {
	var r retelling
	for _, p := range pieces {
		kind, content, _ := strings.Cut(p, ":")
		news, replace := content, false
		if kind == "d" {
			r.delta(content)
		} else {
			news, replace = r.message(content, kind == "l")
		}
		if replace {
			text, replaced = "", true
		}
		text += news
	}
	return text, replaced
}

func TestRetelling(t *testing.T) {
	for _, tt := range []struct {
		pieces   string // separated by |
		want     string
		replaced bool
	}{
		{"d: Hello|d: world|l:Hello world", " Hello world", false},
		{"d:Hello|d: world|d:\n|l:Hello world", "Hello world\n", false},
		{"d:Hello|l:Hello world", "Hello world", false},
		{"d:Hello |l:Hello world\n", "Hello world\n", false},
		{"d:<think>x</think>\n\nHello|l:Hello", "<think>x</think>\n\nHello", false},
		{"d:<think>x</think>\n\nHel|l:Hello", "<think>x</think>\n\nHello", false},
		{"d:Hello|l:<think>x</think>\n\nHello", "Hello", false},
		{"d:x</think>Hello|l:Hello", "x</think>Hello", false},
		{"d:Hello\n\nworld|l:Hello world", "Hello\n\nworld", false},
		{"d:Hello world, long|l:Hello world", "Hello world, long", false},
		{"d:<think>x|l:Hello", "Hello", true},
		{"d:Hello world|l:Good morning", "Good morning", true},
		{"d:Hello|m:Hello|l:Hello", "Hello", false},
		{"m:ha|m:ha|m:!", "haha!", false},
		{"m:ha|m:ha|m:!|l:haha!", "haha!", false},
		{"m:ha|m:haha|m:!", "hahaha!", false},
		{"m:a|m:b|m:a|m:b", "abab", false},
		{"m:Hello |m:wörld |m:you|l:Hello wörld you", "Hello wörld you", false},
		{"m:Hello |m:wörld |m:you|m:Hello wörld you", "Hello wörld you", false},
		{"m:Hello|l:Hello", "Hello", false},
		{"m:H|m:Hel|m:Hello|l:Hello", "Hello", false},
		{"m:Hel |m:Hel lo|m:Hel lo you", "Hel lo you", false},
		{"m:<think>x</think>Hel|m:Hello|l:Hello you", "<think>x</think>Hello you", false},
		{"m:I|m:I am|m:I am a|m:I am a cat|l:I am the cat", "I am the cat", true},
	} {
		got, replaced := told(strings.Split(tt.pieces, "|")...)
		assert.Equal(t, tt.want, got, tt.pieces)
		assert.Equal(t, tt.replaced, replaced, tt.pieces)
	}
}
