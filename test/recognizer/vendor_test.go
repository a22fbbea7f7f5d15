//go:build recognizer

package recognizer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	model           = "pocketsphinx-en-us"
	key             = "key-of-the-recognizer"
	longestListened = time.Minute // bounds one recognition
	maxForm         = 25 << 20    // bytes of a form in memory
)

// newVendor starts a server on a loopback port with OpenAI's transcriptions. It
// decodes a recording with sox and transcribes it with pocketsphinx. The model does
// open dictation: no vocabulary and no grammar is passed to it.
func newVendor(t *testing.T) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/audio/transcriptions", func(w http.ResponseWriter, r *http.Request) {
		text, err := transcribe(r)
		w.Header().Set("Content-Type", "application/json")
		if err != nil {
			t.Errorf("transcription: %v", err)
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"error": map[string]string{"message": err.Error(), "type": "invalid_request_error"}})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"text": text}) // a failure means that the pod is gone
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func transcribe(r *http.Request) (text string, err error) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+key {
		return "", errors.New("not the key")
	}
	if err := r.ParseMultipartForm(maxForm); err != nil {
		return "", err
	}
	defer func() { err = cmp.Or(err, r.MultipartForm.RemoveAll()) }()
	if m, f := r.FormValue("model"), r.FormValue("response_format"); m != model || f != "json" {
		return "", fmt.Errorf("model %q, response_format %q", m, f)
	}
	file, head, err := r.FormFile("file")
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // it was read
	return recognize(r.Context(), file, head)
}

// recognize returns the words of a recording. The decoder is chosen by the ending
// of its name, as vendors do.
func recognize(ctx context.Context, file io.Reader, head *multipart.FileHeader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, longestListened)
	defer cancel()
	dir, err := os.MkdirTemp("", "recognizer")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	raw, err := io.ReadAll(file)
	if err != nil {
		return "", err
	}
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to.wav")
	if err := os.WriteFile(from, raw, 0o600); err != nil {
		return "", err
	}
	// The acoustic model knows only 16 kHz, one channel, 16 bits.
	if _, err := run(ctx, "sox", "-t", strings.TrimPrefix(filepath.Ext(head.Filename), "."), from, "-r", "16000", "-c", "1", "-b", "16", to); err != nil {
		return "", err
	}
	out, err := run(ctx, "pocketsphinx_continuous", "-infile", to, "-logfn", "/dev/null")
	return strings.Join(strings.Fields(out), " "), err // a line per utterance
}

// run returns the output of a program.
func run(ctx context.Context, name string, args ...string) (string, error) {
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, complaint.String())
	}
	return string(out), nil
}
