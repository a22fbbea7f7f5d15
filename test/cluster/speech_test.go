package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/persistence"
	filestore "chatbox/providers/files"
	"chatbox/test/fakespeech"
)

// speaking is a cluster with a vendor of speech, and one answer.
type speaking struct {
	*cluster

	vendor *fakespeech.Server
	disk   *frozen // stops nothing
	ann    string  // a token
	path   string  // of the answer's speech
	text   string  // of the answer
}

func startSpeaking(t *testing.T) *speaking {
	t.Helper()
	s := &speaking{vendor: fakespeech.Start(t), disk: &frozen{folder: filepath.Join(t.TempDir(), "files"), end: make(chan struct{})}}
	keys, err := persistence.NewKeyring([]persistence.Key{{ID: "k", Secret: [32]byte{1, 2, 3}}})
	require.NoError(t, err)
	store, err := filestore.Open(t.Context(), filestore.Location{Folder: s.disk.folder}, keys)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	speaker := s.vendor.Speaker(t)
	s.cluster = start(t, 3, func(cfg *devstack.Config) {
		cfg.Voice.Speaker = speaker
		cfg.Files.Blobs, cfg.Files.SweepEvery, cfg.Files.StrayFor = store, 20*time.Millisecond, time.Second
		cfg.Watch = func(st app.Stores) app.Stores {
			s.disk.records = st
			return st
		}
	})
	s.ann = s.token("ann")
	d := s.device("ann", "s-1", s.podURL(0))
	id := s.say(d, "s-1", "first [[words=30]]")
	s.text = s.answered(d, "s-1", id)
	s.wait(d, "the answer's id", func(tr *client.Tracker) bool {
		a := tr.Session("s-1").AnswerTo(id)
		s.path = "/chatbox/sessions/s-1/messages/" + a.ID + "/speech"
		return true
	})
	return s
}

// open asks the n-th pod for the speech, and returns its body once it begins.
func (s *speaking) open(ctx context.Context, n int) io.ReadCloser {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.podURL(n)+s.path, http.NoBody)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.ann)
	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(s.t, err)
	require.Equal(s.t, http.StatusOK, res.StatusCode)
	s.t.Cleanup(func() { _ = res.Body.Close() })
	return res.Body
}

func (s *speaking) fileID() string {
	id := s.path[len("/chatbox/sessions/s-1/messages/") : len(s.path)-len("/speech")]
	return chatbox.SpeechFileID(chatbox.SessionKey{ID: "s-1"}, id)
}

func TestSpeech_MadeOnOnePodStoredForAll(t *testing.T) {
	s := startSpeaking(t)
	for n := range 3 {
		res, sound := s.ask(n, http.MethodPost, s.path, s.ann, nil, nil)
		require.Equal(t, http.StatusOK, res.StatusCode, sound)
		assert.Equal(t, fakespeech.Sound(s.vendor.Asked()[0]), sound)
		assert.Equal(t, "audio/mpeg", res.Header.Get("Content-Type"))
		assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
		assert.Equal(t, "sandbox", res.Header.Get("Content-Security-Policy"))
		assert.Equal(t, "/chatbox/files/"+s.fileID(), res.Header.Get("Content-Location"))
	}
	assert.Len(t, s.vendor.Asked(), 1, "the vendor is paid once")
	_, sound := s.ask(2, http.MethodGet, s.link(1, s.ann, s.fileID()), "", nil, nil)
	assert.Equal(t, fakespeech.Sound(s.vendor.Asked()[0]), sound, "it is a file like any other")

	for name, tt := range map[string]struct{ token, path string }{
		"a foreign user":  {s.token("bob"), s.path},
		"another tenant":  {s.as("other", "ann", "admin").token, s.path},
		"another answer":  {s.ann, "/chatbox/sessions/s-1/messages/" + chatbox.AnswerID(chatbox.SessionKey{ID: "s-1"}, 2, 1) + "/speech"},
		"another session": {s.ann, "/chatbox/sessions/s-2/messages/ans_x/speech"},
	} {
		res, _ := s.ask(1, http.MethodPost, tt.path, tt.token, nil, nil)
		assert.Equal(t, http.StatusNotFound, res.StatusCode, name)
	}
	res, _ := s.ask(1, http.MethodPost, s.path, s.as("", "sam", "chat_viewer").token, nil, nil)
	assert.Equal(t, http.StatusOK, res.StatusCode, "staff")
	assert.Contains(t, s.as("", "rob", "admin").want(http.StatusOK, http.MethodGet, "/admin/audit", "").Body, `"session.read"`)
	assert.Len(t, s.vendor.Asked(), 1)

	_, export := s.ask(0, http.MethodGet, "/chatbox/sessions/s-1/export?format=zip", s.ann, nil, nil)
	assert.Contains(t, export, "answer.mp3")
	require.Len(t, s.disk.stored(t), 1)
	s.as("", "ann").want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	s.until("the removal", func() bool { return len(s.disk.stored(t)) == 0 })
	res, _ = s.ask(1, http.MethodPost, s.path, s.ann, nil, nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode)
}

