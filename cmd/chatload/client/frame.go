// Package client is a Chatbox client written from the wire contract alone. It
// connects, resumes, repeats frames that were not acked, assembles answers and
// records every violation of the contract. Tests and the load generator check the
// cluster with it.
//
// Tracker has the rules and does no I/O; Client moves frames; REST reads the
// history.
package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Frame types that the client handles.
const (
	TypeUserMessage      = "user_message"
	TypeAIResponse       = "ai_response"
	TypeFileUpload       = "file_upload"
	TypeVoiceMessage     = "voice_message"
	TypeTranscript       = "transcript"
	TypeDisclosure       = "disclosure"
	TypeHelpRequest      = "help_request"
	TypeModelSelect      = "model_select"
	TypeAdminJoin        = "admin_join"
	TypeAdminLeave       = "admin_leave"
	TypeSessionEnded     = "session_ended"
	TypeConnectionStatus = "connection_status"
	TypeAck              = "ack"
	TypeLoading          = "loading"
	TypeResume           = "resume"
	TypeResumed          = "resumed"
	TypeReconnect        = "reconnect"
	TypeCancel           = "cancel"
	TypeRetry            = "retry"
	TypePing             = "ping"
	TypePong             = "pong"
	TypeError            = "error"
)

// Error codes that the client handles.
const (
	CodeTooManyRequests = "TOO_MANY_REQUESTS"
	CodeSessionEnded    = "SESSION_ENDED"
)

// Frame is one JSON object on the socket, in either direction.
type Frame struct {
	Type      string            `json:"type"`
	ID        string            `json:"id,omitempty"`
	SessionID string            `json:"session_id,omitempty"`
	Seq       int64             `json:"seq,omitempty"`
	Content   string            `json:"content,omitempty"`
	FileID    string            `json:"file_id,omitempty"`
	FileURL   string            `json:"file_url,omitempty"`
	FileIDs   []string          `json:"file_ids,omitempty"` // from clients
	Files     []File            `json:"files,omitempty"`
	ModelID   string            `json:"model_id,omitempty"`
	Models    []Model           `json:"models,omitempty"`
	Timestamp string            `json:"timestamp,omitempty"`
	Sender    string            `json:"sender,omitempty"`
	UserID    string            `json:"user_id,omitempty"`
	Token     string            `json:"token,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Error     *WireError        `json:"error,omitempty"`
}

// File is one uploaded file of an event.
type File struct {
	ID          string `json:"file_id"`
	URL         string `json:"file_url"`
	Name        string `json:"filename"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	DurationMS  int64  `json:"duration_ms"`
}

// Model is one offered model.
type Model struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// WireError is the body of an error frame.
type WireError struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	Recoverable bool   `json:"recoverable"`
	RetryAfter  int64  `json:"retry_after,omitempty"` // milliseconds
}

// Durable reports whether the frame has a place in the session's order: an event
// that the server stores, or a client's frame that becomes one.
func (f Frame) Durable() bool {
	switch f.Type {
	case TypeUserMessage, TypeFileUpload, TypeVoiceMessage, TypeTranscript, TypeDisclosure, TypeHelpRequest, TypeModelSelect,
		TypeAdminJoin, TypeAdminLeave, TypeSessionEnded:
		return true
	case TypeAIResponse:
		return f.final()
	default:
		return false
	}
}

// unseenWithoutID reports whether a frame sent without an id is never shown to
// the sending socket.
func (f Frame) unseenWithoutID() bool {
	return f.ID == "" && (f.Type == TypeUserMessage || f.Type == TypeFileUpload || f.Type == TypeVoiceMessage)
}

func (f Frame) final() bool { return f.Type == TypeAIResponse && f.Metadata["done"] == "true" }

// live reports whether pieces precede the final; otherwise the final has the
// whole text.
func (f Frame) live() bool { return f.Metadata["streaming"] == "true" }

func (f Frame) snapshot() bool { return f.Metadata["snapshot"] == "true" }

// place parses attempt and index of a piece or a live final.
func (f Frame) place() (place, error) {
	attempt, err := strconv.Atoi(f.Metadata["attempt"])
	if err != nil {
		return place{}, fmt.Errorf("attempt %q", f.Metadata["attempt"])
	}
	index, err := strconv.Atoi(f.Metadata["index"])
	if err != nil || index < -1 {
		return place{}, fmt.Errorf("index %q", f.Metadata["index"])
	}
	return place{attempt, index}, nil
}

// place is how far an answer has been shown.
type place struct{ attempt, index int }

func (p place) atOrBelow(q place) bool {
	return p.attempt < q.attempt || p.attempt == q.attempt && p.index <= q.index
}

func (p place) String() string { return fmt.Sprintf("%d/%d", p.attempt, p.index) }

// resumeFrame encodes the one frame in which seq 0 has a meaning.
type resumeFrame struct {
	Type      string `json:"type"`
	SessionID string `json:"session_id"`
	Seq       int64  `json:"seq"`
}

// encode encodes a client's frame as JSON.
func encode(f Frame) ([]byte, error) {
	var v any = f
	if f.Type == TypeResume {
		v = resumeFrame{Type: f.Type, SessionID: f.SessionID, Seq: f.Seq}
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Type, err)
	}
	return text, nil
}

// decode decodes a server's frame.
func decode(text []byte) (Frame, error) {
	var f Frame
	if err := json.Unmarshal(text, &f); err != nil {
		return f, fmt.Errorf("decode: %w", err)
	}
	if f.Type == "" {
		return f, errors.New("frame without type")
	}
	return f, nil
}

// checkTime returns an error unless the frame has a timestamp in UTC, as the
// server must send it.
func (f Frame) checkTime() error {
	at, err := time.Parse(time.RFC3339Nano, f.Timestamp)
	if err != nil || at.Year() < 2000 || !strings.HasSuffix(f.Timestamp, "Z") {
		return fmt.Errorf("timestamp %q of %s", f.Timestamp, f.Type)
	}
	return nil
}
