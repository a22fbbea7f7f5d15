package chaos

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"chatbox"
	"chatbox/app/answer"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

const (
	terrible = "Something terrible and much worse than that"
	instead  = "I must not say that"
)

// fickle withdraws what it has said where it is asked for the first time, and
// says something else each time it is asked again.
type fickle struct {
	answer.LLM
	instead  string // stands in the place of the withdrawn words
	asked    atomic.Int32
	withdraw chan struct{} // closed: it takes its words back
	end      chan struct{} // closed: it comes to an end
}

func newFickle(instead string) *fickle {
	return &fickle{instead: instead, withdraw: make(chan struct{}), end: make(chan struct{})}
}

func (f *fickle) use(cfg *devstack.Config) { f.LLM, cfg.LLM = cfg.LLM, f }

func (f *fickle) Stream(ctx context.Context, p chatbox.Prompt) iter.Seq2[chatbox.Delta, error] {
	if p.Messages[len(p.Messages)-1].Content != "bad" {
		return f.LLM.Stream(ctx, p)
	}
	n := f.asked.Add(1)
	waits := func(gate chan struct{}) bool {
		select {
		case <-gate:
			return true
		case <-ctx.Done():
			return false
		}
	}
	return func(yield func(chatbox.Delta, error) bool) {
		finish := chatbox.FinishStop
		switch n {
		case 1:
			if !yield(chatbox.Delta{Text: terrible}, nil) || !waits(f.withdraw) || !yield(chatbox.Delta{Text: f.instead, Replace: true}, nil) {
				return
			}
			if !waits(f.end) {
				return
			}
			if f.instead == "" {
				finish = chatbox.FinishFilter
			} else if !yield(chatbox.Delta{Text: ", and that is that."}, nil) {
				return
			}
		default:
			for i := range 5 {
				if !yield(chatbox.Delta{Text: fmt.Sprintf("(asked %d times: %d) ", n, i)}, nil) {
					return
				}
			}
		}
		yield(chatbox.Delta{Finish: finish}, nil)
	}
}

// withdrawn waits until the device is shown nothing of the withdrawn words.
func (s *stage) withdrawn(d *client.Client, id string) {
	s.t.Helper()
	s.wait(d, "the withdrawal", func(t *client.Tracker) bool {
		a := answerOf(t, "s-1", id)
		return a != nil && a.Restarts > 0
	})
}

// killAnswering kills the pod that gives the answer.
func (s *stage) killAnswering() {
	s.t.Helper()
	for _, p := range s.stack.Pods() {
		if s.stack.Generations(p.ID) == 0 {
			continue
		}
		if err := s.stack.KillPod(p.ID); err != nil {
			s.t.Error(err)
		}
		return
	}
	s.t.Error("nobody is answering")
}

// Words that were withdrawn come back by nothing that happens next, and no
// client joins what stands in their place to them: an attempt's number is never
// used for two texts.
func TestWithdrawn_WhateverHappensNext(t *testing.T) {
	takeover := func(s *stage) { s.takeOver("bob") }
	for _, tt := range []struct {
		name    string
		instead string
		early   func(s *stage) // before the withdrawal
		late    func(s *stage) // right after it
		forgets bool           // nobody may know any more that the page was shown anything
	}{
		{name: "nothing", instead: instead},
		{name: "its pod dies", instead: instead, late: (*stage).killAnswering},
		{name: "Redis is emptied", instead: instead, late: func(s *stage) { s.redis.FlushAll() }},
		{name: "Redis is emptied and its pod dies", instead: instead, late: func(s *stage) { s.killAnswering(); s.redis.FlushAll() }},
		{
			name: "the withdrawal was not counted, Redis is emptied and its pod dies", instead: instead,
			early: func(s *stage) { s.plan.next("claim turn", 1, refuse) },
			late:  func(s *stage) { s.killAnswering(); s.redis.FlushAll() },
		},
		{name: "a takeover", instead: instead, late: takeover},
		{name: "Redis is emptied, and a takeover", instead: instead, late: func(s *stage) { s.redis.FlushAll(); takeover(s) }},
		{
			name: "Redis is emptied, its pod dies, and a takeover", instead: instead, forgets: true,
			late: func(s *stage) { s.killAnswering(); s.redis.FlushAll(); takeover(s) },
		},
		{name: "nothing, and nothing stands in their place"},
		{name: "its pod dies, and nothing stands in their place", late: (*stage).killAnswering},
		{name: "a takeover, and nothing stands in their place", late: takeover},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFickle(tt.instead)
			s := start(t, newPlan(), quiet, f.use)
			urls := []string{s.podURL(0), s.podURL(1), s.podURL(2)}
			d := s.device("ada", "s-1", urls...)
			s.attached(d, "s-1")
			s.answered(d, "s-1", s.say(d, "s-1", "first [[words=2]]"))
			page := s.oldPage("ada", "s-1", urls...)
			id := s.say(d, "s-1", "bad")
			page.until("the words that are withdrawn", func(p *oldPage) bool { return p.running == terrible })
			if tt.early != nil {
				tt.early(s)
			}
			close(f.withdraw)
			s.withdrawn(d, id)
			if tt.late != nil {
				tt.late(s)
			}
			close(f.end)
			s.answered(d, "s-1", id)
			s.settled(d)
			var final client.Message
			for _, m := range s.judgeBy(nil, "ada", "s-1", d) {
				if m.Type == client.TypeAIResponse && m.Metadata["reply_to"] == id {
					final = m
				}
			}
			if strings.Contains(final.Content, "terrible") || tt.late == nil && tt.instead != "" && final.Content != instead+", and that is that." {
				t.Errorf("stored %q", final.Content)
			}
			if tt.forgets {
				s.showsNoMixture(page, final)
				return
			}
			s.showsNoGarbage(page, final)
		})
	}
}

func (s *stage) takeOver(admin string) {
	s.t.Helper()
	bob, _ := s.admin(admin, s.podURL(0), s.podURL(1), s.podURL(2))
	s.acked(bob, "s-1", s.frame(bob, client.TypeAdminJoin, "s-1"))
}

// showsNoGarbage: the page has the withdrawn words once, since nothing can take
// them back there, and then the answer, or what happened to it, as a message of
// its own.
func (s *stage) showsNoGarbage(p *oldPage, final client.Message) {
	s.t.Helper()
	p.until("the answer's end", func(p *oldPage) bool { return p.running == "" && len(p.bubbles) >= 2 })
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.bubbles[len(p.bubbles)-1]
	if len(p.bubbles) != 2 || p.bubbles[0] != terrible || final.Content != "" && last != final.Content || strings.TrimSpace(last) == "" {
		s.t.Errorf("the page shows %q, want %q and %q", p.bubbles, terrible, final.Content)
	}
}

// showsNoMixture: the page joins nothing to the withdrawn words. That it is told
// of the answer's end takes a note of what it has, and Redis had the only one.
func (s *stage) showsNoMixture(p *oldPage, final client.Message) {
	s.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range append(slices.Clone(p.bubbles), p.running) {
		if strings.Contains(text, terrible) && text != terrible || text != "" && strings.TrimSpace(text) == "" {
			s.t.Errorf("the page shows %q, and %q is stored", text, final.Content)
		}
	}
}
