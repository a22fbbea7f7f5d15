package helpdesk_test

import (
	"strings"
	"testing"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func canned(text string) helpdesk.CannedReply {
	return helpdesk.CannedReply{Shortcut: "a", Text: text}
}

func TestCannedReply_Render(t *testing.T) {
	values := map[string]string{"user_name": "Ann {{date}}", "admin_id": "bob", "date": "2026-01-02"}
	for text, want := range map[string]struct {
		content string
		missing []string
	}{
		"plain { } }} text":                          {"plain { } }} text", []string{}},
		"{{date}}{{ date }}{{\tdate\n}}":             {"2026-01-022026-01-022026-01-02", []string{}},
		"Hi {{user_name}}!":                          {"Hi Ann {{date}}!", []string{}},
		"{{time}} {{ time }} {{user_id}}":            {"{{time}} {{time}} {{user_id}}", []string{"time", "user_id"}},
		"{{user_id| dear | customer }}":              {"dear | customer", []string{}},
		"{{user_id|}}.":                              {".", []string{}},
		"{{user_id|x}}{{user_id}}":                   {"x{{user_id}}", []string{"user_id"}},
		"{{admin_id|nobody}} {{session_name|ünï\n}}": {"bob ünï", []string{}},
		"{{{date}}}":                                 {"", nil},
	} {
		r, err := canned(text).Clean()
		if want.missing == nil {
			require.ErrorIs(t, err, chatbox.InvalidArgument, text)
			continue
		}
		require.NoError(t, err, text)
		assert.Equal(t, text, r.Text, "kept as it was written")
		content, missing := r.Render(values)
		assert.Equal(t, want.content, content, text)
		assert.Equal(t, want.missing, missing, text)
	}
	assert.Equal(t, []string{"time", "date"}, canned("{{time}}{{date}}{{ time|x}}").Variables())
	assert.Equal(t, []string{}, canned("x").Variables())
}

func TestCannedReply_CleanNamesTheField(t *testing.T) {
	long := strings.Repeat("ü", helpdesk.MaxReplyText)
	for field, wrongs := range map[string][]helpdesk.CannedReply{
		"shortcut": {
			{Shortcut: "A", Text: "x"}, {Shortcut: "a b", Text: "x"}, {Shortcut: "ä", Text: "x"}, {Shortcut: strings.Repeat("a", 41), Text: "x"},
		},
		"title": {{Shortcut: "a", Title: strings.Repeat("ü", 201), Text: "x"}, {Shortcut: "a", Title: "a\x00", Text: "x"}, {Shortcut: "a", Title: "a\u2028b", Text: "x"}},
		"text": {
			canned(" \n"), canned(long + "x"), canned("{{}}"), canned("{{User_id}}"), canned("{{secret}}"), canned("{{ |x}}"),
			canned("{{date"), canned("{{date {{date}}"), canned("{{date|{{time}}}}"), canned("{{date | }"),
		},
	} {
		for _, wrong := range wrongs {
			_, err := wrong.Clean()
			require.ErrorIs(t, err, chatbox.InvalidArgument, "%+v", wrong)
			assert.True(t, strings.HasPrefix(err.Error(), string(chatbox.InvalidArgument)+": "+field+":"), err.Error())
		}
	}
	for _, wrong := range []helpdesk.CannedReply{{Text: "x"}, {Shortcut: "a"}} {
		_, err := wrong.Clean()
		require.ErrorIs(t, err, chatbox.MissingField)
	}
	for _, right := range []helpdesk.CannedReply{canned(long), {Shortcut: strings.Repeat("a", 40), Title: " Ünï ", Text: " x "}, {Shortcut: "-._9", Text: "{}"}} {
		got, err := right.Clean()
		require.NoError(t, err)
		assert.Equal(t, right.Text, got.Text)
		assert.Equal(t, strings.TrimSpace(right.Title), got.Title)
	}
}

// Rendering an accepted text leaves only the placeholders whose value is missing.
func TestCannedReply_RenderLeavesNothingButWhatIsMissing(t *testing.T) {
	piece := rapid.SampledFrom([]string{"{", "}", "{{", "}}", "|", " ", "date", "user_id", "x", "ü"})
	rapid.Check(t, func(t *rapid.T) {
		r, err := canned(strings.Join(rapid.SliceOfN(piece, 1, 12).Draw(t, "text"), "")).Clean()
		if err != nil {
			return
		}
		all := map[string]string{"date": "D", "user_id": "U"}
		content, missing := r.Render(all)
		assert.Empty(t, missing)
		assert.NotContains(t, content, "{{")
		content, missing = r.Render(nil)
		for _, name := range missing {
			assert.Contains(t, content, "{{"+name+"}}")
		}
		again, err := canned(content).Clean()
		if content != "" && strings.TrimSpace(content) != "" {
			require.NoError(t, err)
			_, still := again.Render(nil)
			assert.Equal(t, missing, still, "filling in again changes nothing")
		}
	})
}
