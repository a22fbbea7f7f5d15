package llm

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// step is one piece of a provider's response. An empty step is a sign of life.
type step struct {
	text     string
	replace  bool           // text replaces all text before it
	thinks   bool           // the model produces reasoning, which is not part of the answer
	finish   chatbox.Finish // the reason why the answer is complete
	ended    bool           // the answer is complete for an unknown reason; the finish is stop if the stream ends properly
	usage    *chatbox.Usage // the usage reported so far
	terminal bool           // the provider said that nothing follows
}

// source is a running response of a provider. next blocks until the next step or
// the end of the request's context. It returns io.EOF at the end of the response.
// close ends the request if it is still running.
type source struct {
	next  func() (step, error)
	close func()
}

// model is one configured provider. open sends one request and returns when the
// response begins.
type model struct {
	id, name  string
	continues bool
	sees      bool
	key       Secret
	limits    limits
	budget    int // maximum tokens of a prompt
	open      func(ctx context.Context, p chatbox.Prompt) (source, error)
	blinded   atomic.Bool // it was logged that the vendor refuses pictures
}

// limits are the timeouts of one request.
type limits struct {
	header time.Duration // until the response begins
	first  time.Duration // until the model begins its answer or its reasoning; other signs of life do not extend it
	idle   time.Duration // between two signs of life after that
}

// defaultFirst is the default timeout of the first word, unless the idle timeout
// is longer. Large models on busy servers need that time to read a long prompt.
const defaultFirst = 60 * time.Second

func (c Config) limits() limits {
	first := max(defaultFirst, c.IdleTimeout)
	l := limits{header: c.HeaderTimeout, first: first, idle: c.IdleTimeout}
	if l.header == 0 {
		l.header = first
	}
	return l
}

// afterFinish is the time to wait for the usage after the provider said that the
// answer is complete. More text extends it, other signs of life do not.
const afterFinish = 3 * time.Second

// maxBlank is the maximum length in bytes of the white space before the first word.
// A model that exceeds it produces only white space.
const maxBlank = 4 << 10

// asking is the state of one request. It belongs to one goroutine.
type asking struct {
	model    *model
	watch    *vendorapi.Watch
	parent   context.Context //nolint:containedctx // lives as long as one request
	yield    func(chatbox.Delta, error) bool
	prefixed bool // the answer continues a prefix

	pairing pairing
	blank   string         // white space before the first word
	began   bool           // something was yielded
	spoken  bool           // text was yielded, though it may have been withdrawn
	text    bool           // text was yielded and not withdrawn
	thought bool           // the model began its answer or its reasoning
	ended   bool           // the answer is complete for an unknown reason
	last    chatbox.Delta  // the finish and the usage reported so far
	told    *chatbox.Usage // the usage as it was last yielded
}

var errBroken = errors.New("the consumer has seen enough")

// ask sends one request and yields the answer. It returns errBroken if the
// consumer broke off.
func (a *asking) ask(ctx context.Context, p chatbox.Prompt) error {
	lim := a.model.limits
	sent := time.Now()
	cause := TimeoutFirst
	if lim.header < lim.first {
		cause = TimeoutHeader
	}
	a.watch.Start(min(lim.header, lim.first), cause)
	src, err := a.model.open(ctx, p)
	a.watch.Stop()
	if err != nil {
		return err
	}
	defer src.close()
	end := a.relay(src, sent.Add(lim.first))
	if errors.Is(end, errBroken) {
		return end
	}
	return a.conclude(ctx, end)
}

// relay passes on text until the source ends, and returns the error that ended
// it. The watch runs only while relay waits for the provider, not while the
// consumer runs.
func (a *asking) relay(src source, firstBy time.Time) error {
	var lastBy time.Time // zero: the answer is not complete
	for {
		switch {
		case !lastBy.IsZero() && time.Until(lastBy) <= 0:
			return timeoutFinish
		case !lastBy.IsZero():
			a.watch.Start(time.Until(lastBy), timeoutFinish)
		case a.thought:
			a.watch.Start(a.model.limits.idle, TimeoutIdle)
		default:
			a.watch.Start(time.Until(firstBy), TimeoutFirst)
		}
		st, err := src.next()
		a.watch.Stop()
		if !a.note(st) {
			return errBroken
		}
		if len(a.blank) > maxBlank {
			return emptyAnswer()
		}
		if a.whole() && (lastBy.IsZero() || st.text != "" || st.replace) {
			lastBy = time.Now().Add(min(a.model.limits.idle, afterFinish))
		}
		if err == nil && st.terminal {
			err = io.EOF
		}
		if err != nil {
			return err
		}
	}
}

