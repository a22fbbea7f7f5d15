package voice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

// tape is a recording with the content.
func tape(content []byte) chatbox.Recording {
	return chatbox.Recording{
		Name: "My holiday.mp3", ContentType: "audio/mpeg", Size: int64(len(content)),
		Open: func(context.Context) (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
	}
}

func TestTranscribe_SendsTheRecordingAsAForm(t *testing.T) {
	fields, name, kind, sound := map[string]string{}, "", "", ""
	v, _ := newTranscriber(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "/v1/audio/transcriptions", r.URL.Path)
		assert.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
		assert.Positive(t, r.ContentLength, "many servers do not accept chunks")
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		assert.NoError(t, err)
		for parts := multipart.NewReader(r.Body, params["boundary"]); ; {
			p, err := parts.NextPart()
			if errors.Is(err, io.EOF) {
				break
			}
			if !assert.NoError(t, err) {
				return
			}
			content, err := io.ReadAll(p)
			assert.NoError(t, err)
			if p.FormName() == "file" {
				name, kind, sound = p.FileName(), p.Header.Get("Content-Type"), string(content)
			} else {
				fields[p.FormName()] = string(content)
			}
		}
		fmt.Fprint(w, `{"text":" Hello there.\n","language":"en","duration":2}`)
	}))
	got, err := v.Transcribe(t.Context(), tape([]byte("sound")))
	require.NoError(t, err)
	assert.Equal(t, chatbox.Transcript{Text: "Hello there.", Language: "en"}, got)
	assert.Equal(t, map[string]string{"model": "whisper-1", "response_format": "json"}, fields)
	assert.Equal(t, []string{"recording.mp3", "audio/mpeg", "sound"}, []string{name, kind, sound}, "the user's name for the file stays here")
}

func TestTranscribe_EndsTheNameAsTheVendorExpects(t *testing.T) {
	for contentType, want := range map[string]string{
		"audio/webm": "webm", "video/webm; codecs=opus": "webm", "audio/mp4": "m4a", "video/mp4": "mp4", "audio/ogg": "ogg", "audio/x-wav": "wav",
		"audio/flac": "flac", "audio/mpeg": "mp3", "audio/unheard": "aif",
	} {
		assert.Equal(t, want, ending(chatbox.Recording{Name: "a.AIF", ContentType: contentType}), contentType)
	}
	assert.Equal(t, "bin", ending(chatbox.Recording{Name: `a.b"c`}))
}

func TestTranscribe_NobodySpeaks(t *testing.T) {
	v, _ := newTranscriber(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"text":""}`) }))
	got, err := v.Transcribe(t.Context(), tape([]byte("silence")))
	require.NoError(t, err)
	assert.Empty(t, got)
}

func TestTranscribe_Fails(t *testing.T) {
	for name, tt := range map[string]struct {
		status int
		body   string
		want   chatbox.Code
		asked  int32
	}{
		"key":            {401, `{"error":{"message":"` + prose + canary + `"}}`, chatbox.ModelRefused, 1},
		"no model":       {404, prose, chatbox.ModelRefused, 1},
		"too large":      {413, prose, chatbox.ModelRefused, 1},
		"content":        {400, `{"error":{"code":"content_filter"}}`, chatbox.ModelRefused, 1},
		"redirect":       {302, prose, chatbox.ModelRefused, 1},
		"busy":           {429, `{"error":{"message":"Rate limit ` + prose + `"}}`, chatbox.ModelFailed, 3},
		"down":           {500, prose, chatbox.ModelFailed, 3},
		"page":           {200, "<html>" + prose, chatbox.ModelRefused, 1},
		"no text":        {200, `{"words":"` + prose + `"}`, chatbox.ModelRefused, 1},
		"error in JSON":  {200, `{"error":{"type":"server_error","message":"` + prose + `"}}`, chatbox.ModelFailed, 3},
		"endless":        {200, `{"text":"` + strings.Repeat(prose, maxTranscript/len(prose)) + `"}`, chatbox.ModelRefused, 1},
		"text of a list": {200, `{"text":["` + prose + `"]}`, chatbox.ModelRefused, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			v, log := newTranscriber(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_, _ = io.Copy(io.Discard, r.Body)
				w.Header().Set("Location", "/"+prose)
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			_, err := v.Transcribe(t.Context(), tape([]byte("sound")))
			requireCode(t, err, tt.want, log)
			assert.Equal(t, tt.asked, asked.Load())
		})
	}
}

// requireCode checks an error's code, and that it and the log have no words of the
// vendor.
func requireCode(t *testing.T, err error, want chatbox.Code, log *logBuffer) {
	t.Helper()
	var e *chatbox.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, want, e.Code, err)
	assert.NotEmpty(t, e.Message)
	for _, text := range []string{err.Error(), e.Message, log.String()} {
		assert.NotContains(t, text, prose)
		assert.NotContains(t, text, canary)
	}
}

func TestTranscribe_CutResponseIsTriedAgain(t *testing.T) {
	var asked atomic.Int32
	v, _ := newTranscriber(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1) == 1 {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"text":"Hel`)
			return
		}
		fmt.Fprint(w, `{"text":"Hello"}`)
	}))
	got, err := v.Transcribe(t.Context(), tape([]byte("sound")))
	require.NoError(t, err)
	assert.Equal(t, "Hello", got.Text)
	assert.EqualValues(t, 2, asked.Load())
}

