package voice

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"unicode/utf8"

	"chatbox"
	"chatbox/providers/internal/vendorapi"
)

const (
	// MaxPart is how many characters of text one request may have: "The maximum
	// length is 4096 characters" (OpenAI's API reference, Create speech).
	MaxPart = 4096
	// MaxParts is how many requests one text may need.
	MaxParts = 12
	// maxSound bounds the sound of one part, in bytes. A part of MaxPart characters
	// takes about 5 minutes to say, which is 6 MiB at 160 kbit/s.
	maxSound = 16 << 20
)

// Speaker speaks texts. It is safe for concurrent use. The caller calls Close
// after the last text.
type Speaker struct {
	*vendor

	voice string
}

// NewSpeaker returns a speaker with a voice of the vendor. It opens no connection.
func NewSpeaker(cfg Config, voice string, log *slog.Logger) (*Speaker, error) {
	v, err := newVendor(speech(), cfg, log)
	if err != nil {
		return nil, err
	}
	if voice == "" {
		return nil, errors.New("voice: no voice is named")
	}
	return &Speaker{vendor: v, voice: voice}, nil
}

// Speak speaks a text, which may be Markdown, as MP3. It returns when the sound
// begins. A long text is spoken in parts, one request after another, whose sounds
// are joined. A request is retried while that may help and nothing of its sound
// was read. The caller closes the sound. It ends with ctx. Errors, also those of
// Read, are chatbox.InvalidArgument for a text without words, chatbox.ModelFailed,
// chatbox.ModelTimeout, chatbox.ModelRefused, of which a text that needs more than
// MaxParts is one, or the cause of a cancelled ctx.
func (s *Speaker) Speak(ctx context.Context, text string) (io.ReadCloser, error) {
	const markup = 2 // characters of Markdown, at most, for each character of text
	if utf8.RuneCountInString(text) > markup*MaxPart*MaxParts {
		return nil, tooLong()
	}
	parts := split(plain(text), MaxPart)
	switch {
	case len(parts) == 0:
		return nil, chatbox.NewError(chatbox.InvalidArgument, "The answer has no words to speak.", nil)
	case len(parts) > MaxParts:
		return nil, tooLong()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	out := &sound{speaker: s, ctx: ctx, cancel: cancel, watch: vendorapi.NewWatch(cancel), parts: parts, several: len(parts) > 1}
	if err := out.open(); err != nil {
		_ = out.Close() // there is no body
		return nil, err
	}
	return out, nil
}

func tooLong() error {
	return chatbox.NewError(chatbox.ModelRefused, "The answer is too long to be spoken.", nil)
}

// sound is the sound of all parts of a text. It belongs to one goroutine.
type sound struct {
	speaker *Speaker
	ctx     context.Context //nolint:containedctx // lives as long as the reader
	cancel  context.CancelCauseFunc
	watch   *vendorapi.Watch
	parts   []string // not yet asked for
	several bool

	body io.ReadCloser // nil: the next part is to be asked for
	mp3  *bufio.Reader // of body
	left int           // bytes that the part may still have
	err  error
}

// open asks for the next part, until its sound begins.
func (s *sound) open() error {
	for try := 0; ; try++ {
		err := s.ask()
		if err == nil {
			s.parts, s.left = s.parts[1:], maxSound
			return nil
		}
		if !s.speaker.again(s.ctx, err, try) {
			return s.speaker.explain(s.ctx, speaking, err)
		}
	}
}

func (s *sound) ask() error {
	v := s.speaker
	raw, err := json.Marshal(map[string]string{"model": v.cfg.Model, "voice": v.voice, "input": s.parts[0], "response_format": "mp3"})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(s.ctx, http.MethodPost, v.to.String(), bytes.NewReader(raw))
	if err != nil {
		return err
	}
	req.Header = v.header("application/json", "audio/mpeg")
	s.watch.Start(headerTimeout, TimeoutHeader)
	defer s.watch.Stop()
	resp, err := v.client.Do(req, nil)
	if err != nil {
		return err
	}
	in := bufio.NewReaderSize(resp.Body, 16<<10)
	if err := begin(in, s.several); err != nil {
		_ = resp.Body.Close() // nothing of it is used
		return err
	}
	s.body, s.mp3 = resp.Body, in
	return nil
}

// Read reads the sounds of all parts.
func (s *sound) Read(p []byte) (int, error) {
	for s.err == nil {
		if s.body == nil {
			if len(s.parts) == 0 {
				s.err = io.EOF
			} else {
				s.err = s.open()
			}
			continue
		}
		s.watch.Start(idleTimeout, TimeoutIdle)
		n, err := s.mp3.Read(p)
		s.watch.Stop()
		if s.left -= n; s.left < 0 {
			n, err = 0, refused(fmt.Sprintf("a part of the sound is larger than %d bytes", maxSound))
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = s.body.Close() // it was read
			s.body = nil
		case err != nil:
			s.err = s.speaker.explain(s.ctx, speaking, cut(err))
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, s.err
}

// Close ends the request. A repeat changes nothing.
func (s *sound) Close() error {
	s.watch.Stop()
	s.cancel(nil)
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	if s.err == nil {
		s.err = io.ErrClosedPipe
	}
	return err
}
