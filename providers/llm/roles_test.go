package llm

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"chatbox"
)

// lines reads a prompt from one string: s, u and a for the roles, / between.
func lines(script string) []chatbox.PromptMessage {
	roles := map[byte]chatbox.Role{'s': chatbox.RoleSystem, 'u': chatbox.RoleUser, 'a': chatbox.RoleAssistant}
	var list []chatbox.PromptMessage
	for part := range strings.SplitSeq(script, "/") {
		list = append(list, chatbox.PromptMessage{Role: roles[part[0]], Content: part[2:]})
	}
	return list
}

// shapes are prompts as logs of failed, empty, stopped and held turns make
// them, with how they must be sent.
func shapes() map[string]struct{ prompt, system, sent string } {
	return map[string]struct{ prompt, system, sent string }{
		"whole turns":             {"s:sys/u:q1/a:a1/u:q2", "sys", "u:q1/a:a1/u:q2"},
		"a failed turn":           {"s:sys/u:q1/u:q2", "sys", "u:q1\n\nq2"},
		"many failed turns":       {"s:sys/u:q1/u:q2/u:q3/a:a3/u:q4/u:q5", "sys", "u:q1\n\nq2\n\nq3/a:a3/u:q4\n\nq5"},
		"stopped before a word":   {"s:sys/u:q1/a:/u:q2", "sys", "u:q1\n\nq2"},
		"only white space":        {"s:sys/u:q1/a: \n/u:q2", "sys", "u:q1\n\nq2"},
		"held":                    {"s:sys/u:q1/a:half/a:Ana (support): hi/a:Ana (support): so?/u:q2", "sys", "u:q1/a:half\n\nAna (support): hi\n\nAna (support): so?/u:q2"},
		"staff spoke first":       {"s:sys/a:Ana (support): hi/u:q1", "sys", "u:" + earlierText + "/a:Ana (support): hi/u:q1"},
		"an empty line first":     {"s:sys/u: /a:a1/u:q2", "sys", "u:" + earlierText + "/a:a1/u:q2"},
		"several system lines":    {"s:one/s:two/u:q1/s:three/u:q2", "one\n\ntwo\n\nthree", "u:q1\n\nq2"},
		"an empty system line":    {"s: /u:q1", "", "u:q1"},
		"no system line":          {"u:q1", "", "u:q1"},
		"an empty question":       {"s:sys/u:q1/a:a1/u:", "sys", "u:q1/a:a1/u:" + emptyText},
		"empty after a question":  {"u:q1/u: ", "", "u:q1\n\n" + emptyText},
		"nothing but the system":  {"s:sys", "sys", "u:" + emptyText},
		"the assistant came last": {"u:q1/a:a1", "", "u:q1/a:a1/u:" + emptyText},
	}
}

func TestArrange(t *testing.T) {
	for name, tt := range shapes() {
		t.Run(name, func(t *testing.T) {
			p := chatbox.Prompt{Messages: lines(tt.prompt)}
			before := slices.Clone(p.Messages)
			got := arrange(p, RolesSystem)
			assert.Equal(t, talk{system: tt.system, lines: lines(tt.sent)}, got)
			assert.Equal(t, before, p.Messages, "the lines are the caller's")

			merged := arrange(p, RolesMerged)
			assert.Empty(t, merged.system)
			want := lines(tt.sent)
			if tt.system != "" {
				want[0].Content = tt.system + "\n\n" + want[0].Content
			}
			assert.Equal(t, want, merged.lines)
		})
	}
}

func TestArrange_AlwaysAlternates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.Custom(func(t *rapid.T) chatbox.PromptMessage {
			return chatbox.PromptMessage{
				Role:    rapid.SampledFrom([]chatbox.Role{chatbox.RoleSystem, chatbox.RoleUser, chatbox.RoleAssistant}).Draw(t, "role"),
				Content: rapid.SampledFrom([]string{"", " ", "\n\t", "text", "more text"}).Draw(t, "content"),
			}
		})
		p := chatbox.Prompt{Messages: rapid.SliceOfN(line, 0, 20).Draw(t, "lines")}
		for _, roles := range []string{RolesSystem, RolesMerged} {
			got := arrange(p, roles)
			require.Equal(t, 1, len(got.lines)%2, "the user begins and ends")
			for i, l := range got.lines {
				require.Equal(t, i%2 == 0, l.Role == chatbox.RoleUser)
				require.NotEmpty(t, strings.TrimSpace(l.Content))
			}
		}
	})
}

