package cluster

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/providers/llm"
	"chatbox/test/fakeopenai"
	"chatbox/test/fakespeech"
)

// listener is a transcriber. Its text is the name of a recording. While it is held, it
// does not return.
type listener struct {
	mu    sync.Mutex // guards following
	asked []string
	held  chan struct{} // nil: it is not held
	fails error
}

func (e *listener) Transcribe(ctx context.Context, r chatbox.Recording) (chatbox.Transcript, error) {
	in, err := r.Open(ctx)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	defer func() { _ = in.Close() }()
	if n, err := io.Copy(io.Discard, in); err != nil || n != r.Size {
		return chatbox.Transcript{}, err
	}
	e.mu.Lock()
	e.asked = append(e.asked, r.Name)
	held, fails := e.held, e.fails
	e.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return chatbox.Transcript{}, ctx.Err()
		}
	}
	return chatbox.Transcript{Text: strings.TrimSuffix(r.Name, ".wav"), Language: "en"}, fails
}

func (e *listener) set(held chan struct{}, fails error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.held, e.fails = held, fails
}

func (e *listener) times() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.asked)
}

func (e *listener) listens(cfg *devstack.Config) { cfg.Voice.Transcriber = e }

// transcripts checks that the session's history has one transcript of each
// recording, in the place where the devices saw it, and returns their texts.
func (c *cluster) transcripts(user, session string) (texts []string) {
	c.t.Helper()
	of := map[string]int{}
	for _, m := range c.history(user, session) {
		if m.Type == client.TypeTranscript {
			of[m.Metadata["of"]]++
			texts = append(texts, m.Content)
		}
	}
	for id, n := range of {
		assert.Equal(c.t, 1, n, "transcripts of %s", id)
	}
	return texts
}

// records uploads a recording of that name on the n-th pod and sends it.
func (c *cluster) records(n int, d *client.Client, user, name string) (id string) {
	c.t.Helper()
	f := c.uploaded(n, c.token(user), name+".wav", fakespeech.Recording())
	id, err := d.Send(client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileID: f.ID})
	require.NoError(c.t, err)
	c.acked(d, "s-1", id)
	return id
}

func transcriptOf(id string) func(client.Frame) bool {
	return func(f client.Frame) bool { return f.Type == client.TypeTranscript && f.Metadata["of"] == id }
}

// The answer to a recording follows its transcript, which the model reads, now and
// later.
func TestTranscripts_TheAnswerFollows(t *testing.T) {
	e, v := &listener{}, newVisionServer(t)
	c := start(t, 3, e.listens, asking(t, func(m *llm.Config) {
		m.Providers = []llm.Provider{{ID: "model", Type: llm.TypeOpenAI, Endpoint: v.URL, Model: "any"}}
	}))
	a, b := c.device("ada", "s-1", c.podURL(1)), c.device("ada", "s-1", c.podURL(2))
	id := c.records(0, a, "ada", "where is my xylophone")
	for _, d := range []*client.Client{a, b} {
		c.answered(d, "s-1", id)
		f := c.sees(d, "s-1", "the transcript", transcriptOf(id))
		assert.EqualValues(t, 2, f.Seq)
		assert.Equal(t, "where is my xylophone", f.Content)
		assert.Equal(t, map[string]string{"of": id, "of_seq": "1", "duration_ms": "1000", "language": "en"}, f.Metadata)
		final := c.sees(d, "s-1", "the answer", func(f client.Frame) bool { return f.Type == client.TypeAIResponse && f.Seq > 0 })
		assert.EqualValues(t, 3, final.Seq)
		assert.Equal(t, id, final.Metadata["reply_to"])
	}
	said := func() string {
		_, req := v.last()
		return req.Messages[0].Content
	}
	assert.Contains(t, said(), "its transcript follows]\nwhere is my xylophone")
	assert.NotContains(t, said(), "cannot hear")

	c.answered(b, "s-1", c.say(b, "s-1", "And now?"))
	assert.Contains(t, said(), "where is my xylophone")
	assert.Equal(t, fakeopenai.Expected("And now?"), c.history("ada", "s-1")[4].Content)
	assert.Equal(t, []string{"where is my xylophone"}, c.transcripts("ada", "s-1"))
	assert.Equal(t, 1, e.times())

	_, markdown := c.ask(0, http.MethodGet, "/chatbox/sessions/s-1/export?format=markdown", c.token("ada"), nil, nil)
	assert.Contains(t, markdown, "where is my xylophone")
	found := c.as("", "bob", "admin").want(http.StatusOK, http.MethodGet, "/admin/search?q=xylophone", "")
	assert.Contains(t, found.Body, `"seq":2`)
	c.judge("ada", "s-1", nil, a, b)
}

