package answer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/tiktoken-go/tokenizer"
	"pgregory.net/rapid"

	"chatbox"
	"chatbox/app/sessionlog"
)

func asked(seq int64, text string) chatbox.Event {
	return chatbox.Event{Seq: seq, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Content: text}
}

func staffSaid(seq int64, name, text string) chatbox.Event {
	return chatbox.Event{
		Seq: seq, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderAdmin, Content: text,
		Metadata: map[string]string{chatbox.MetaAdminID: "a1", chatbox.MetaAdminName: name},
	}
}

func answered(seq, question int64, run int, finish chatbox.Finish, text string) chatbox.Event {
	return chatbox.Event{
		Seq: seq, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: text, Status: finish.Status(),
		Answer: &chatbox.Answer{Gen: chatbox.Gen{Seq: question, Run: run}, Finish: finish},
	}
}

func control(seq int64, typ chatbox.Type) chatbox.Event {
	return chatbox.Event{Seq: seq, Type: typ, Sender: chatbox.SenderAdmin, Content: "control", ModelID: "m"}
}

func attached(seq int64, typ chatbox.Type, sender chatbox.Sender, name, text string) chatbox.Event {
	return chatbox.Event{
		Seq: seq, Type: typ, Sender: sender, Content: text, FileID: "f1", FileURL: "https://files.test/f1?signature=canary",
		Metadata: map[string]string{metaFilename: name, chatbox.MetaAdminName: "Ana"},
	}
}

// script writes a prompt as one string: s, u and a for the roles.
func script(lines []chatbox.PromptMessage) string {
	parts := make([]string, len(lines))
	for i, l := range lines {
		parts[i] = string(l.Role[0]) + ":" + l.Content
	}
	return strings.Join(parts, " | ")
}

const plenty = 1 << 20