// strictRoles refuses what Mistral's chat template refuses.
func strictRoles(messages []struct{ Role, Content string }) bool {
	if len(messages) > 0 && messages[0].Role == "system" {
		messages = messages[1:]
	}
	for i, m := range messages {
		if (m.Role == "user") != (i%2 == 0) || m.Content == "" {
			return false
		}
	}
	return len(messages) > 0
}

// A server that insists on alternation accepts the requests of every dialect,
// also if they continue an answer at a prefix.
func TestDialects_AServerThatInsistsOnAlternation(t *testing.T) {
	hello := map[string]string{
		TypeOpenAI:    event(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}`) + event("[DONE]"),
		TypeAnthropic: dialects()[0].begin + dialects()[0].hello + dialects()[0].end,
	}
	for kind, answer := range hello {
		for name, tt := range shapes() {
			for _, prefix := range []string{"", "Once upon"} {
				for _, roles := range []string{"", RolesMerged} {
					t.Run(kind+"/"+name+"/"+prefix+"/"+roles, func(t *testing.T) {
						v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
							var body struct {
								System   string
								Messages []struct{ Role, Content string }
							}
							if err := json.NewDecoder(r.Body).Decode(&body); err != nil || !strictRoles(body.Messages) {
								t.Errorf("refused: %v %+v", err, body)
								http.Error(w, "Conversation roles must alternate user/assistant/user/assistant/...", http.StatusBadRequest)
								return
							}
							last := body.Messages[len(body.Messages)-1]
							assert.Equal(t, prefix != "", last.Role == "assistant")
							if prefix != "" {
								assert.Equal(t, prefix, last.Content)
							}
							if roles == RolesMerged {
								assert.Empty(t, body.System)
								assert.NotEqual(t, "system", body.Messages[0].Role)
							}
							say(w, answer)
						})
						r, _ := newTestRouter(t, kind, v.URL, func(c *Config) { c.Providers[0].Roles = roles })
						a := collect(t, r.Stream(t.Context(), chatbox.Prompt{Messages: lines(tt.prompt), Prefix: prefix}))
						require.NoError(t, a.err)
						assert.Equal(t, "Hello", a.text)
					})
				}
			}
		}
	}
}

func TestDify_ArrangesWhatWasSaid(t *testing.T) {
	for name, tt := range map[string]struct{ prompt, roles, system, query string }{
		"one question":         {"s:sys/u:q1", "", "sys", "q1"},
		"several system lines": {"s:one/s:two/u:q1", "", "one\n\ntwo", "q1"},
		"a failed turn":        {"u:q1/u:q2", "", "", "q1\n\nq2"},
		"held":                 {"u:q1/a:half/a:Ana: hi/u:q2", "", "", "What was said so far:\n\nUser: q1\nAssistant: half\n\nAna: hi\n\nNow answer this:\n\nq2"},
		"stopped":              {"u:q1/a: /u:q2", "", "", "q1\n\nq2"},
		"an empty question":    {"u:q1/a:a1/u: ", "", "", "What was said so far:\n\nUser: q1\nAssistant: a1\n\nNow answer this:\n\n" + emptyText},
		"merged":               {"s:sys/u:q1/a:a1/u:q2", RolesMerged, "", "sys\n\nWhat was said so far:\n\nUser: q1\nAssistant: a1\n\nNow answer this:\n\nq2"},
	} {
		t.Run(name, func(t *testing.T) {
			inputs, query := difyQuestion(chatbox.Prompt{Messages: lines(tt.prompt)}, tt.roles)
			assert.Equal(t, tt.query, query)
			assert.Equal(t, tt.system, inputs["system"])
		})
	}
}
