package app

import (
	"context"
	"log/slog"

	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/app/files"
	"chatbox/app/seek"
	"chatbox/app/sessionlog"
	"chatbox/app/speech"
	"chatbox/app/transcribe"
	"chatbox/providers/voice"
)

// The parts of voice satisfy their ports.
var (
	_ transcribe.Transcriber = (*voice.Transcriber)(nil)
	_ speech.Speaker         = (*voice.Speaker)(nil)
	_ speech.Files           = (*files.Service)(nil)
)

// Voice are the parts of voice; nil: it is off. Both need files.
type Voice struct {
	Transcriber transcribe.Transcriber
	Speaker     speech.Speaker
}

// openVoice returns the configured parts of voice, and a function that closes
// their idle connections.
func openVoice(ctx context.Context, cfg config.Voice, log *slog.Logger) (out Voice, closeAll func(), err error) {
	var closers []func()
	closeAll = func() {
		for _, c := range closers {
			c()
		}
	}
	if cfg.Transcribe.Endpoint != "" {
		t, err := voice.NewTranscriber(cfg.Transcribe, log)
		if err != nil {
			return out, closeAll, err
		}
		out.Transcriber, closers = t, append(closers, t.Close)
	}
	if cfg.Speech.Endpoint != "" {
		s, err := voice.NewSpeaker(cfg.Speech, cfg.SpeechVoice, log)
		if err != nil {
			return out, closeAll, err
		}
		out.Speaker, closers = s, append(closers, s.Close)
	}
	if len(closers) > 0 {
		log.InfoContext(ctx, "voice is on", "transcribes", out.Transcriber != nil, "speaks", out.Speaker != nil)
	}
	return out, closeAll, nil
}

// wireSpeech creates the use case of speech, if there are a speaker and a file
// store.
func (a *App) wireSpeech(log *sessionlog.Log, answers *seek.Answers, watch *observer) {
	o := a.opts
	if o.Voice.Speaker == nil || o.Files.Blobs == nil {
		return
	}
	a.speech = speech.New(speech.DefaultConfig(), speech.Deps{
		Sessions: log, Answers: answers, Messages: o.Stores.Messages, Audit: o.Stores.Audit, Speaker: o.Voice.Speaker, Files: a.files, Observer: watch, Logger: a.log,
	})
}

// speechEdge returns the speech that the edge serves, or nil.
func (a *App) speechEdge() api.Speech { //nolint:ireturn // nil must be the interface's
	if a.speech == nil {
		return nil
	}
	return a.speech
}
