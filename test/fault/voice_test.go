//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
	"chatbox/test/fakespeech"
)

// soundAt is where the sound of a recording begins.
const soundAt = 44

// voices is a vendor that transcribes and speaks. It lets the first request for each
// recording and each text hang until the pod that sent it is gone.
type voices struct {
	server *httptest.Server
	hangs  chan string // the pods whose requests hang

	mu    sync.Mutex     // guards asked
	asked map[string]int // requests by recording or text
}

func startVoices(t *testing.T) *voices {
	t.Helper()
	v := &voices{hangs: make(chan string, 100), asked: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{pod}/v1/audio/transcriptions", v.transcribe)
	mux.HandleFunc("POST /{pod}/v1/audio/speech", v.speak)
	v.server = httptest.NewServer(mux)
	t.Cleanup(v.server.Close)
	return v
}

func (v *voices) env(pod string) map[string]string {
	at := v.server.URL + "/" + pod
	return map[string]string{"TRANSCRIBE_ENDPOINT": at, "SPEECH_ENDPOINT": at}
}

// first reports whether nothing was asked for the recording or text before.
func (v *voices) first(what string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked[what]++
	return v.asked[what] == 1
}

func (v *voices) hang(r *http.Request) {
	v.hangs <- r.PathValue("pod")
	<-r.Context().Done()
}

func (v *voices) transcribe(w http.ResponseWriter, r *http.Request) {
	var sound []byte
	f, _, err := r.FormFile("file")
	if err == nil {
		sound, err = io.ReadAll(f)
	}
	if err != nil || len(sound) != len(fakespeech.Recording()) {
		http.Error(w, "not a recording", http.StatusBadRequest)
		return
	}
	said, _, _ := strings.Cut(string(sound[soundAt:]), "\x00")
	if v.first(said) {
		v.hang(r)
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]string{"text": "words of " + said}) // the pod checks it
}

func (v *voices) speak(w http.ResponseWriter, r *http.Request) {
	var req struct{ Input string }
	if err := json.NewDecoder(r.Body).Decode(&req); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sound := fakespeech.Sound(req.Input)
	if v.first(req.Input) {
		_, _ = io.WriteString(w, sound[:len(sound)/2])
		_ = http.NewResponseController(w).Flush()
		v.hang(r)
		return
	}
	_, _ = io.WriteString(w, sound)
}

// hanging returns the pod whose request hangs.
func (c *cluster) hanging(v *voices) *pod {
	c.t.Helper()
	select {
	case name := <-v.hangs:
		return c.pod(name)
	case <-time.After(longestWait):
		c.t.Fatal("nothing was asked")
		return nil
	}
}

// records uploads a recording in which the name of the session is said, and sends
// it to the session.
func (c *cluster) records(d *client.Client, token, session string) (id string) {
	c.t.Helper()
	sound := []byte(fakespeech.Recording())
	copy(sound[soundAt:], session)
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "recording.wav")
	if err == nil {
		_, err = part.Write(sound)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	status, made := c.post(c.balancer.url()+"/chatbox/files", token, form.FormDataContentType(), &body)
	var f client.File
	if err := json.Unmarshal(made, &f); status != http.StatusCreated || err != nil {
		c.t.Fatalf("upload: %d %s %v", status, made, err)
	}
	id, err = d.Send(client.Frame{Type: client.TypeVoiceMessage, SessionID: session, FileID: f.ID})
	if err != nil {
		c.t.Fatal(err)
	}
	return id
}

// post sends a request and returns its whole answer, or the part before its
// connection broke.
func (c *cluster) post(url, token, contentType string, body io.Reader) (status int, answer []byte) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, url, body)
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return 0, nil
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(res.Body)
	if err != nil {
		return 0, answer
	}
	return res.StatusCode, answer
}

