package chatbox

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func drawLines(t *rapid.T) []PromptMessage {
	roles := rapid.SliceOfN(rapid.SampledFrom([]Role{RoleUser, RoleAssistant}), 0, 12).Draw(t, "roles")
	lines := []PromptMessage{{Role: RoleSystem, Content: "be brief"}}
	for i, r := range append(roles, RoleUser) {
		text := fmt.Sprintf("<%d>", i) + strings.Repeat("x", rapid.IntRange(0, 40).Draw(t, "length"))
		lines = append(lines, PromptMessage{Role: r, Content: text})
	}
	return lines
}

func TestFitMessages_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := drawLines(t)
		before := slices.Clone(lines)
		budget := rapid.IntRange(-5, 300).Draw(t, "budget")
		got, cut := FitMessages(lines, budget)

		require.Equal(t, before, lines, "the lines are the caller's")
		require.Equal(t, lines[0], got[0], "the system prompt is kept")
		require.Equal(t, lines[len(lines)-1], got[len(got)-1], "the newest message is kept")
		require.Equal(t, lines[len(lines)-len(got)+1:], got[1:], "only the oldest are left out")
		require.Equal(t, cut, len(got) < len(lines))
		if len(got) > 2 {
			require.LessOrEqual(t, TokensOf(got...), budget)
		}
		if cut {
			require.Equal(t, RoleUser, got[1].Role, "whole turns are cut")
		}
		again, _ := FitMessages(got, budget)
		require.Equal(t, got, again)
		smaller, _ := FitMessages(lines, budget-rapid.IntRange(0, 100).Draw(t, "less"))
		fromFitted, _ := FitMessages(got, budget)
		require.Subset(t, fromFitted, smaller)
	})
}

func TestFit_CountsThePrefix(t *testing.T) {
	p := Prompt{Messages: []PromptMessage{
		{Role: RoleSystem, Content: "s"}, {Role: RoleUser, Content: "q1"}, {Role: RoleAssistant, Content: "a1"}, {Role: RoleUser, Content: "q2"},
	}}
	whole := TokensOf(p.Messages...)
	assert.Len(t, p.Fit(whole).Messages, 4)
	p.Prefix = "half an answer"
	assert.Len(t, p.Fit(whole).Messages, 2)
	assert.Equal(t, "half an answer", p.Fit(0).Prefix)
	assert.Empty(t, Prompt{}.Fit(0).Messages)
}