// While a person holds the session, recordings have transcripts and no answers. A
// takeover in mid-transcription changes only that there is no answer.
func TestTranscripts_ForAPerson(t *testing.T) {
	e := &listener{}
	held := make(chan struct{})
	e.set(held, nil)
	c := start(t, 3, e.listens)
	a, bob := c.device("ada", "s-1", c.podURL(0)), c.admin("bob", c.podURL(1))
	first := c.records(2, a, "ada", "one")
	c.until("the transcription", func() bool { return e.times() > 0 })
	c.enters(bob, "admin_join", "s-1")
	close(held)
	e.set(nil, nil)
	c.sees(bob, "s-1", "the transcript", transcriptOf(first))
	second := c.records(2, a, "ada", "two")
	for _, d := range []*client.Client{a, bob} {
		c.sees(d, "s-1", "the transcript", transcriptOf(second))
	}

	// The admin's recordings have transcripts as well.
	f := c.uploaded(0, c.staffToken("bob"), "of staff.wav", fakespeech.Recording())
	reply, err := bob.Send(client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileID: f.ID})
	require.NoError(t, err)
	c.sees(a, "s-1", "the transcript", transcriptOf(reply))
	assert.Equal(t, []string{"one", "two", "of staff"}, c.transcripts("ada", "s-1"))

	c.frame(bob, "admin_leave", "s-1")
	c.sees(a, "s-1", "admin_leave", ofType("admin_leave"))
	c.answered(a, "s-1", c.say(a, "s-1", "and now? [[words=5]]"))
	answers := 0
	for _, m := range c.history("ada", "s-1") {
		if m.Type == client.TypeAIResponse && m.Status == "complete" {
			answers++
		}
	}
	assert.Equal(t, 1, answers)
	c.judge("ada", "s-1", nil, a)
}

// A transcription that fails is one error with the answer's id, and retry tries
// again, with and without a person.
func TestTranscripts_FailAndAreTriedAgain(t *testing.T) {
	e := &listener{}
	c := start(t, 2, e.listens)
	a := c.device("ada", "s-1", c.podURL(0))
	broken := chatbox.NewError(chatbox.ModelFailed, "Nobody listened.", nil)
	e.set(nil, broken)
	id := c.records(1, a, "ada", "one")
	errorTo := func(id string) func(client.Frame) bool {
		return func(f client.Frame) bool { return f.Error != nil && f.Metadata["reply_to"] == id }
	}
	failed := c.sees(a, "s-1", "the error", errorTo(id))
	assert.Equal(t, chatbox.AnswerID(chatbox.SessionKey{ID: "s-1"}, 1, 1), failed.ID)
	assert.Contains(t, failed.Error.Message, "Nobody listened.")
	assert.True(t, failed.Error.Recoverable)
	assert.Empty(t, c.transcripts("ada", "s-1"))
	e.set(nil, nil)
	require.NoError(t, a.SendBare(client.Frame{Type: "retry", SessionID: "s-1"}))
	c.sees(a, "s-1", "the answer", func(f client.Frame) bool { return f.Type == client.TypeAIResponse && f.Seq > 0 })
	assert.Equal(t, []string{"one"}, c.transcripts("ada", "s-1"))

	bob := c.admin("bob", c.podURL(1))
	c.enters(bob, "admin_join", "s-1")
	e.set(nil, broken)
	id = c.records(1, a, "ada", "two")
	c.sees(a, "s-1", "the error", errorTo(id))
	e.set(nil, nil)
	require.NoError(t, a.SendBare(client.Frame{Type: "retry", SessionID: "s-1"}))
	c.sees(a, "s-1", "the transcript", transcriptOf(id))
	assert.Equal(t, []string{"one", "two"}, c.transcripts("ada", "s-1"))
	c.judge("ada", "s-1", []ledger.Class{ledger.ErrorShown}, a)
}

// A pod that is killed in mid-transcription loses nothing: there is one transcript
// and one answer.
func TestTranscripts_KilledPods(t *testing.T) {
	for name, takenOver := range map[string]bool{"TheModelAnswers": false, "APersonHolds": true} {
		t.Run(name, func(t *testing.T) {
			e, held := &listener{}, make(chan struct{})
			c := start(t, 3, e.listens)
			a := c.device("ada", "s-1", c.podURL(0))
			bob := c.admin("bob", c.podURL(0))
			if takenOver {
				c.acked(a, "s-1", c.say(a, "s-1", "hello [[words=1]]"))
				c.enters(bob, "admin_join", "s-1")
			}
			e.set(held, nil)
			defer close(held)
			id := c.records(0, a, "ada", "hello")
			c.until("the transcription", func() bool { return e.times() > 0 })
			e.set(nil, nil)
			victim := c.stack.Pods()[0].ID // its queue makes the transcript
			if !takenOver {
				victim = c.generating()
			}
			require.NoError(t, c.stack.KillPod(victim))
			b := c.device("ada", "s-1", c.podURL(survivor(c, victim)))
			_ = c.frame(b, "resume", "s-1")
			c.sees(b, "s-1", "the transcript", transcriptOf(id))
			if !takenOver {
				c.answered(b, "s-1", id)
			}
			assert.Equal(t, []string{"hello"}, c.transcripts("ada", "s-1"))
			assert.Equal(t, 2, e.times())
			c.judge("ada", "s-1", nil, b)
		})
	}
}

// survivor is the place of a pod other than the victim.
func survivor(c *cluster, victim chatbox.PodID) int {
	for n, p := range c.stack.Pods() {
		if p.ID != victim {
			return n
		}
	}
	return 0
}
