package browser

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
)

// nextTurnLocked starts the answer to the oldest waiting message, if none is running.
func (f *fake) nextTurnLocked(s *fakeSession, content string) {
	if s.answer != nil || len(s.turns) == 0 || f.ctx.Err() != nil {
		return
	}
	replyTo := s.turns[0]
	s.turns = s.turns[1:]
	f.startLocked(s, replyTo, content)
}

func (f *fake) startLocked(s *fakeSession, replyTo, prompt string) {
	f.made++
	ctx, cancel := context.WithCancel(f.ctx)
	a := &fakeAnswer{id: fmt.Sprintf("ans_%026d", f.made), replyTo: replyTo, model: s.model, attempt: 1, index: -1, cancel: cancel, pod: f.runningLocked()}
	s.answer = a
	f.fanLocked(s, frame{"type": "loading", "id": a.id, "session_id": s.id, "metadata": frame{"reply_to": replyTo}}, nil)
	f.work.Go(func() { // ends with the answer or the fake; newFake waits
		defer cancel()
		f.generate(ctx, s, a, prompt)
	})
}

func (f *fake) runningLocked() *fakePod {
	for i := range f.pods {
		if pod := f.pods[(f.made+i)%len(f.pods)]; pod.state == "running" {
			return pod
		}
	}
	return nil
}

// generate shows one piece per tick. If the pod dies, another pod continues the answer or starts it again after the time of a lease.
func (f *fake) generate(ctx context.Context, s *fakeSession, a *fakeAnswer, prompt string) {
	pieces := cut(scriptFor(prompt))
	rate := fakePieceRate
	if strings.Contains(prompt, "lowly") {
		rate = 90 * time.Millisecond
	}
	tick := time.NewTicker(rate)
	defer tick.Stop()
	var lostAt time.Time
	for i := 0; i <= len(pieces); {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		f.mu.Lock()
		switch {
		case a.finish != "" || ctx.Err() != nil:
			f.mu.Unlock()
			return
		case a.pod == nil || a.pod.state == "stopped":
			if lostAt.IsZero() {
				lostAt = time.Now()
			}
			if next := f.runningLocked(); next != nil && time.Since(lostAt) > fakeLease {
				a.pod, lostAt = next, time.Time{}
				if f.restart {
					a.attempt, a.index, a.text, i = a.attempt+1, -1, "", 0
					f.fanLocked(s, a.piece(s.id, "", true), nil)
				}
			}
		case strings.HasPrefix(prompt, "fail") && i == 5, strings.HasPrefix(prompt, "refuse"):
			f.failLocked(s, a) //nolint:contextcheck // the next answer has a life of its own
		case i == len(pieces):
			f.finishLocked(s, a, "stop") //nolint:contextcheck // the next answer has a life of its own
			i++
		default:
			a.index, a.text = a.index+1, a.text+pieces[i]
			f.fanLocked(s, a.piece(s.id, pieces[i], false), nil)
			i++
		}
		f.mu.Unlock()
	}
}

func (a *fakeAnswer) piece(session, content string, snapshot bool) frame {
	meta := frame{"streaming": "true", "done": "false", "attempt": strconv.Itoa(a.attempt), "index": strconv.Itoa(a.index), "reply_to": a.replyTo}
	if snapshot {
		meta["snapshot"] = "true"
	}
	return frame{"type": "ai_response", "id": a.id, "session_id": session, "sender": "ai", "model_id": a.model, "content": content, "metadata": meta}
}

func (f *fake) failLocked(s *fakeSession, a *fakeAnswer) {
	if a.text != "" {
		f.finishLocked(s, a, "error")
	}
	a.finish, s.answer = "error", nil
	f.fanLocked(s, fault("LLM_UNAVAILABLE", "The model is not available just now.", true, frame{"id": a.id, "session_id": s.id}), nil)
	f.followLocked(s)
}

// finishLocked stores the answer: whole in the history and for resumes, without text for those who saw its pieces.
func (f *fake) finishLocked(s *fakeSession, a *fakeAnswer, finish string) {
	if a.finish != "" {
		return
	}
	a.finish, s.answer = finish, nil
	meta := frame{
		"streaming": "false", "done": "true", "attempt": strconv.Itoa(a.attempt), "index": strconv.Itoa(a.index), "reply_to": a.replyTo,
		"finish": finish, "length": strconv.Itoa(len([]rune(a.text))), "tokens_prompt": "12", "tokens_completion": strconv.Itoa(len(a.text) / 4),
	}
	status := map[string]string{"stop": "complete", "cancelled": "cancelled", "error": "failed"}[finish]
	s.activity = time.Now()
	whole := frame{
		"type": "ai_response", "id": a.id, "session_id": s.id, "seq": len(s.events) + 1, "sender": "ai", "model_id": a.model,
		"content": a.text, "timestamp": stamp(s.activity), "status": status, "metadata": meta,
	}
	s.events = append(s.events, whole)
	last := maps.Clone(whole)
	delete(last, "content")
	streamed := maps.Clone(meta)
	streamed["streaming"] = "true"
	last["metadata"] = streamed
	f.fanLocked(s, last, nil)
	if finish != "error" {
		f.followLocked(s)
	}
}

