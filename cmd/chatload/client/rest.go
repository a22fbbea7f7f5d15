package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chatbox/internal/sleep"
)

// restTries limits how often a request is made that is answered with 429 or 503,
// or not at all.
const restTries = 6

// REST reads and changes one user's sessions over plain HTTP. It is safe for
// concurrent use.
type REST struct {
	URLs   []string // base URLs; every request picks one at random
	Prefix string   // default /chatbox
	Token  func(ctx context.Context) (string, error)
	HTTP   *http.Client // required
}

// Message is one durable event in the history.
type Message struct {
	ID        string            `json:"id"`
	Seq       int64             `json:"seq"`
	Type      string            `json:"type"`
	Sender    string            `json:"sender"`
	Content   string            `json:"content"`
	Timestamp string            `json:"timestamp"`
	Status    string            `json:"status"`
	ModelID   string            `json:"model_id"`
	FileID    string            `json:"file_id"`
	FileURL   string            `json:"file_url"`
	Files     []File            `json:"files"`
	Metadata  map[string]string `json:"metadata"`
}

// Page is one page of a session's history, oldest first.
type Page struct {
	SessionID string    `json:"session_id"`
	Name      string    `json:"name"`
	ModelID   string    `json:"model_id"`
	Status    string    `json:"status"`
	HeadSeq   int64     `json:"head_seq"`
	Messages  []Message `json:"messages"`
	Truncated bool      `json:"truncated"`
}

// SessionInfo is one entry in the list of sessions.
type SessionInfo struct {
	ID           string `json:"id"`
	SessionID    string `json:"session_id"`
	UserID       string `json:"user_id"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	MessageCount int64  `json:"message_count"`
}

// Sessions is one page of the list of sessions, newest activity first.
type Sessions struct {
	Sessions   []SessionInfo `json:"sessions"`
	UserID     string        `json:"user_id"`
	Count      int           `json:"count"`
	Truncated  bool          `json:"truncated"`
	NextCursor string        `json:"next_cursor"`
}

// Pod is one entry in the list of pods, which admins may read.
type Pod struct {
	ID            string `json:"id"`
	Version       string `json:"version"`
	State         string `json:"state"`
	Connections   int    `json:"connections"`
	Generations   int    `json:"generations"`
	LastHeartbeat string `json:"last_heartbeat"`
}

// StatusError is a response other than success.
type StatusError struct {
	Status     int
	Code       string
	Text       string
	RetryAfter time.Duration
}

func (e *StatusError) Error() string { return fmt.Sprintf("status %d %s %s", e.Status, e.Code, e.Text) }

// List returns one page of the user's sessions.
func (r *REST) List(ctx context.Context, limit int, cursor string) (Sessions, error) {
	q := url.Values{}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	var out Sessions
	err := r.do(ctx, http.MethodGet, "/sessions?"+q.Encode(), nil, &out)
	return out, err
}

// Before returns up to limit messages with a smaller seq: the newest of them,
// oldest first. seq 0 means from the head.
func (r *REST) Before(ctx context.Context, session string, seq int64, limit int) (Page, error) {
	return r.page(ctx, session, "before_seq", seq, limit)
}

// After returns up to limit messages with a greater seq, oldest first.
func (r *REST) After(ctx context.Context, session string, seq int64, limit int) (Page, error) {
	return r.page(ctx, session, "after_seq", seq, limit)
}

func (r *REST) page(ctx context.Context, session, param string, seq int64, limit int) (Page, error) {
	q := url.Values{"limit": {strconv.Itoa(limit)}}
	if seq > 0 || param == "after_seq" {
		q.Set(param, strconv.FormatInt(seq, 10))
	}
	var out Page
	err := r.do(ctx, http.MethodGet, "/sessions/"+url.PathEscape(session)+"?"+q.Encode(), nil, &out)
	return out, err
}

// History reads the whole history page by page, oldest first.
func (r *REST) History(ctx context.Context, session string) ([]Message, error) {
	var all []Message
	var last int64
	for {
		page, err := r.After(ctx, session, last, 500)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Messages...)
		if len(page.Messages) == 0 {
			return all, nil
		}
		next := page.Messages[len(page.Messages)-1].Seq
		if next <= last {
			return all, fmt.Errorf("a page after %d ends at %d", last, next)
		}
		last = next
		if !page.Truncated && last >= page.HeadSeq {
			return all, nil
		}
	}
}

// Post sends a message without a socket and returns its seq once it is durable.
func (r *REST) Post(ctx context.Context, session, id, content string) (int64, error) {
	var out struct {
		Seq int64 `json:"seq"`
	}
	err := r.do(ctx, http.MethodPost, "/sessions/"+url.PathEscape(session)+"/messages",
		map[string]string{"id": id, "content": content}, &out)
	return out.Seq, err
}

// End ends a session; ending an ended one succeeds.
func (r *REST) End(ctx context.Context, session string) error {
	return r.do(ctx, http.MethodPost, "/sessions/"+url.PathEscape(session)+"/end", nil, nil)
}

// Ticket returns a one-time ticket for a socket.
func (r *REST) Ticket(ctx context.Context) (string, error) {
	var out struct {
		Ticket string `json:"ticket"`
	}
	err := r.do(ctx, http.MethodPost, "/ticket", nil, &out)
	return out.Ticket, err
}

// Cluster lists the pods; the user must be an admin.
func (r *REST) Cluster(ctx context.Context) ([]Pod, error) {
	var out struct {
		Pods []Pod `json:"pods"`
	}
	err := r.do(ctx, http.MethodGet, "/admin/cluster", nil, &out)
	return out.Pods, err
}

// Ready asks one pod, once, whether it is ready.
func (r *REST) Ready(ctx context.Context) error {
	return r.once(ctx, http.MethodGet, "/readyz", nil, nil)
}

// do makes a request and retries it while the server asks for a delay. All
// requests of this client are idempotent.
func (r *REST) do(ctx context.Context, method, path string, in, out any) error {
	var err error
	for try := range restTries {
		if err = r.once(ctx, method, path, in, out); err == nil || ctx.Err() != nil {
			return err
		}
		wait := time.Duration(100<<try)*time.Millisecond + jitter(100*time.Millisecond)
		if status, ok := errors.AsType[*StatusError](err); ok {
			if status.Status != http.StatusTooManyRequests && status.Status < http.StatusInternalServerError {
				return err
			}
			wait = max(wait, status.RetryAfter)
		}
		if try < restTries-1 && !sleep.For(ctx, wait) {
			return err
		}
	}
	return err
}

func (r *REST) once(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("encode body: %w", err)
		}
		body = bytes.NewReader(text)
	}
	prefix := r.Prefix
	if prefix == "" {
		prefix = "/chatbox"
	}
	base := strings.TrimRight(r.URLs[rand.IntN(len(r.URLs))], "/") //nolint:gosec // a choice of address needs no secrecy
	req, err := http.NewRequestWithContext(ctx, method, base+prefix+path, body)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.Token != nil {
		token, err := r.Token(ctx)
		if err != nil {
			return fmt.Errorf("token: %w", err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := r.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }() // read to its end or given up
	return readAnswer(res, out)
}

func readAnswer(res *http.Response, out any) error {
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		failed := &StatusError{Status: res.StatusCode, RetryAfter: retryAfter(res.Header)}
		var said struct{ Code, Message string }
		if json.Unmarshal(text, &said) == nil {
			failed.Code, failed.Text = said.Code, said.Message
		}
		return failed
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}
