package files

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"chatbox"
)

const (
	partTranscript = "transcript" // of a recording, as JSON
	maxTranscript  = 4 << 20      // bytes of it
)

// keptTranscript is the content of partTranscript.
type keptTranscript struct {
	Text     string `json:"text"`
	Language string `json:"language,omitempty"`
}

// Transcript returns the transcript of a recording that the session uses. It calls
// transcribe if there is none, and keeps the transcript with the file, so that a
// recording that is sent twice, or whose pod dies, is transcribed once.
// chatbox.NotFound: the session uses no such file, or it is gone.
func (s *Service) Transcript(
	ctx context.Context, session chatbox.SessionKey, id string, transcribe func(context.Context, chatbox.Recording) (chatbox.Transcript, error),
) (chatbox.Transcript, error) {
	f, err := s.usedBy(ctx, session, id)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	rec := chatbox.Recording{
		Name: f.Name, ContentType: f.ContentType, Size: f.Size,
		Open: func(ctx context.Context) (io.ReadCloser, error) {
			return s.read(ctx, f, partContent, f.Size, 0, f.Size)
		},
	}
	size, err := s.derived(ctx, f, partTranscript, func(w io.Writer) error {
		t, err := transcribe(ctx, rec)
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(keptTranscript{t.Text, t.Language})
	})
	if err != nil {
		return chatbox.Transcript{}, err
	}
	raw, err := s.readAll(ctx, f, partTranscript, size, maxTranscript)
	if err != nil {
		return chatbox.Transcript{}, err
	}
	var kept keptTranscript
	if err := json.Unmarshal(raw, &kept); err != nil {
		return chatbox.Transcript{}, fmt.Errorf("files: a transcript is not readable: %w", err)
	}
	return chatbox.Transcript{Text: kept.Text, Language: kept.Language}, nil
}
