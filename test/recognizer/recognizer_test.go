//go:build recognizer

// Package recognizer sends recordings of speech through a cluster to a speech
// recognizer that is no part of this project: pocketsphinx of Carnegie Mellon
// University with its model of American English, as Debian packages them. The
// sentences are spoken by flite, another program. The test fails if the pods damage
// a recording, or if the words do not reach clients and the model.
//
// `make test-recognizer` installs the programs. Without them the test is skipped.
package recognizer

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/app/config"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/providers/llm"
	"chatbox/providers/voice"
	"chatbox/test/fakeopenai"
	"chatbox/test/stack"
)

func TestMain(m *testing.M) {
	// The server of the standard library waits for half a second before it closes a
	// connection whose request it has not read to the end.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const (
	session = "s-1"
	// longest bounds every wait; no speed is asserted.
	longest = 2 * time.Minute
)

// utterance is a sentence in a voice of flite, recorded at a rate and in a format.
type utterance struct {
	text                string
	expected            []string // its words that the transcript must have; a recognizer may mistake the short ones
	voice, rate, ending string
}

// No expected word is in two sentences. No recording has the rate of the acoustic
// model, 16 kHz.
var utterances = []utterance{
	{"where is the train station", []string{"where", "train", "station"}, "slt", "22050", "wav"},
	{"the weather is very nice today", []string{"weather", "nice", "today"}, "rms", "44100", "wav"},
	{"good morning my friend", []string{"good", "morning", "friend"}, "awb", "48000", "ogg"},
}

// A recording that was uploaded on one pod and sent on a second has the transcript
// of its words on a third. The model reads them, and the history has them.
func TestRecognizer_SpokenWordsReachClientsAndTheModel(t *testing.T) {
	requirePrograms(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*longest)
	t.Cleanup(cancel)
	answering := fakeopenai.New(fakeopenai.Config{StrictRoles: true})
	c := &cluster{t: t, ctx: ctx, stack: startStack(ctx, t, answering, newVendor(t).URL)}
	sender, reader := c.device(1), c.device(2)
	var recognized []string
	for _, u := range utterances {
		id, err := sender.Send(client.Frame{Type: client.TypeVoiceMessage, SessionID: session, FileID: c.upload(0, u.record(ctx, t))})
		require.NoError(t, err)
		transcript := c.answered(sender, id)
		t.Logf("said %q, recognized %q", u.text, transcript)
		for _, word := range u.expected {
			assert.Contains(t, strings.Fields(transcript), word)
		}
		assert.Equal(t, transcript, c.answered(reader, id))
		asked := answering.Requests()
		prompt := asked[len(asked)-1].Messages
		assert.Contains(t, prompt[len(prompt)-1].Content, transcript)
		recognized = append(recognized, transcript)
	}
	assert.Equal(t, recognized, c.transcripts())
}

// requirePrograms skips the test where a program is missing.
func requirePrograms(t *testing.T) {
	t.Helper()
	for _, program := range []string{"flite", "sox", "pocketsphinx_continuous"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("NOT RUN: recognizer: %v (make test-recognizer installs it)", err)
		}
	}
}

// record returns the path of a recording of the sentence.
func (u utterance) record(ctx context.Context, t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	spoken, recorded := filepath.Join(dir, "spoken.wav"), filepath.Join(dir, "recorded."+u.ending)
	_, err := run(ctx, "flite", "-voice", u.voice, "-t", u.text, "-o", spoken)
	require.NoError(t, err)
	_, err = run(ctx, "sox", spoken, "-r", u.rate, recorded)
	require.NoError(t, err)
	return recorded
}

// cluster is a running stack of three pods with one user, ada.
type cluster struct {
	t     *testing.T
	ctx   context.Context
	stack *devstack.Stack
}

// startStack starts three pods that transcribe by the server at the URL.
func startStack(ctx context.Context, t *testing.T, answering *fakeopenai.Server, url string) *devstack.Stack {
	t.Helper()
	models := answering.Start()
	t.Cleanup(models.Close)
	log := slog.New(slog.DiscardHandler)
	answers := llm.DefaultConfig()
	answers.StreamTimeout, answers.IdleTimeout = longest, longest
	answers.Providers = []llm.Provider{{ID: "model", Type: llm.TypeOpenAI, Endpoint: models.URL, Model: "any"}}
	asked, err := llm.New(answers, log)
	require.NoError(t, err)
	t.Cleanup(asked.Close)
	listening, err := voice.NewTranscriber(settings(t, url), log)
	require.NoError(t, err)
	t.Cleanup(listening.Close)
	cfg := stack.Config(t, stack.Scripted("unused", "Unused"))
	cfg.Pods, cfg.LLM, cfg.Voice.Transcriber = 3, asked, listening
	return stack.Start(ctx, t, cfg)
}