func TestTranscribe_HonoursRetryAfter(t *testing.T) {
	v, log := newTranscriber(t, newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	_, err := v.Transcribe(t.Context(), tape([]byte("sound")))
	requireCode(t, err, chatbox.ModelFailed, log)
	var e *chatbox.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, time.Minute, e.RetryAfter, "too long to wait here, so the caller is told")
}

func TestTranscribe_TooLargeIsNotSent(t *testing.T) {
	v, log := newTranscriber(t, "http://127.0.0.1:1")
	r := tape(nil)
	r.Size = MaxRecording + 1
	_, err := v.Transcribe(t.Context(), r)
	requireCode(t, err, chatbox.ModelRefused, log)
	assert.ErrorContains(t, err, "25 MiB")
}

func TestTranscribe_TheRecordingFails(t *testing.T) {
	v, _ := newTranscriber(t, newServer(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	gone := chatbox.NoSuchFile()
	for name, tt := range map[string]struct {
		open func(context.Context) (io.ReadCloser, error)
		want chatbox.Code
	}{
		"gone":   {func(context.Context) (io.ReadCloser, error) { return nil, gone }, chatbox.NotFound},
		"broken": {func(context.Context) (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(gone)), nil }, chatbox.NotFound},
		"shorter": {func(context.Context) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("so")), nil
		}, chatbox.FilesFailed},
	} {
		r := tape([]byte("sound"))
		r.Open = tt.open
		_, err := v.Transcribe(t.Context(), r)
		assert.ErrorIs(t, err, tt.want, name)
	}
}

func TestTranscribe_TheCallerLeaves(t *testing.T) {
	arrived := make(chan struct{})
	v, _ := newTranscriber(t, newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	ctx, leave := context.WithCancelCause(t.Context())
	left := errors.New("left")
	go func() {
		<-arrived
		leave(left)
	}()
	_, err := v.Transcribe(ctx, tape([]byte("sound")))
	require.ErrorIs(t, err, left)
	assert.NotErrorIs(t, err, chatbox.ModelFailed)
}

// zeros is an endless content that is not in memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

func TestTranscribe_HoldsLittleOfALargeRecording(t *testing.T) {
	var got atomic.Int64
	v, _ := newTranscriber(t, newServer(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		got.Store(n)
		fmt.Fprint(w, `{"text":"long"}`)
	}))
	r := tape(nil)
	r.Size, r.Open = MaxRecording, func(context.Context) (io.ReadCloser, error) { return io.NopCloser(zeros{}), nil }
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := v.Transcribe(t.Context(), r)
	runtime.ReadMemStats(&after)
	require.NoError(t, err)
	assert.Greater(t, got.Load(), int64(MaxRecording))
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "bytes allocated in all, also freed ones")
}
