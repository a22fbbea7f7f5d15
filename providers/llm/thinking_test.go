package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shownOf plays a text in pieces of the size.
func shownOf(text string, size int) string {
	var t thinking
	shown := ""
	for text != "" {
		n := min(size, len(text))
		said, withdrawn := t.take(text[:n])
		if withdrawn {
			shown = ""
		}
		shown += said
		text = text[n:]
	}
	return shown + t.rest()
}

func TestThinking_Forms(t *testing.T) {
	const details = `<details style="color:gray;padding: 8px;" open> <summary> Thinking... </summary>` + "\n"
	for text, want := range map[string]string{
		"◁think▷secret◁/think▷Hello":                                                                     "Hello",
		"<seed:think>secret</seed:think>\nHello":                                                         "Hello",
		`<think type="x">secret</think>Hello`:                                                            "Hello",
		"<thinking effort='low'\nx=y>secret</thinking>Hello":                                             "Hello",
		details + "secret\n</details>Hello":                                                              "Hello",
		"<details>\n<summary>Reasoning</summary>secret</details>\n\nHello":                               "Hello",
		`<details type="reasoning" done="true"><summary>Thought for 5 seconds</summary>x</details>Hello`: "Hello",
		"<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>Hello":  "Hello",
		"<|start|>assistant<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|><|start|>assistant<|channel|>final<|message|>Hello": "Hello",
		"<|channel|>final<|message|>Hello":                           "Hello",
		"<|START_THINKING|>secret<|END_THINKING|>Hello":              "Hello",
		"<|begin_of_thought|>secret<|end_of_thought|>Hello":          "Hello",
		"thoughts more</think>Hello":                                 "Hello",
		"thoughts.\nMore thoughts, done.</think>\n\nHello":           "Hello",
		"thoughts, done. </think>\nHello":                            "Hello",
		"thoughts\n</think>\nHello":                                  "Hello",
		"</think>Hello":                                              "Hello",
		"<think>a</think>It is </think> here.</think>":               "It is </think> here.</think>",
		"The </think> tag ends it.":                                  "The </think> tag ends it.",
		"Write <think> and end it</think> so.":                       "Write <think> and end it</think> so.",
		"Use `x</think>` there.":                                     "Use `x</think>` there.",
		"It is called \"</think>\", I say.":                          "It is called \"</think>\", I say.",
		"```\nx</think>\n```":                                        "```\nx</think>\n```",
		"<think about it>, they say":                                 "<think about it>, they say",
		"<thinker>x</thinker>":                                       "<thinker>x</thinker>",
		"<details><summary>Thought experiments</summary>x</details>": "<details><summary>Thought experiments</summary>x</details>",
		"Hello\n<details><summary>Thinking</summary>x</details>":     "Hello\n<details><summary>Thinking</summary>x</details>",
		"<details>\n<summary>More</summary>x</details>":              "<details>\n<summary>More</summary>x</details>",
		"Hello\n<|channel|>analysis":                                 "Hello\n<|channel|>analysis",
		"◁ is a triangle":                                            "◁ is a triangle",
		"a < b, 3 </ 4 and <":                                        "a < b, 3 </ 4 and <",
		"x </thi":                                                    "x </thi",
		"[1] see there":                                              "[1] see there",
		"<details":                                                   "<details",
	} {
		for _, size := range []int{len(text), 1, 2, 3, 5, 7} {
			assert.Equal(t, want, shownOf(text, size), "%q in pieces of %d", text, size)
		}
	}
}

// A model that never comes to a decision costs a bounded amount of memory, and its
// text is passed on.
func TestThinking_HoldsABoundedText(t *testing.T) {
	for _, begin := range []string{"", "Hello\n", "<details>", "```\ncode\n"} {
		for _, endless := range []string{" ", "\t", "\n", " \n", "\r\n", "\u2003"} {
			var th thinking
			shown, _ := th.take(begin)
			for range 3 * maxHeld {
				said, withdrawn := th.take(endless)
				require.False(t, withdrawn)
				require.LessOrEqual(t, len(th.held), maxHeld, "%q and %q", begin, endless)
				shown += said
			}
			shown += th.rest()
			assert.Len(t, shown, len(begin)+3*maxHeld*len(endless), "%q and %q", begin, endless)
		}
	}
}

// Withheld text is returned if its tag is never closed. An answer is cut off at
// its maximum, so text beyond is not kept.
func TestThinking_WithholdsABoundedText(t *testing.T) {
	var th thinking
	shown, _ := th.take("Hello\n<think>")
	for range 2 * maxWithheld / 1024 {
		said, _ := th.take(strings.Repeat("x", 1024))
		shown += said
		require.LessOrEqual(t, len(th.withheld), maxWithheld)
	}
	shown += th.rest()
	assert.Greater(t, len(shown), maxWithheld)
	assert.Less(t, len(shown), maxWithheld+1024)
}
