package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"chatbox/helpdesk"
)

const (
	secretPrefix = "whsec_"
	minKey       = 24 // bytes, as Standard Webhooks requires
)

// webhook posts signed requests according to standardwebhooks.com. A retry has
// the same ID and body, and a new timestamp and signature.
type webhook struct {
	url    Secret
	key    []byte
	client *http.Client
}

// webhookBody is the JSON body of a request.
type webhookBody struct {
	Type      string      `json:"type"`
	Timestamp string      `json:"timestamp"`
	Data      webhookData `json:"data"`
}

type webhookData struct {
	Tenant    string `json:"tenant,omitempty"`
	SessionID string `json:"session_id"`
	UserID    string `json:"user_id"`
}

// webhookKey returns the key that a secret encodes. It returns an error if the
// secret is not valid base64 or the key is too short.
func webhookKey(s Secret) ([]byte, error) {
	text := ""
	if s != nil {
		text = s.Reveal()
	}
	key := []byte(text)
	if rest, ok := strings.CutPrefix(text, secretPrefix); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(rest); err != nil {
			return nil, errors.New("what follows whsec_ is not base64")
		}
	}
	if len(key) < minKey {
		return nil, errors.New("is shorter than 24 bytes")
	}
	return key, nil
}

// CheckWebhookSecret returns an error if a secret is invalid.
func CheckWebhookSecret(s Secret) error {
	_, err := webhookKey(s)
	return err
}

func (w *webhook) send(ctx context.Context, m helpdesk.AlertMessage) error {
	body, err := json.Marshal(webhookBody{
		Type: m.Event, Timestamp: m.Time.UTC().Format(time.RFC3339Nano),
		Data: webhookData{Tenant: m.Tenant, SessionID: m.SessionID, UserID: m.UserID},
	})
	if err != nil {
		return errors.New("cannot be written as JSON")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.Reveal(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the address cannot be used")
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "chatbox")
	req.Header.Set("Webhook-Id", m.ID)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", sign(w.key, m.ID, at, body))
	return do(w.client, req)
}

// sign returns the signature of the ID, the time and the body.
func sign(key []byte, id, at string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(id + "." + at + ".")) // a hash does not fail
	_, _ = mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
