package llm

import (
	"testing"

	"github.com/stretchr/testify/assert"
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
