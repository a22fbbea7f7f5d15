package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"chatbox"
	"chatbox/cluster"
	"chatbox/hub"
)

// Types of frames that are not events.
const (
	typeStatus  = "connection_status"
	typeAck     = "ack"
	typeLoading = "loading"
	typeResume  = "resume"
	typeResumed = "resumed"
	typePing    = "ping"
	typeCancel  = "cancel"
	typeRetry   = "retry"
	typeTyping  = "typing_indicator"
	typeAuth    = "auth"
	typeWatch   = "watch"
	typeUnwatch = "unwatch"
	typeRead    = "read"
	typePong    = "pong"
	typeError   = "error"
	typeNotice  = "notification"
	typeCome    = "reconnect"
)

// Names of metadata that the server sets.
const (
	metaStreaming        = "streaming"
	metaDone             = "done"
	metaAttempt          = "attempt"
	metaIndex            = "index"
	metaReplyTo          = "reply_to"
	metaSnapshot         = "snapshot"
	metaFinish           = "finish"
	metaTokensPrompt     = "tokens_prompt"
	metaTokensCompletion = "tokens_completion"
	metaTokensEstimated  = "tokens_estimated"
	metaLength           = "length"
	metaDuplicate        = "duplicate"
	metaUnreadable       = "unreadable"
	metaState            = "state"
	stateStart           = "start"
	stateStop            = "stop"
	metaRecovered        = "recovered"
	metaConnection       = "connection_id"
	metaPod              = "pod"
	metaProtocol         = "protocol"
	metaFileTypes        = "file_types"
	metaFileMax          = "file_max"
	metaAfter            = "after_ms"
	metaEvent            = "event"
	metaExpires          = "expires_at"
	eventRenewed         = "credential_renewed"
	metaUser             = "user_id"
	metaSession          = "session_id"
	metaChannel          = "channel"
	metaPosition         = "position"
	metaExact            = "position_exact"
	metaWaiting          = "waiting"
	metaAvailable        = "available"
	metaReason           = "reason"
	metaOpens            = "opens_at"
)

const (
	yes = "true"
	no  = "false"

	protocolVersion = "1"
	timeLayout      = "2006-01-02T15:04:05.000Z07:00"
)

