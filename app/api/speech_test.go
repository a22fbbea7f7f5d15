package api

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/speech"
)

// saying speaks the same for every answer.
type saying struct {
	sound speech.Sound
	err   error
}

func (s saying) Speak(context.Context, chatbox.Actor, string, string) (speech.Sound, error) {
	return s.sound, s.err
}

const speechPath = "/sessions/s-1/messages/ans_1/speech"

func TestSpeech_IsStreamed(t *testing.T) {
	for size, lengths := range map[int64]string{-1: "", 5: "5"} {
		sound := speech.Sound{FileID: somePicture().ID, Size: size, Body: io.NopCloser(iotest.OneByteReader(strings.NewReader("sound")))}
		p := newPod(t, func(st *setup) { st.speech = saying{sound: sound} })
		status, h, body := p.call(http.MethodPost, speechPath, bearerHeader(token(t, nil)), nil)
		require.Equal(t, http.StatusOK, status)
		assert.Equal(t, "sound", string(body))
		assert.Equal(t, "audio/mpeg", h.Get("Content-Type"))
		assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
		assert.Equal(t, "sandbox", h.Get("Content-Security-Policy"))
		assert.Equal(t, "/chatbox/files/"+sound.FileID, h.Get("Content-Location"))
		assert.Equal(t, lengths, h.Get("Content-Length"))
	}
}

func TestSpeech_FailsBeforeItBegins(t *testing.T) {
	for name, tt := range map[string]struct {
		says saying
		want int
	}{
		"the vendor": {saying{err: chatbox.NewError(chatbox.ModelTimeout, "too long", nil)}, http.StatusServiceUnavailable},
		"too many":   {saying{err: chatbox.AskedTooMuch(1, nil)}, http.StatusTooManyRequests},
		"no answer":  {saying{err: chatbox.NewError(chatbox.NotFound, "", nil)}, http.StatusNotFound},
		"the store":  {saying{sound: speech.Sound{Body: io.NopCloser(iotest.ErrReader(chatbox.NewError(chatbox.FilesFailed, "", nil)))}}, http.StatusServiceUnavailable},
	} {
		p := newPod(t, func(st *setup) { st.speech = tt.says })
		status, f := p.fails(http.MethodPost, speechPath, bearerHeader(token(t, nil)), nil)
		assert.Equal(t, tt.want, status, name)
		assert.NotEmpty(t, f.Code, name)
	}
}

func TestSpeech_BreaksOff(t *testing.T) {
	body := io.MultiReader(strings.NewReader("sou"), iotest.ErrReader(chatbox.NewError(chatbox.ModelFailed, "", nil)))
	p := newPod(t, func(st *setup) { st.speech = saying{sound: speech.Sound{Size: -1, Body: io.NopCloser(body)}} })
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.url+speechPath, http.NoBody)
	require.NoError(t, err)
	req.Header = bearerHeader(token(t, nil))
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	assert.Equal(t, "sou", string(got))
	line := p.logs.line(t, "/speech")
	for key, want := range map[string]any{"msg": "request", "status": 200.0, "bytes": 3.0, "aborted": true} {
		assert.Equal(t, want, line[key], key)
	}
	assert.Equal(t, "1", p.metric(`chat_http_seconds_count{route="POST /sessions/:id/messages/:answer/speech",status="200"}`), "it is counted as well")
}

func TestSpeech_NeedsAVendorAndACredential(t *testing.T) {
	p := newPod(t, func(*setup) {})
	status, _ := p.fails(http.MethodPost, speechPath, bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusNotFound, status)
	p = newPod(t, func(st *setup) { st.speech = saying{} })
	status, _ = p.fails(http.MethodPost, speechPath, nil, nil)
	assert.Equal(t, http.StatusUnauthorized, status)
	status, _ = p.fails(http.MethodGet, speechPath, nil, nil)
	assert.Equal(t, http.StatusMethodNotAllowed, status, "by which a page learns that there is speech")
}
