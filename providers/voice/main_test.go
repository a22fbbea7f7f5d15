package voice

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox/providers/internal/vendorapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// canary is a key, and prose is a vendor's, that no error and no log may have.
const (
	canary = "sk-canary-0123456789"
	prose  = "WhatSomebodySaid"
)

// logBuffer is a log that a test may read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newServer(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func newTranscriber(t *testing.T, endpoint string) (*Transcriber, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	v, err := NewTranscriber(Config{Endpoint: endpoint, APIKey: vendorapi.NewSecret(canary), Model: "whisper-1"}, slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v, log
}

func newSpeaker(t *testing.T, endpoint string) (*Speaker, *logBuffer) {
	t.Helper()
	log := &logBuffer{}
	v, err := NewSpeaker(Config{Endpoint: endpoint, APIKey: vendorapi.NewSecret(canary), Model: "tts-1"}, "alloy", slog.New(slog.NewTextHandler(log, nil)))
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v, log
}
