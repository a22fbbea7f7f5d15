// Package voice turns recordings into text and text into sound, by servers with
// the API of OpenAI. Errors are *chatbox.Error values with the codes of models. They
// contain no text of the vendor and no key.
package voice

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"chatbox/providers/internal/vendorapi"
)

// Config names the model of a vendor.
type Config struct {
	// Endpoint is the API's base URL, with or without a version, or the URL of the
	// call itself.
	Endpoint string
	APIKey   vendorapi.Secret // empty: requests have no key
	Model    string
}

// PlainPublic reports whether requests are sent without encryption over a public
// network.
func (c Config) PlainPublic() bool { return vendorapi.PlainPublic(c.Endpoint) }

// CheckTranscriptions returns an error for a URL that leads to no transcriptions.
func CheckTranscriptions(endpoint string) error {
	_, err := vendorapi.Resolve(transcriptions(), endpoint)
	return err
}

// CheckSpeech returns an error for a URL that leads to no speech.
func CheckSpeech(endpoint string) error {
	_, err := vendorapi.Resolve(speech(), endpoint)
	return err
}

func transcriptions() vendorapi.Call {
	return vendorapi.Call{Path: []string{"audio", "transcriptions"}, OpenAI: true}
}

func speech() vendorapi.Call {
	return vendorapi.Call{Path: []string{"audio", "speech"}, OpenAI: true}
}

// Time-outs of requests.
const (
	headerTimeout = time.Minute      // until the response begins
	idleTimeout   = 30 * time.Second // between two parts of a response
	totalTimeout  = 2 * time.Minute  // a whole transcription, retries included
)

// vendor sends the requests of one call.
type vendor struct {
	to        vendorapi.Endpoint
	cfg       Config
	transport *http.Transport
	client    *vendorapi.Client
	log       *slog.Logger
}

func newVendor(call vendorapi.Call, cfg Config, log *slog.Logger) (*vendor, error) {
	to, err := vendorapi.Resolve(call, cfg.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("voice: endpoint: %w", err)
	}
	if cfg.Model == "" {
		return nil, errors.New("voice: no model is named")
	}
	if err := CheckKey(cfg.APIKey.Reveal()); err != nil {
		return nil, fmt.Errorf("voice: key: %w", err)
	}
	v := &vendor{to: to, cfg: cfg, transport: vendorapi.NewTransport(), log: log}
	v.client = vendorapi.NewClient(v.transport, cfg.APIKey)
	return v, nil
}

// CheckKey returns an error, which does not quote the key, for one that no header
// can have.
func CheckKey(key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("must be one word of ASCII characters")
	}
	return nil
}

// header returns the headers of every request.
func (v *vendor) header(sent, wanted string) http.Header {
	h := vendorapi.Bearer(v.cfg.APIKey, v.to.Azure)
	h.Set("Content-Type", sent)
	h.Set("Accept", wanted)
	h.Set("Accept-Encoding", "identity")
	return h
}

// Close closes idle connections. It must be called after the last request.
func (v *vendor) Close() { v.transport.CloseIdleConnections() }