func TestSpeech_FailuresKeepNothing(t *testing.T) {
	s := startSpeaking(t)
	s.vendor.Be(fakespeech.Refuse)
	res, text := s.ask(0, http.MethodPost, s.path, s.ann, nil, nil)
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	assert.Contains(t, text, "LLM_UNAVAILABLE")
	assert.NotContains(t, text, "on purpose", "no text of the vendor")

	s.vendor.Be(fakespeech.Cut)
	body := s.open(s.ctx, 1)
	s.vendor.Be(fakespeech.Speak)
	_, err := io.ReadAll(body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "a part is not taken for the whole")
	assert.Empty(t, s.disk.stored(t))

	res, _ = s.ask(2, http.MethodPost, s.path, s.ann, nil, nil)
	assert.Equal(t, http.StatusOK, res.StatusCode)
}

func TestSpeech_TheClientLeaves(t *testing.T) {
	s := startSpeaking(t)
	s.vendor.Be(fakespeech.Hold)
	ctx, leave := context.WithCancel(s.ctx)
	body := s.open(ctx, 0)
	_, err := io.ReadFull(body, make([]byte, 100))
	require.NoError(t, err)
	leave()
	_, err = io.ReadAll(body)
	require.ErrorIs(t, err, context.Canceled)
	s.vendor.Be(fakespeech.Speak)
	s.until("the storing", func() bool {
		f, err := s.disk.records.Files.Get(s.ctx, chatbox.FileKey{ID: s.fileID()})
		return err == nil && len(f.Sessions) > 0 // only then do other pods find it
	})
	res, sound := s.ask(1, http.MethodPost, s.path, s.ann, nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, fakespeech.Sound(s.vendor.Asked()[0]), sound)
	assert.Len(t, s.vendor.Asked(), 1)
}

func TestSpeech_KilledPodLeavesNothing(t *testing.T) {
	s := startSpeaking(t)
	s.vendor.Be(fakespeech.Hold)
	body := s.open(s.ctx, 1)
	_, err := io.ReadFull(body, make([]byte, 100))
	require.NoError(t, err)
	require.NoError(t, s.stack.KillPod(s.stack.Pods()[1].ID))
	_, err = io.ReadAll(body)
	require.Error(t, err)
	s.until("the sweep", func() bool { return len(s.disk.stored(t)) == 0 })
	_, err = s.disk.records.Files.Get(s.ctx, chatbox.FileKey{ID: s.fileID()})
	require.ErrorIs(t, err, chatbox.NotFound)

	s.vendor.Be(fakespeech.Speak)
	res, _ := s.ask(0, http.MethodPost, s.path, s.ann, nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Len(t, s.disk.stored(t), 1)
}

// Two pods ask the vendor at the same time. Both clients get the sound, and one
// file remains.
func TestSpeech_TwoPodsRace(t *testing.T) {
	s := startSpeaking(t)
	s.vendor.Be(fakespeech.Hold)
	bodies := []io.ReadCloser{s.open(s.ctx, 0), s.open(s.ctx, 1), s.open(s.ctx, 1)}
	require.Len(t, s.vendor.Asked(), 2, "one of each pod")
	s.vendor.Be(fakespeech.Speak)
	for _, body := range bodies {
		sound, err := io.ReadAll(body)
		require.NoError(t, err)
		assert.Equal(t, fakespeech.Sound(s.vendor.Asked()[0]), string(sound))
	}
	s.until("one blob", func() bool { return len(s.disk.stored(t)) == 1 })
}

func TestSpeech_TheSessionIsErasedMeanwhile(t *testing.T) {
	s := startSpeaking(t)
	s.vendor.Be(fakespeech.Hold)
	body := s.open(s.ctx, 0)
	s.as("", "ann").want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	s.vendor.Be(fakespeech.Speak)
	_, err := io.ReadAll(body)
	require.Error(t, err)
	s.until("the removal", func() bool {
		_, err := s.disk.records.Files.Get(s.ctx, chatbox.FileKey{ID: s.fileID()})
		return errors.Is(err, chatbox.NotFound) && len(s.disk.stored(t)) == 0
	})
}