func (f *fake) followLocked(s *fakeSession) {
	if len(s.turns) == 0 || s.status != "active" {
		return
	}
	for _, event := range s.events {
		if str(event["id"]) == s.turns[0] {
			f.nextTurnLocked(s, str(event["content"]))
			return
		}
	}
}

func (f *fake) retryLocked(c *fakeConn, s *fakeSession, in frame) {
	var question frame
	for _, event := range s.events {
		if event["type"] == "user_message" {
			question = event
		}
	}
	last := frame{}
	if len(s.events) > 0 {
		last = s.events[len(s.events)-1]
	}
	if s.answer != nil || question == nil || (last["type"] == "ai_response" && last["status"] == "complete") {
		c.sendLocked(fault("NOT_FOUND", "nothing to retry", false, frame{"id": in["id"], "session_id": s.id}))
		return
	}
	f.startLocked(s, str(question["id"]), "again: "+strings.TrimPrefix(strings.TrimPrefix(str(question["content"]), "fail"), "refuse"))
}

// cut makes pieces as a model's come: a few characters each, never inside one.
func cut(text string) []string {
	var out []string
	runes := []rune(text)
	for i := 0; i < len(runes); i += 7 {
		out = append(out, string(runes[i:min(len(runes), i+7)]))
	}
	return out
}

func scriptFor(prompt string) string {
	lower := strings.ToLower(prompt)
	switch {
	case strings.Contains(lower, "markdown"):
		return markdownAnswer
	case strings.Contains(lower, "go code"):
		return codeAnswer
	case strings.Contains(lower, "long"):
		return longAnswer()
	case strings.Contains(lower, "lowly"):
		return "Words come one after the other here, without any hurry, so that there is time to press the button that stops them. " +
			strings.Repeat("Another line of the slow answer. ", 8)
	case strings.Contains(lower, "headings"):
		return "#### First\n\ntext\n\n# Second\n\n###### Third\n\n> ## Quoted\n"
	case strings.Contains(lower, "bidi"):
		return bidiAnswer
	case strings.Contains(lower, "hostile"):
		return hostileAnswer
	}
	return "You wrote: “" + firstLine(prompt) + "”. This is a short answer in two sentences."
}

// longAnswer's lines are numbered: a missing or a repeated one is seen at once.
func longAnswer() string {
	var b strings.Builder
	b.WriteString("## A long story\n\n")
	for i := range 28 {
		fmt.Fprintf(&b, "Line %d: the ferry crossed the bay again, and the keeper wrote down the hour.\n\n", i+1)
	}
	b.WriteString("The end.")
	return b.String()
}

const markdownAnswer = "# Reading by the sea\n\nA short guide with **strong** and *soft* words, `inline code`, and a [link](https://example.org/tides \"tides\").\n\n" +
	"## What to bring\n\n1. A book, and a second one\n2. Something warm\n   - a blanket\n   - tea in a flask\n3. Patience\n\n" +
	"- [x] Look at the tide table\n- [ ] Tell someone where you are\n\n" +
	"| Hour | Tide | Height |\n|:-----|:-----|-------:|\n| 05:48 | low | 0.9 m |\n| 11:57 | high | 4.6 m |\n| 18:12 | low | 1.1 m |\n\n" +
	"> The sea is never the same page twice.\n\n---\n\nMore at https://example.org/tides."

const codeAnswer = "A function that keeps the newest `n` values, and its test:\n\n```go\n// Last returns the newest n values, oldest first.\n" +
	"func Last[T any](values []T, n int) []T {\n\tif n <= 0 {\n\t\treturn nil\n\t}\n\treturn values[max(0, len(values)-n):]\n}\n```\n\n" +
	"It never allocates: the result shares the array of its argument.\n\n```go\nfunc TestLast(t *testing.T) {\n\tgot := Last([]int{1, 2, 3}, 2)\n" +
	"\tif !slices.Equal(got, []int{2, 3}) {\n\t\tt.Errorf(\"got %v\", got)\n\t}\n}\n```\n"

const bidiAnswer = "## כותרת\n\n- פריט ראשון with English\n- פריט שני\n\n| שם | ערך |\n|---|---|\n| גובה | 12 px |\n\n> ציטוט\n\n```go\nx := 1 // הערה\n```\n"

const hostileAnswer = "<script>window.pwned=1</script>\n\n<img src=x onerror=\"window.pwned=2\">\n\n" +
	"[click](javascript:window.pwned=3) [data](data:text/html,<script>window.pwned=4</script>) [vb]( vbscript:x) " +
	"[tab](java\tscript:window.pwned=5) [upper](JaVaScRiPt:window.pwned=6) ![image](javascript:window.pwned=7)\n\n" +
	"<javascript:window.pwned=8> <https://example.org/\"onmouseover=\"window.pwned=9> [ok](https://example.org/\"><img/src=x)\n\n" +
	"```html\"><img src=x onerror=window.pwned=10>\n</code></pre><script>window.pwned=11</script>\n```\n\n" +
	"| <b onclick=window.pwned=12>x</b> | y |\n|---|---|\n| <svg/onload=window.pwned=13> | [z](//example.org) |\n"
