package llm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

const (
	scriptedPace = 25 * time.Millisecond // between two words
	slowPace     = 400 * time.Millisecond
	faultAfter   = 5 // words, where a directive does not say
	maxScripted  = 100_000
)

// newScripted answers without any vendor: see ScriptedText for what it says.
// Its endpoint is empty or "scripted://?delay=5ms", the pause between words.
// It always continues at a prefix of its own text and refuses any other.
func newScripted(p Provider) (func(context.Context, chatbox.Prompt) (source, error), error) {
	pace, err := scriptedDelay(p.Endpoint)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, prompt chatbox.Prompt) (source, error) {
		message := lastUserMessage(prompt.Messages)
		d := parseScript(message, pace)
		if d.fail {
			return source{}, &failure{status: d.status, text: "the message asks for a failure", declared: true}
		}
		rest, ok := strings.CutPrefix(ScriptedText(message), prompt.Prefix)
		if !ok {
			return source{}, &failure{text: "the prefix is not the beginning of the scripted answer", declared: true}
		}
		words := strings.SplitAfter(prompt.Prefix, " ")
		s := &script{
			ctx: ctx, rest: rest, script: d, said: len(words) - 1,
			usage: chatbox.Usage{Prompt: countWords(prompt.Messages...), Completion: len(strings.Fields(rest))},
		}
		return source{next: s.next, close: func() {}}, nil
	}, nil
}

// scriptedDelay reads the options in a scripted model's endpoint.
func scriptedDelay(endpoint string) (time.Duration, error) {
	if endpoint == "" {
		return scriptedPace, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != TypeScripted || u.Host != "" || u.User != nil {
		return 0, errors.New(`of a scripted model must be empty or like "scripted://?delay=5ms"`)
	}
	pace := scriptedPace
	for name, values := range u.Query() {
		if name != "delay" {
			return 0, fmt.Errorf("has the unknown option %q", name)
		}
		if pace, err = time.ParseDuration(values[len(values)-1]); err != nil || pace < 0 {
			return 0, errors.New("has a delay that is no duration, as 5ms is")
		}
	}
	return pace, nil
}

func lastUserMessage(lines []chatbox.PromptMessage) string {
	for _, l := range slices.Backward(lines) {
		if l.Role == chatbox.RoleUser {
			return l.Content
		}
	}
	return ""
}

func countWords(lines ...chatbox.PromptMessage) int {
	n := 0
	for _, l := range lines {
		n += len(strings.Fields(l.Content))
	}
	return n
}

// directives are what a message asks of the scripted model in double brackets.
type directives struct {
	words    int // of the answer; zero: the message's words choose it
	delay    time.Duration
	fail     bool
	status   int // of the failure; zero: not an HTTP one
	truncate int // break off after so many words; negative: never
	stall    int // fall silent after so many words; negative: never
	finish   chatbox.Finish
}

// parseScript reads the directives of a message. Several brackets add up, the
// last value of a name wins, what is not understood is ignored.
func parseScript(message string, pace time.Duration) directives {
	d := directives{delay: pace, truncate: -1, stall: -1, finish: chatbox.FinishStop}
	if topicOf(message) == topicSlow {
		d.delay = max(pace, slowPace)
	}
	for _, inside := range brackets(message) {
		for field := range strings.FieldsSeq(inside) {
			name, value, _ := strings.Cut(field, "=")
			d.set(name, value)
		}
	}
	return d
}

func (d *directives) set(name, value string) {
	switch name {
	case "words":
		d.words = number(value, d.words)
	case "delay":
		if v, err := time.ParseDuration(value); err == nil && v >= 0 {
			d.delay = v
		}
	case "fail":
		d.fail, d.status = true, number(value, 0)
	case "truncate":
		d.truncate = number(value, faultAfter)
	case "stall":
		d.stall = number(value, faultAfter)
	case "finish":
		switch f := chatbox.Finish(value); f {
		case chatbox.FinishStop, chatbox.FinishLength, chatbox.FinishFilter:
			d.finish = f
		default: // the others are not a model's to say
		}
	}
}

func number(value string, otherwise int) int {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= maxScripted {
		return n
	}
	return otherwise
}

// brackets returns what stands between double brackets.
func brackets(message string) []string {
	var found []string
	for {
		_, after, ok := strings.Cut(message, "[[")
		if !ok {
			return found
		}
		inside, rest, ok := strings.Cut(after, "]]")
		if !ok {
			return found
		}
		found, message = append(found, inside), rest
	}
}

// script is one answer under way. Its context is that of the request which it
// stands for; a source has no other way to be stopped.
type script struct {
	ctx    context.Context //nolint:containedctx // lives as long as the request, as a response's body does
	rest   string
	script directives
	said   int // words, the prefix's included
	usage  chatbox.Usage
}

// next says one word with the white space after it.
func (s *script) next() (step, error) {
	switch {
	case s.script.truncate >= 0 && s.said >= s.script.truncate:
		return step{}, io.EOF
	case s.script.stall >= 0 && s.said >= s.script.stall:
		<-s.ctx.Done()
		return step{}, s.ctx.Err()
	case s.rest == "":
		return step{finish: s.script.finish, usage: &s.usage}, io.EOF
	}
	if err := s.pause(); err != nil {
		return step{}, err
	}
	end := strings.IndexByte(s.rest, ' ') + 1
	if end == 0 {
		end = len(s.rest)
	}
	word := s.rest[:end]
	s.rest = s.rest[end:]
	s.said++
	return step{text: word}, nil
}

func (s *script) pause() error {
	if !sleep.For(s.ctx, s.script.delay) {
		return s.ctx.Err()
	}
	return nil
}