// Pods are killed in the middle of transcriptions, with and without a person, and in
// the middle of speech. Each recording has one transcript, each answer its whole
// speech, and the store nothing else.
func TestVoice_KilledPods(t *testing.T) {
	folder, vendor := t.TempDir(), startVoices(t)
	c := start(t, setup{each: vendor.env, env: map[string]string{"FILES_URL": "file://" + folder}})
	rounds := pick(2, 10)
	var worst time.Duration
	for round := range rounds {
		user, session := fmt.Sprintf("user-%d", round), fmt.Sprintf("s-%d", round)
		worst = max(worst, c.killTranscribing(vendor, user, session, round%2 == 1))
		c.killSpeaking(vendor, user, session)
	}
	until(c.ctx, t, "incomplete objects are gone", 3*time.Minute, func(ctx context.Context) bool {
		objects, incomplete := stored(t, folder)
		age(t, append(objects, incomplete...))
		return len(incomplete) == 0
	})
	objects, _ := stored(t, folder)
	if want := 3 * rounds; len(objects) != want { // a recording, its transcript and the speech
		t.Errorf("%d objects, want %d: %v", len(objects), want, objects)
	}
	figure(t, "voice", "%d kills in mid-transcription (half of them with a person) and %d in mid-speech: one transcript each, every speech whole; "+
		"kill to transcript, worst %v", rounds, rounds, worst.Round(time.Millisecond))
}

// killTranscribing kills the pod that transcribes a recording and returns how long it
// took from then to the transcript. The session has an answer before, and then a
// person if held.
func (c *cluster) killTranscribing(v *voices, user, session string, held bool) time.Duration {
	c.t.Helper()
	a := c.device(user, session, c.balancer.url())
	c.answered(a, session, c.say(a, session, c.ask(20, 0)))
	if held {
		c.insists(c.token("bob", "admin"), http.MethodPost, "takeover/"+session, nil, http.StatusOK)
	}
	id := c.records(a, c.token(user), session)
	victim := c.hanging(v)
	killed := time.Now()
	signal(c.t, victim.process, syscall.SIGKILL)
	c.wait(a, "the transcript", func(t *client.Tracker) bool { return len(transcripts(t, session)) > 0 })
	took := time.Since(killed)
	if !held {
		c.answered(a, session, id)
	}
	c.judge(sitting{user: user, session: session, model: modelVaried}, a)
	a.View(func(t *client.Tracker) {
		if got := transcripts(t, session); len(got) != 1 || got[0] != "words of "+session {
			c.t.Errorf("%s has the transcripts %q", session, got)
		}
	})
	c.leave(a)
	if _, err := victim.wait(c.ctx); err != nil {
		c.t.Error(err)
	}
	c.restart(victim)
	return took
}

func transcripts(t *client.Tracker, session string) (texts []string) {
	if s := t.Session(session); s != nil {
		for _, e := range s.Events {
			if e.Type == client.TypeTranscript {
				texts = append(texts, e.Text)
			}
		}
	}
	return texts
}

// killSpeaking kills the pod that makes the speech of the session's first answer. The
// others then have the whole speech.
func (c *cluster) killSpeaking(v *voices, user, session string) {
	c.t.Helper()
	var answer client.Message
	history, err := c.rest(user).History(c.ctx, session)
	for _, m := range history {
		if m.Type == client.TypeAIResponse && answer.ID == "" {
			answer = m
		}
	}
	if err != nil || answer.ID == "" {
		c.t.Fatalf("no answer in %s: %v", session, err)
	}
	path := "/chatbox/sessions/" + session + "/messages/" + answer.ID + "/speech"
	victim, token := c.pods[0], c.token(user)
	var work sync.WaitGroup
	work.Go(func() {
		if status, _ := c.post(victim.url()+path, token, "", http.NoBody); status != 0 {
			c.t.Errorf("the speech of a pod that was killed ended with %d", status)
		}
	})
	if c.hanging(v) != victim {
		c.t.Error("another pod was asked")
	}
	c.kill(victim)
	work.Wait()
	want := ""
	for _, p := range c.pods[1:] {
		status, sound := c.post(p.url()+path, token, "", http.NoBody)
		if want == "" {
			want = string(sound)
		}
		if status != http.StatusOK || len(sound) != len(fakespeech.Sound(strings.Repeat("x", 100))) || string(sound) != want {
			c.t.Errorf("speech on %s: %d, %d bytes", p.name, status, len(sound))
		}
	}
	c.restart(victim)
}

// age makes objects old enough for a sweep, which takes what is older than an hour.
func age(t *testing.T, paths []string) {
	t.Helper()
	old := time.Now().Add(-2 * time.Hour)
	for _, path := range paths {
		if err := os.Chtimes(path, old, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