// frame has every field that a server's frame may have
// (docs/protocol/contract.md). Pointers distinguish an empty value from an absent
// one.
type frame struct {
	Type      string            `json:"type"`
	ID        string            `json:"id,omitempty"`
	SessionID *string           `json:"session_id,omitempty"`
	Seq       *int64            `json:"seq,omitempty"`
	UserID    string            `json:"user_id,omitempty"`
	Sender    chatbox.Sender    `json:"sender,omitempty"`
	Content   *string           `json:"content,omitempty"`
	ModelID   string            `json:"model_id,omitempty"`
	Models    *[]chatbox.Model  `json:"models,omitempty"`
	FileID    string            `json:"file_id,omitempty"`
	FileURL   string            `json:"file_url,omitempty"`
	Files     []fileView        `json:"files,omitempty"`
	Timestamp string            `json:"timestamp,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	Error     *frameError       `json:"error,omitempty"`
}

// frameError is the error of a frame.
type frameError struct {
	Code        string `json:"code"`
	Message     string `json:"message"`
	Recoverable bool   `json:"recoverable"`
	RetryAfter  int64  `json:"retry_after,omitempty"` // milliseconds
}

// Encoder returns a function that renders a delivery to a session's sockets as a
// frame. Frames that are not events carry the time of encoding. prefix is that of
// every route.
func Encoder(prefix string) func(d hub.Delivery) []byte {
	v := viewer{prefix: prefix}
	return func(d hub.Delivery) []byte { return v.encode(d, time.Now()) }
}

func (v viewer) encode(d hub.Delivery, now time.Time) []byte {
	f := frame{SessionID: &d.Session.ID, Timestamp: stamp(now)}
	switch {
	case d.Event != nil:
		v.fillEvent(&f, *d.Event, d.Replay)
	case d.Ack != nil:
		f.Type, f.ID, f.Seq, f.Timestamp = typeAck, d.Ack.ID, &d.Ack.Seq, stamp(d.Ack.Time)
		if d.Ack.Duplicate {
			f.Metadata = map[string]string{metaDuplicate: yes}
		}
	case d.Piece != nil:
		fillPiece(&f, d.Piece)
	case d.Loading != nil:
		f.Type, f.ID, f.Sender, f.ModelID = typeLoading, d.Loading.AnswerID, chatbox.SenderAI, d.Loading.ModelID
		f.Metadata = map[string]string{metaReplyTo: d.Loading.ReplyTo}
	case d.Failure != nil:
		s := show(&chatbox.Error{Code: d.Failure.Code, Message: d.Failure.Message, RetryAfter: d.Failure.RetryAfter})
		f.Type, f.ID, f.Error = typeError, d.Failure.AnswerID, s.frameError()
		f.Metadata = map[string]string{metaReplyTo: d.Failure.ReplyTo}
	case d.Typing != nil:
		f.Type, f.Sender, f.UserID = typeTyping, d.Typing.Sender, d.Typing.UserID
		f.Metadata = map[string]string{metaState: stateStop}
		if d.Typing.On {
			f.Metadata[metaState] = stateStart
		}
	case d.Read != nil:
		f.Type, f.Seq, f.Sender, f.UserID = typeRead, &d.Read.Seq, d.Read.Sender, d.Read.UserID
	case d.Notification != nil:
		fillNotification(&f, d.Notification)
	case d.Place != nil:
		fillPlace(&f, *d.Place)
	case d.Resumed != nil:
		f.Type, f.Seq = typeResumed, &d.Resumed.Seq
		f.Metadata = map[string]string{metaRecovered: strconv.FormatBool(d.Resumed.Recovered)}
	}
	return f.bytes()
}

func (v viewer) fillEvent(f *frame, e chatbox.Event, replay bool) {
	f.Type, f.ID, f.Seq, f.Sender = string(e.Type), e.ID, &e.Seq, e.Sender
	f.ModelID, f.FileID, f.FileURL, f.Files = e.ModelID, e.FileID, v.fileURL(e), v.files(e)
	f.Timestamp, f.Metadata = stamp(e.Time), e.Metadata
	if e.Content != "" {
		f.Content = &e.Content
	}
	if e.Unreadable {
		f.Content, f.Metadata = new(string), unreadMetadata(e)
	}
	if e.Type != chatbox.TypeAnswer || e.Answer == nil {
		return
	}
	f.Metadata = answerMetadata(e)
	f.Metadata[metaDone] = yes
	f.Metadata[metaStreaming] = strconv.FormatBool(!replay)
	f.Content = &e.Content
	if !replay && !e.Unreadable {
		f.Content = nil // its pieces have been sent already
	}
}

// answerMetadata returns the metadata of a finished answer, which is the same
// live, replayed and in the history.
func answerMetadata(e chatbox.Event) map[string]string {
	a := e.Answer
	m := make(map[string]string, 10+len(e.Metadata))
	maps.Copy(m, e.Metadata)
	m[metaAttempt] = strconv.Itoa(a.Attempt)
	m[metaIndex] = strconv.Itoa(a.Index)
	m[metaReplyTo] = a.ReplyTo
	m[metaFinish] = string(a.Finish)
	if a.TokensPrompt > 0 {
		m[metaTokensPrompt] = strconv.Itoa(a.TokensPrompt)
	}
	if a.TokensCompletion > 0 {
		m[metaTokensCompletion] = strconv.Itoa(a.TokensCompletion)
	}
	if a.TokensEstimated {
		m[metaTokensEstimated] = yes
	}
	m[metaLength] = strconv.Itoa(utf8.RuneCountInString(e.Content))
	if e.Unreadable {
		m[metaUnreadable] = yes
	}
	return m
}

// unreadMetadata returns the metadata of an event whose own cannot be decrypted:
// a mark that says so and, for an admin's event, the admin.
func unreadMetadata(e chatbox.Event) map[string]string {
	m := map[string]string{metaUnreadable: yes}
	if e.Sender == chatbox.SenderAdmin || e.Type == chatbox.TypeAdminJoin || e.Type == chatbox.TypeAdminLeave {
		m[chatbox.MetaAdminID] = cmp.Or(e.UserID, chatbox.UnnamedStaff)
	}
	return m
}

func fillPiece(f *frame, p *cluster.Piece) {
	f.Type, f.ID, f.Sender = string(chatbox.TypeAnswer), p.AnswerID, chatbox.SenderAI
	f.ModelID, f.Content = p.ModelID, &p.Content
	f.Metadata = map[string]string{
		metaStreaming: yes, metaDone: no, metaReplyTo: p.ReplyTo,
		metaAttempt: strconv.Itoa(p.Attempt), metaIndex: strconv.Itoa(p.Index),
	}
	if p.Snapshot {
		f.Metadata[metaSnapshot] = yes
	}
}

// statusFrame returns the first frame of a socket. up is nil without a file store.
func statusFrame(
	sessionID string, a chatbox.Actor, models []chatbox.Model, up Files, conn chatbox.ConnID, pod chatbox.PodID, now time.Time,
) []byte {
	if models == nil {
		models = []chatbox.Model{}
	}
	meta := map[string]string{metaConnection: string(conn), metaPod: string(pod), metaProtocol: protocolVersion}
	if up != nil {
		types, most := up.Accepts()
		meta[metaFileTypes], meta[metaFileMax] = strings.Join(types, ","), strconv.FormatInt(most, 10)
	}
	return frame{
		Type: typeStatus, SessionID: &sessionID, UserID: a.UserID, Sender: chatbox.SenderSystem,
		Models: &models, Timestamp: stamp(now), Metadata: meta,
	}.bytes()
}

// errorFrame answers the frame with the id and the session. Either may be empty
// if unknown.
func errorFrame(id, sessionID string, err error, now time.Time) []byte {
	s := show(err)
	f := frame{Type: typeError, ID: id, Error: s.frameError(), Metadata: s.metadata, Timestamp: stamp(now)}
	if sessionID != "" {
		f.SessionID = &sessionID
	}
	return f.bytes()
}

func (s shown) frameError() *frameError {
	return &frameError{
		Code: s.wire, Message: s.message, Recoverable: s.recoverable, RetryAfter: s.retryAfter.Milliseconds(),
	}
}

// pongFrame answers a ping and echoes its id.
func pongFrame(id string, now time.Time) []byte {
	return frame{Type: typePong, ID: id, Timestamp: stamp(now)}.bytes()
}

// Reconnect returns the frame by which a draining pod asks a client to reconnect
// after a delay.
func Reconnect(after time.Duration) []byte { return reconnectFrame(after, time.Now()) }

func reconnectFrame(after time.Duration, now time.Time) []byte {
	return frame{
		Type: typeCome, Sender: chatbox.SenderSystem, Timestamp: stamp(now),
		Metadata: map[string]string{metaAfter: strconv.FormatInt(after.Milliseconds(), 10)},
	}.bytes()
}

func stamp(t time.Time) string { return t.UTC().Format(timeLayout) }

// bytes encodes the frame without HTML escapes.
func (f frame) bytes() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		panic("api: encode a frame: " + err.Error()) // strings and numbers can always be encoded
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
