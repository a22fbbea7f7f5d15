package app

import (
	"chatbox/app/answer"
	"chatbox/app/conversation"
	"chatbox/app/sessionlog"
	"chatbox/app/transcribe"
)

// wireTranscripts creates the use case of transcripts, if there is a provider.
func (a *App) wireTranscripts(log *sessionlog.Log, watch *observer) {
	o := a.opts
	if o.Voice.Transcriber == nil || o.Files.Blobs == nil {
		return
	}
	a.transcripts = transcribe.New(transcribe.DefaultConfig(), transcribe.Deps{
		Pod: o.ID, Log: log, Messages: o.Stores.Messages, Store: o.Stores.Transcripts, Recordings: a.files, Transcriber: o.Voice.Transcriber,
		Ephemerals: a.redis, Observer: watch, Logger: a.log,
	})
}

// answerTranscripts returns the transcripts that answers wait for, or nil.
func (a *App) answerTranscripts() answer.Transcripts { //nolint:ireturn // nil must be the interface's
	if a.transcripts == nil {
		return nil
	}
	return a.transcripts
}

// postTranscripts returns the transcripts that messages need, or nil.
func (a *App) postTranscripts() conversation.Transcripts { //nolint:ireturn // nil must be the interface's
	if a.transcripts == nil {
		return nil
	}
	return a.transcripts
}