func TestBuildPrompt_PairsQuestionsWithAnswers(t *testing.T) {
	stop, cancelled, failed, taken := chatbox.FinishStop, chatbox.FinishCancelled, chatbox.FinishError, chatbox.FinishTakenOver
	tests := map[string]struct {
		log  []chatbox.Event
		m    int64
		want string
	}{
		"first message":         {[]chatbox.Event{asked(1, "q1")}, 1, "s:sys | u:q1"},
		"a turn before":         {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, stop, "a1"), asked(3, "q2")}, 3, "s:sys | u:q1 | a:a1 | u:q2"},
		"stored out of order":   {[]chatbox.Event{asked(1, "q1"), asked(2, "q2"), answered(3, 1, 1, stop, "a1")}, 2, "s:sys | u:q1 | a:a1 | u:q2"},
		"nothing after":         {[]chatbox.Event{asked(1, "q1"), asked(2, "q2"), answered(3, 1, 1, stop, "a1"), asked(4, "q3"), staffSaid(5, "Ana", "s")}, 2, "s:sys | u:q1 | a:a1 | u:q2"},
		"not its own answer":    {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, cancelled, "half")}, 1, "s:sys | u:q1"},
		"nor a later one's":     {[]chatbox.Event{asked(1, "q1"), asked(2, "q2"), answered(3, 1, 1, stop, "a1"), answered(4, 2, 1, stop, "a2")}, 1, "s:sys | u:q1"},
		"no answer":             {[]chatbox.Event{asked(1, "q1"), asked(2, "q2"), asked(3, "q3")}, 3, "s:sys | u:q1 | u:q2 | u:q3"},
		"partial texts":         {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, cancelled, "c"), asked(3, "q2"), answered(4, 3, 1, taken, "t"), asked(5, "q3"), answered(6, 5, 1, failed, "f"), asked(7, "q4")}, 7, "s:sys | u:q1 | a:c | u:q2 | a:t | u:q3 | a:f | u:q4"},
		"stopped before a word": {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, cancelled, ""), asked(3, "q2")}, 3, "s:sys | u:q1 | u:q2"},
		"the last run counts":   {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, failed, "half"), answered(3, 1, 2, stop, "whole"), asked(4, "q2")}, 4, "s:sys | u:q1 | a:whole | u:q2"},
		"even without a word":   {[]chatbox.Event{asked(1, "q1"), answered(2, 1, 1, failed, "half"), answered(3, 1, 2, cancelled, ""), asked(4, "q2")}, 4, "s:sys | u:q1 | u:q2"},
		"held session": {[]chatbox.Event{
			asked(1, "q1"), control(2, chatbox.TypeHelpRequest), control(3, chatbox.TypeAdminJoin), staffSaid(4, "Ana\nevil", "hi"), asked(5, "thanks"),
			staffSaid(6, "", "bye"), control(7, chatbox.TypeAdminLeave), control(8, chatbox.TypeModelSelect), asked(9, "q2"),
		}, 9, "s:sys | u:q1 | a:Anaevil (support): hi | u:thanks | a:Support: bye | u:q2"},
		"staff spoke first":      {[]chatbox.Event{staffSaid(1, "Ana", "hi"), asked(2, "q1")}, 2, "s:sys | a:Ana (support): hi | u:q1"},
		"answer before staff":    {[]chatbox.Event{asked(1, "q1"), staffSaid(2, "Ana", "hi"), answered(3, 1, 1, taken, "half"), asked(4, "q2")}, 4, "s:sys | u:q1 | a:half | a:Ana (support): hi | u:q2"},
		"question not in window": {[]chatbox.Event{answered(8, 2, 1, stop, "a1"), asked(9, "q2")}, 9, "s:sys | u:q2"},
		"files": {[]chatbox.Event{
			attached(1, chatbox.TypeFileUpload, chatbox.SenderUser, "my\tplan.pdf", "see page 2"),
			attached(2, chatbox.TypeVoiceMessage, chatbox.SenderUser, "", ""),
			attached(3, chatbox.TypeFileUpload, chatbox.SenderAdmin, "https://x/?sig=canary", "at https://x/?sig=canary"),
			asked(4, "q1"),
		}, 4, `s:sys | u:[file: "myplan.pdf"] see page 2 | u:[voice message; you cannot hear it, and there is no transcript] | a:Ana (support): [file] | u:q1`},
		"a file is the message": {[]chatbox.Event{attached(1, chatbox.TypeFileUpload, chatbox.SenderUser, "x.png", "")}, 1, `s:sys | u:[file: "x.png"]`},
		"unknown and incomplete events": {[]chatbox.Event{
			control(1, "poll_opened"),
			{Seq: 2, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: "?"},
			{Seq: 3, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderSystem, Content: "?"},
			asked(4, "q1"),
		}, 4, "s:sys | u:q1"},
		"repeated and shuffled": {[]chatbox.Event{asked(3, "q2"), asked(1, "q1"), answered(2, 1, 1, stop, "a1"), asked(1, "q1")}, 3, "s:sys | u:q1 | a:a1 | u:q2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tt.log)
			m := tt.log[slices.IndexFunc(tt.log, func(e chatbox.Event) bool { return e.Seq == tt.m })]
			got := script(built("sys", tt.log, m, plenty))
			assert.Equal(t, tt.want, got)
			assert.NotContains(t, got, "canary")
			assert.Equal(t, before, tt.log, "the log is the caller's")
		})
	}
}

func TestBuildPrompt_Budget(t *testing.T) {
	long := strings.Repeat("x", 300) // 104 tokens
	log := []chatbox.Event{
		asked(1, "q1"), answered(2, 1, 1, chatbox.FinishStop, "a1"), // 10 tokens
		asked(3, "q2"), answered(4, 3, 1, chatbox.FinishStop, long), // 109
		asked(5, "q3"), // 5
		asked(6, "q4"), // 5
	}
	for budget, want := range map[int]string{
		0:        "s:sys | u:q4",
		14:       "s:sys | u:q4",
		15:       "s:sys | u:q3 | u:q4",
		15 + 108: "s:sys | u:q3 | u:q4",
		15 + 109: "s:sys | u:q2 | a:" + long + " | u:q3 | u:q4",
		15 + 119: "s:sys | u:q1 | a:a1 | u:q2 | a:" + long + " | u:q3 | u:q4",
	} {
		assert.Equal(t, want, script(built("sys", log, log[5], budget)), "budget %d", budget)
	}
	assert.Equal(t, "u:q4", script(built("", log, log[5], -1)), "no system prompt, no line")
}

func built(system string, log []chatbox.Event, m chatbox.Event, budget int) []chatbox.PromptMessage {
	prompt, _ := buildPrompt(system, log, m, budget)
	return messages(prompt)
}

