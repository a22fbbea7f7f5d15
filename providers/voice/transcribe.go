package voice

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"strings"
	"unicode"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

// MaxRecording is the largest recording in bytes: "File uploads are currently
// limited to 25 MB" (developers.openai.com/api/docs/guides/speech-to-text).
const MaxRecording = 25 << 20

// maxTranscript bounds the response, in bytes.
const maxTranscript = 512 << 10

// Transcriber transcribes recordings. It is safe for concurrent use. The caller
// calls Close after the last transcription.
type Transcriber struct{ *vendor }

// NewTranscriber returns a transcriber. It opens no connection.
func NewTranscriber(cfg Config, log *slog.Logger) (*Transcriber, error) {
	v, err := newVendor(transcriptions(), cfg, log)
	if err != nil {
		return nil, err
	}
	return &Transcriber{v}, nil
}

// Transcribe returns the text of the recording, in at most two minutes. It streams
// the recording and holds a few KiB of it. It retries while that may help. Errors
// are chatbox.ModelFailed, chatbox.ModelTimeout, chatbox.ModelRefused, of which a
// recording larger than MaxRecording is one, the error of Open, or the cause of a
// cancelled ctx.
func (t *Transcriber) Transcribe(ctx context.Context, r chatbox.Recording) (chatbox.Transcript, error) {
	if r.Size > MaxRecording {
		return chatbox.Transcript{}, tooLarge()
	}
	ctx, cancel := context.WithTimeoutCause(ctx, totalTimeout, TimeoutTotal)
	defer cancel()
	for try := 0; ; try++ {
		got, err := t.ask(ctx, r)
		if err == nil {
			return got, nil
		}
		if !t.again(ctx, err, try) {
			return chatbox.Transcript{}, t.explain(ctx, transcribing, err)
		}
	}
}

func tooLarge() error {
	return chatbox.NewError(chatbox.ModelRefused, fmt.Sprintf("The recording is larger than %d MiB, so it cannot be transcribed.", MaxRecording>>20), nil)
}

func (t *Transcriber) ask(ctx context.Context, r chatbox.Recording) (chatbox.Transcript, error) {
	content, err := r.Open(ctx)
	if err != nil {
		return chatbox.Transcript{}, notRead(err)
	}
	defer func() { _ = content.Close() }() // it is only read
	before, after, kind, err := form(r, t.cfg.Model)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	src := &recording{src: content, left: r.Size}
	body := &requestBody{Reader: io.MultiReader(bytes.NewReader(before), src, bytes.NewReader(after)), closed: make(chan struct{})}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	req, err := http.NewRequestWithContext(sending, http.MethodPost, t.to.String(), body)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	req.ContentLength = int64(len(before)) + r.Size + int64(len(after)) // many servers do not accept a body of unknown length
	req.Header = t.header(kind, "application/json")
	got, err := t.send(req)
	stop()
	<-body.closed // the transport may send while it returns the response
	if err != nil && src.err != nil && ctx.Err() == nil {
		err = notRead(src.err)
	}
	return got, err
}

func (t *Transcriber) send(req *http.Request) (chatbox.Transcript, error) {
	resp, err := t.client.Do(req, nil)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	defer func() { _ = resp.Body.Close() }() // it was read
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxTranscript+1))
	if err != nil {
		return chatbox.Transcript{}, cut(err)
	}
	return t.transcript(raw)
}

// notRead is the error of a recording that cannot be read. It is not the vendor's.
func notRead(err error) error {
	if _, ok := errors.AsType[*chatbox.Error](err); ok {
		return err
	}
	return chatbox.NewError(chatbox.FilesFailed, "The recording could not be read. Please try again.", err)
}

// cut is the failure of a response that ended too early.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &vendorapi.Failure{Text: "the response broke off", Why: vendorapi.ReasonConnection}
	}
	return err
}

// form returns the parts of the body before and after the recording. gpt-4o-transcribe
// knows no response_format but json (OpenAI's API reference, Create transcription).
func form(r chatbox.Recording, model string) (before, after []byte, contentType string, err error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	err = errors.Join(w.WriteField("model", model), w.WriteField("response_format", "json"))
	if err == nil {
		_, err = w.CreatePart(textproto.MIMEHeader{
			// The vendor judges a file by the ending of its name. The user's own name for it
			// does not concern the vendor.
			"Content-Disposition": {`form-data; name="file"; filename="recording.` + ending(r) + `"`},
			"Content-Type":        {r.ContentType},
		})
	}
	if err != nil {
		return nil, nil, "", err
	}
	at := body.Len()
	if err := w.Close(); err != nil {
		return nil, nil, "", err
	}
	return body.Bytes()[:at], body.Bytes()[at:], w.FormDataContentType(), nil
}

// ending returns the ending by which the vendor knows the type: "flac, mp3, mp4,
// mpeg, mpga, m4a, ogg, wav, or webm" (OpenAI's API reference, Create
// transcription). Of another type it is that of the name.
func ending(r chatbox.Recording) string {
	known := map[string]string{
		"audio/flac": "flac", "audio/x-flac": "flac", "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/mp4": "m4a", "audio/x-m4a": "m4a",
		"audio/ogg": "ogg", "video/ogg": "ogg", "audio/opus": "ogg", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav",
		"audio/webm": "webm", "video/webm": "webm", "video/mp4": "mp4", "video/mpeg": "mpeg",
	}
	kind, _, _ := strings.Cut(r.ContentType, ";")
	if e := known[strings.ToLower(strings.TrimSpace(kind))]; e != "" {
		return e
	}
	e := strings.ToLower(strings.TrimPrefix(path.Ext(r.Name), "."))
	if e == "" || strings.Trim(e, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
		return "bin"
	}
	return e
}

func (t *Transcriber) transcript(raw []byte) (chatbox.Transcript, error) {
	if len(raw) > maxTranscript {
		return chatbox.Transcript{}, refused("the transcript is longer than a recording can be")
	}
	var got struct {
		Text     json.RawMessage `json:"text"`
		Language string          `json:"language"`
		Error    json.RawMessage `json:"error"`
	}
	vendorapi.DecodeLoosely(raw, &got)
	if vendorapi.Present(got.Error) {
		return chatbox.Transcript{}, vendorapi.DeclaredFailure(raw, t.cfg.APIKey)
	}
	var text string
	if len(got.Text) == 0 || got.Text[0] != '"' || json.Unmarshal(got.Text, &text) != nil {
		return chatbox.Transcript{}, refused("the response is no transcript")
	}
	return chatbox.Transcript{Text: strings.TrimSpace(text), Language: language(got.Language)}, nil
}

const maxLanguage = 35 // bytes; the longest tag that RFC 5646 wants to be supported

// language returns a vendor's name of a language, or "" for anything else.
func language(name string) string {
	foreign := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' }
	if len(name) > maxLanguage || strings.ContainsFunc(name, foreign) {
		return ""
	}
	return name
}