// whole reports whether the provider said that the answer is complete.
func (a *asking) whole() bool { return a.last.Finish != "" || a.ended }

// note records one step. It returns false if the consumer broke off.
func (a *asking) note(st step) bool {
	if st.usage != nil {
		a.last.Usage = st.usage
	}
	if st.finish != "" {
		a.last.Finish = st.finish
	}
	a.ended = a.ended || st.ended
	st.text = strings.ReplaceAll(st.text, "\x00", "") // as in content of clients
	a.thought = a.thought || st.thinks || st.text != ""
	if st.replace {
		return a.replace(st.text)
	}
	return a.say(a.pairing.join(st.text))
}

// say yields text. It holds back white space before the first word until that
// word arrives.
func (a *asking) say(text string) bool {
	if text == "" {
		return true
	}
	if !a.text && !a.prefixed && strings.TrimSpace(text) == "" {
		a.blank += text
		return true
	}
	text = a.blank + text
	a.blank, a.text, a.spoken = "", true, true
	return a.emit(chatbox.Delta{Text: text})
}

// replace withdraws the text yielded so far and yields the new text. If no text
// was yielded, it yields the text as the first delta.
func (a *asking) replace(text string) bool {
	a.pairing, a.blank = pairing{}, ""
	text = a.pairing.join(text)
	a.text = text != ""
	if !a.spoken && !a.prefixed {
		if text == "" {
			return true
		}
		a.spoken = true
		return a.emit(chatbox.Delta{Text: text})
	}
	a.spoken = true
	return a.emit(chatbox.Delta{Text: text, Replace: true})
}

// emit yields a delta, and the usage if it has changed.
func (a *asking) emit(d chatbox.Delta) bool {
	a.began = true
	if u := a.last.Usage; u != nil && (a.told == nil || *u != *a.told) {
		d.Usage, a.told = u, u
	}
	return a.yield(d, nil)
}

// fail yields an error, and before it the usage if it has changed.
func (a *asking) fail(err error) {
	if u := a.last.Usage; a.began && u != nil && (a.told == nil || *u != *a.told) {
		if !a.yield(chatbox.Delta{Usage: u}, nil) {
			return
		}
	}
	a.yield(chatbox.Delta{}, err)
}

// conclude determines the outcome after the stream has ended. An answer without a
// finish is a failure. A timeout after the provider said that the answer is
// complete is not.
func (a *asking) conclude(ctx context.Context, end error) error {
	late := isTimeout(end) || isTimeout(context.Cause(ctx))
	if a.last.Finish == "" && a.ended && (late || errors.Is(end, io.EOF)) {
		a.last.Finish = chatbox.FinishStop
	}
	stopped := a.parent.Err()
	if late && errors.Is(stopped, context.DeadlineExceeded) {
		stopped = nil // the total time has expired
	}
	switch {
	case stopped != nil, a.last.Finish == "", reported(end):
		return truncation(end)
	case !a.say(a.pairing.rest()):
		return errBroken
	case a.text || a.prefixed && !a.spoken:
		a.yield(a.last, nil)
		return nil
	case a.last.Finish == chatbox.FinishFilter || a.spoken && a.began:
		return a.withdrawn()
	default:
		return emptyAnswer()
	}
}

// emptyAnswer is the failure of an answer without a word.
func emptyAnswer() error {
	return &vendorapi.Failure{Text: "the provider ended the answer with no word of it", Empty: true, Why: vendorapi.ReasonUnknown}
}

// withdrawn ends an answer whose text was removed completely.
func (a *asking) withdrawn() error {
	if !a.began {
		return &vendorapi.Failure{Text: "the provider's filter left nothing of the answer", Why: vendorapi.ReasonContent}
	}
	a.last.Finish = chatbox.FinishFilter
	a.yield(a.last, nil)
	return nil
}

// reported reports whether the provider declared the failure. After the finish
// only a declared failure fails the answer; the end of the connection does not.
func reported(err error) bool {
	f, ok := errors.AsType[*vendorapi.Failure](err)
	return ok && f.Declared
}

// truncation returns a failure for a stream that ended without a finish, or err
// if it is another error.
func truncation(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &vendorapi.Failure{Text: "the stream ended before the answer did", Why: vendorapi.ReasonConnection}
	}
	return err
}