// drawLog makes a log of turns in which answers may come late, early or never.
func drawLog(t *rapid.T) []chatbox.Event {
	var log []chatbox.Event
	runs := map[int64]int{}
	for seq := int64(1); seq <= rapid.Int64Range(1, 40).Draw(t, "events"); seq++ {
		text := fmt.Sprintf("<%d>", seq) + strings.Repeat("x", rapid.IntRange(0, 60).Draw(t, "length"))
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0:
			log = append(log, control(seq, chatbox.TypeAdminJoin))
		case kind == 1:
			log = append(log, staffSaid(seq, "Ana", text))
		case kind <= 3 && len(runs) > 0:
			q := rapid.SampledFrom(slices.Sorted(func(yield func(int64) bool) {
				for k := range runs {
					if !yield(k) {
						return
					}
				}
			})).Draw(t, "question")
			runs[q]++
			log = append(log, answered(seq, q, runs[q], chatbox.FinishStop, text))
		default:
			runs[seq] = 0
			log = append(log, asked(seq, text))
		}
	}
	return log
}

func TestBuildPrompt_Properties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := append(drawLog(t), asked(100, "last"))
		questions := slices.DeleteFunc(slices.Clone(log), func(e chatbox.Event) bool {
			return e.Type != chatbox.TypeUserMessage || e.Sender != chatbox.SenderUser
		})
		m := rapid.SampledFrom(questions).Draw(t, "m")
		budget := rapid.IntRange(-10, 800).Draw(t, "budget")
		got := built("sys", log, m, budget)

		require.Equal(t, chatbox.PromptMessage{Role: chatbox.RoleSystem, Content: "sys"}, got[0], "the system prompt leads")
		require.Equal(t, chatbox.PromptMessage{Role: chatbox.RoleUser, Content: m.Content}, got[len(got)-1], "the message is last")
		if history := got[1 : len(got)-1]; len(history) > 0 {
			require.LessOrEqual(t, chatbox.TokensOf(got...), budget)
		}
		whole := built("sys", log, m, plenty)
		require.Equal(t, got[1:], whole[len(whole)-len(got)+1:], "a smaller budget cuts from the front only")
		shuffled := rapid.Permutation(log).Draw(t, "shuffled")
		require.Equal(t, got, built("sys", shuffled, m, budget), "the order of arrival does not matter")

		requireSaidBefore(t, log, m, got[1:len(got)-1])
	})
}

// pages is a history that counts what it gives.
type pages struct {
	sessionlog.Reader

	log   []chatbox.Event
	reads int
	given int
}

func (p *pages) Range(_ context.Context, _ chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	p.reads++
	var out []chatbox.Event
	for _, e := range p.log {
		if from <= e.Seq && e.Seq <= to {
			out = append(out, e)
		}
	}
	p.given += len(out)
	return out, nil
}

// However long the log and its lines are, what is asked is the same as if all
// of it had been read, and not much more is read than is asked.
func TestPromptFor_ReadsAsFarBackAsTheBudget(t *testing.T) {
	for _, c := range []struct {
		name           string
		events         int64
		length, budget int
		reads, given   int
	}{
		{"a short log", 20, 10, 8000, 1, 20},
		{"long lines", 2000, 30 << 10, 24_000, 1, promptPage + 1},
		{"one line is too much", 2000, 30 << 10, 3_000, 1, promptPage + 1},
		{"short lines", 2000, 100, 4000, 3, 111},
		{"no farther than the window", 2000, 10, 24_000, 5, 401},
		{"a large window", 20_000, 10, 256_000, 8, 4001},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := &pages{}
			for seq := int64(1); seq <= c.events; seq++ {
				h.log = append(h.log, asked(seq, fmt.Sprint(seq)+strings.Repeat("x", c.length)))
			}
			s := New(DefaultConfig(), Deps{Messages: h})
			m := h.log[len(h.log)-1]
			got, err := s.promptFor(t.Context(), m.Seq, m, c.budget)
			require.NoError(t, err)
			assert.Equal(t, c.reads, h.reads)
			assert.Equal(t, c.given, h.given)
			lately := h.log[max(0, int64(len(h.log))-1-historyWindow(c.budget)):]
			assert.Equal(t, built("", lately, m, c.budget), messages(got))
		})
	}
}

// However many questions wait behind the message, the answers among them that
// belong before it are found.
func TestPromptFor_WhatWaitsBehindTheMessage(t *testing.T) {
	h := &pages{log: []chatbox.Event{asked(1, "q1"), asked(2, "q2")}}
	for seq := int64(3); seq < 1000; seq++ {
		h.log = append(h.log, asked(seq, "later"))
	}
	h.log = append(h.log, answered(1000, 1, 1, chatbox.FinishStop, "a1"))
	s := New(DefaultConfig(), Deps{Messages: h})
	got, err := s.promptFor(t.Context(), 1000, h.log[1], plenty)
	require.NoError(t, err)
	assert.Equal(t, "u:q1 | a:a1 | u:q2", script(messages(got)))
}

