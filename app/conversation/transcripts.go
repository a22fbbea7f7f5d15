package conversation

import (
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
)

// transcriptDue returns when the transcript of the event is due, or nil if none is
// made of it: of an event that is no recording, and of a recording that is a link.
func (s *Service) transcriptDue(e chatbox.Event) *time.Time {
	if s.deps.Transcripts == nil || e.Type != chatbox.TypeVoiceMessage || e.FileID == "" {
		return nil
	}
	due := s.deps.Transcripts.Due()
	return &due
}

// raiseTranscript has the transcript of a new recording made, unless the answer to
// the recording makes it.
func (s *Service) raiseTranscript(res sessionlog.Appended) {
	e := res.Event
	if e.ToTranscribe == nil || e.Turn != nil && e.Turn.State == chatbox.TurnPending {
		return
	}
	s.deps.Transcripts.Raise(chatbox.RecordingKey{Session: e.Session, Seq: e.Seq})
}
