// Package fakespeech is a vendor of speech with the API of OpenAI, and a recording,
// for tests.
package fakespeech

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox/providers/voice"
)

// Mode is how the vendor answers requests.
type Mode int

// The modes.
const (
	Speak  Mode = iota
	Hold        // stop after the first sound until the next call of Be
	Refuse      // refuse the request
	Cut         // the same, and break off then
)

// frames is how many frames of MP3 a text has. They are more than a pod and a
// connection keep in memory.
const frames = 200

// Server is the vendor. It is safe for concurrent use.
type Server struct {
	http *httptest.Server

	mu      sync.Mutex // guards following
	mode    Mode
	release chan struct{} // closed and replaced by Be
	asked   []string
}

// Start serves the vendor until t ends.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{release: make(chan struct{})}
	s.http = httptest.NewServer(http.HandlerFunc(s.speak))
	t.Cleanup(func() {
		s.Be(Speak)
		s.http.Close()
	})
	return s
}

// Speaker returns the client of the vendor that pods have.
func (s *Server) Speaker(t *testing.T) *voice.Speaker {
	t.Helper()
	v, err := voice.NewSpeaker(voice.Config{Endpoint: s.http.URL, Model: "tts-1"}, "alloy", slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// Be sets the mode of later requests. Requests that were held continue.
func (s *Server) Be(m Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	close(s.release)
	s.release = make(chan struct{})
}

// Asked returns the texts of all requests.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// Sound returns the sound of a text.
func Sound(text string) string { return strings.Repeat(frame(text), frames) }

// Recording returns a second of silence, as WAV.
func Recording() string {
	const rate, bytesEach = 8000, 2
	le := binary.LittleEndian.AppendUint32
	head := le([]byte("RIFF"), 36+rate*bytesEach)
	head = le(append(head, "WAVEfmt "...), 16)
	head = le(append(head, 1, 0, 1, 0), rate) // PCM, mono
	head = le(head, rate*bytesEach)
	head = append(head, bytesEach, 0, 8*bytesEach, 0)
	head = le(append(head, "data"...), rate*bytesEach)
	return string(head) + strings.Repeat("\x00", rate*bytesEach)
}

// frame is a frame of MPEG-2, layer III, 64 kbit/s, 24 kHz, with the beginning of
// the text.
func frame(text string) string {
	const size = 192
	head := "\xff\xf3\x84\xc4" + text[:min(len(text), 100)]
	return head + strings.Repeat("\x00", size-len(head))
}

func (s *Server) speak(w http.ResponseWriter, r *http.Request) {
	var req struct {
		Model, Voice, Input string
		Format              string `json:"response_format"`
	}
	if json.NewDecoder(r.Body).Decode(&req) != nil || r.URL.Path != "/v1/audio/speech" || req.Model != "tts-1" || req.Voice != "alloy" || req.Format != "mp3" || req.Input == "" {
		http.Error(w, `{"error":{"message":"bad request"}}`, http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, req.Input)
	mode, release := s.mode, s.release
	s.mu.Unlock()
	if mode == Refuse {
		http.Error(w, `{"error":{"code":"invalid_api_key","message":"refused on purpose"}}`, http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "audio/mpeg")
	_, _ = io.WriteString(w, frame(req.Input))
	_ = http.NewResponseController(w).Flush()
	if mode == Hold || mode == Cut {
		select {
		case <-release:
		case <-r.Context().Done():
			return
		}
	}
	if mode == Cut {
		panic(http.ErrAbortHandler)
	}
	_, _ = io.WriteString(w, strings.Repeat(frame(req.Input), frames-1))
}