func TestPromptBack_IsAsIfAllHadBeenRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		log := drawLog(t)
		m := asked(int64(len(log))+1, "last")
		h := &pages{log: append(log, m)}
		budget := rapid.IntRange(-10, 800).Draw(t, "budget")
		s := New(DefaultConfig(), Deps{Messages: h})
		from := rapid.Int64Range(1, m.Seq).Draw(t, "from")
		got, err := s.promptBack(t.Context(), h.log[from-1:], from, m, budget)
		require.NoError(t, err)
		require.Equal(t, built("", h.log, m, budget), messages(got))
	})
}

// A log that is read from within a turn is read on to the turn's question, which
// may not fit.
func TestPromptBack_ReadsToTheBeginningOfATurn(t *testing.T) {
	staff := chatbox.Event{
		Seq: 2, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderAdmin, Content: "a note", Metadata: map[string]string{chatbox.MetaAdminName: "Ana"},
	}
	log := []chatbox.Event{asked(1, "a question"), staff, asked(3, "last")}
	exact := built("", log[1:], log[2], plenty)
	s := New(DefaultConfig(), Deps{Messages: &pages{log: log}})
	got, err := s.promptBack(t.Context(), log[1:2], 2, log[2], chatbox.TokensOf(exact...))
	require.NoError(t, err)
	assert.Equal(t, "u:last", script(messages(got)))
}

// requireSaidBefore checks lines against the log: questions in order and before
// m, each answer right behind its own question.
func requireSaidBefore(t *rapid.T, log []chatbox.Event, m chatbox.Event, lines []chatbox.PromptMessage) {
	last, question := int64(0), int64(0)
	for _, l := range lines {
		i := slices.IndexFunc(log, func(e chatbox.Event) bool { return strings.HasSuffix(l.Content, e.Content) })
		require.GreaterOrEqual(t, i, 0, "every line was said: %q", l.Content)
		e := log[i]
		if e.Type == chatbox.TypeAnswer {
			require.Equal(t, question, e.Answer.Gen.Seq, "an answer follows its question")
			require.Equal(t, chatbox.RoleAssistant, l.Role)
			continue
		}
		require.Greater(t, e.Seq, last)
		require.Less(t, e.Seq, m.Seq)
		last, question = e.Seq, e.Seq
		require.Equal(t, e.Sender == chatbox.SenderUser, l.Role == chatbox.RoleUser)
	}
}

func TestTokensOf_IsNotLessThanAVocabularyNeeds(t *testing.T) {
	for _, encoding := range []tokenizer.Encoding{tokenizer.Cl100kBase, tokenizer.O200kBase} {
		codec, err := tokenizer.Get(encoding)
		require.NoError(t, err)
		for name, text := range map[string]string{
			"English": "Stateless pods hold sockets and nothing else; the history is kept where every pod can read it.",
			"German":  "Die Verschlüsselungsschlüssel werden regelmäßig ausgetauscht, ohne dass jemand es bemerkt.",
			"Russian": "Сообщение считается принятым только тогда, когда оно записано на большинстве узлов.",
			"Chinese": "消息只有在写入数据库之后才会被确认，任何一个节点都可以继续回答。",
			"Arabic":  "لا يتم تأكيد الرسالة إلا بعد كتابتها في قاعدة البيانات.",
			"Go":      "func (s *Server) Close() error {\n\tif err := s.l.Close(); err != nil {\n\t\treturn err\n\t}\n\treturn nil\n}\n",
			"JSON":    `{"type":"user_message","id":"m-1","session_id":"abc","content":"hello","metadata":{"state":"start"}}`,
			"emoji":   "Thanks a lot 🙂 see you tomorrow 🎉",
		} {
			exact, err := codec.Count(text)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, chatbox.TokensOf(chatbox.PromptMessage{Content: text}), exact, "%s, %s", encoding, name)
		}
	}
}

func BenchmarkBuildPrompt(b *testing.B) {
	var log []chatbox.Event
	for seq := int64(1); seq < 400; seq += 2 {
		log = append(log, asked(seq, strings.Repeat("q", 200)), answered(seq+1, seq, 1, chatbox.FinishStop, strings.Repeat("a", 2000)))
	}
	m := asked(401, "and now?")
	b.ReportAllocs()
	for b.Loop() {
		built("sys", log, m, 16_000)
	}
}