// settings returns what a pod reads from its environment.
func settings(t *testing.T, url string) voice.Config {
	t.Helper()
	secret := func() string {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		return hex.EncodeToString(raw)
	}
	cfg, err := config.Load([]string{
		"REDIS_URL=redis://127.0.0.1:6379", "MONGO_URI=mongodb://127.0.0.1:27017", "JWT_SECRET=" + secret(), "ENCRYPTION_KEY=" + secret(),
		"WS_ALLOWED_ORIGINS=https://app.example.com", "LLM_PROVIDER_1_ID=small", "LLM_PROVIDER_1_TYPE=scripted", "FILES_URL=file:///unused",
		"TRANSCRIBE_ENDPOINT=" + url, "TRANSCRIBE_API_KEY=" + key, "TRANSCRIBE_MODEL=" + model,
	}, "")
	require.NoError(t, err)
	return cfg.Voice.Transcribe
}

func (c *cluster) podURL(n int) string { return "http://" + c.stack.Pods()[n].Addr }

func (c *cluster) token(context.Context) (string, error) { return c.stack.Token("ada", "ada") }

// upload uploads a recording on the n-th pod and returns its file_id.
func (c *cluster) upload(n int, path string) string {
	c.t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(c.t, err)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", filepath.Base(path))
	require.NoError(c.t, err)
	_, err = part.Write(raw)
	require.NoError(c.t, err)
	require.NoError(c.t, form.Close())
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.podURL(n)+"/chatbox/files", &body)
	require.NoError(c.t, err)
	token, err := c.token(c.ctx)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", form.FormDataContentType())
	res, err := (&http.Client{Timeout: longest}).Do(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusCreated, res.StatusCode, string(answer))
	var f client.File
	require.NoError(c.t, json.Unmarshal(answer, &f))
	return f.ID
}

// device connects a client to the n-th pod and runs it until the test ends.
func (c *cluster) device(n int) *client.Client {
	c.t.Helper()
	d := client.New(client.Config{URLs: []string{c.podURL(n)}, SessionID: session, Record: true, Token: c.token})
	ctx, cancel := context.WithCancel(c.ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = d.Run(ctx)
	}()
	c.t.Cleanup(func() { cancel(); <-done })
	require.NoError(c.t, d.WaitFor(c.ctx, func(t *client.Tracker) bool { return t.Greeted() }))
	return d
}

// answered waits for the transcript of the recording and for the answer behind it,
// and returns the transcript.
func (c *cluster) answered(d *client.Client, recording string) string {
	c.t.Helper()
	got := c.sees(d, "the transcript", func(f client.Frame) bool { return f.Type == client.TypeTranscript && f.Metadata["of"] == recording })
	answer := c.sees(d, "the answer", func(f client.Frame) bool {
		return f.Type == client.TypeAIResponse && f.Seq > 0 && f.Metadata["reply_to"] == recording
	})
	assert.Greater(c.t, answer.Seq, got.Seq)
	return got.Content
}

// sees waits for a frame that the device receives. An error frame fails the test.
func (c *cluster) sees(d *client.Client, what string, ok func(client.Frame) bool) client.Frame {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.ctx, longest)
	defer cancel()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		for _, e := range d.Transcript() {
			if e.Act != client.ActReceived {
				continue
			}
			require.Nil(c.t, e.Frame.Error, "waiting for %s", what)
			if ok(e.Frame) {
				return e.Frame
			}
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			c.t.Fatalf("waiting for %s: %v", what, context.Cause(ctx))
		}
	}
}

// transcripts returns the texts of the history's transcripts.
func (c *cluster) transcripts() (texts []string) {
	c.t.Helper()
	rest := &client.REST{URLs: []string{c.stack.URL()}, Token: c.token, HTTP: &http.Client{Timeout: longest}}
	msgs, err := rest.History(c.ctx, session)
	require.NoError(c.t, err)
	for _, m := range msgs {
		if m.Type == client.TypeTranscript {
			texts = append(texts, m.Content)
		}
	}
	return texts
}
