package conversation

import (
	"context"
	"strings"

	"chatbox"
	"chatbox/app/sessionlog"
)

// usable returns the files of a command that the caller may send.
func (s *Service) usable(ctx context.Context, a chatbox.Actor, cmd chatbox.Command) (files []chatbox.File, err error) {
	ids, field := cmd.Files()
	if s.deps.Files == nil {
		switch {
		case cmd.Type == chatbox.TypeFileUpload || cmd.Type == chatbox.TypeVoiceMessage:
			return nil, noFileStore("type")
		case len(ids) > 0:
			return nil, noFileStore(field)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	k := a.Session(cmd.SessionID)
	err = sessionlog.RetryTransient(ctx, func() (err error) { files, err = s.deps.Files.Usable(ctx, a, k, field, ids); return err })
	if err == nil && cmd.Type == chatbox.TypeVoiceMessage && !audible(files[0].ContentType) {
		err = noRecording(field)
	}
	return files, err
}

func noRecording(field string) error {
	return &chatbox.Error{Code: chatbox.FileType, Field: field, Message: field + ": is not a recording"}
}

func noFileStore(field string) error {
	return chatbox.Invalid(field, "is not supported without a file store")
}

// audible reports whether a file of the type may be a recording. Browsers record
// sound into containers of video.
func audible(contentType string) bool {
	return strings.HasPrefix(contentType, "audio/") || strings.HasPrefix(contentType, "video/")
}

// attach sets the event's files. Those of a repeat may be gone, so that only their
// ids are known.
func attach(e *chatbox.Event, cmd chatbox.Command, files []chatbox.File) {
	ids, _ := cmd.Files()
	e.Files = nil
	for i, id := range ids {
		f := chatbox.AttachedFile{ID: id}
		if files != nil {
			f = files[i].Attached()
		}
		e.Files = append(e.Files, f)
	}
}

// useFiles returns the preparation of an event that shows files: it records their
// use, so a file that an event shows is kept for as long as the session. If the
// event is not stored then, the use stays until the session is erased.
func (s *Service) useFiles(a chatbox.Actor, k chatbox.SessionKey, cmd chatbox.Command) func(ctx context.Context, e *chatbox.Event) error {
	ids, field := cmd.Files()
	if len(ids) == 0 {
		return nil
	}
	return func(ctx context.Context, e *chatbox.Event) error {
		if s.deps.Files == nil { // only a repeat gets this far
			return noFileStore(field)
		}
		files, err := s.deps.Files.Use(ctx, a, k, field, ids)
		if err != nil {
			return err
		}
		attach(e, cmd, files)
		return nil
	}
}

// nameOf returns the first name of a session that begins with the event.
func nameOf(e chatbox.Event) string {
	switch {
	case e.Content != "" && (e.Type == chatbox.TypeUserMessage || e.Type == chatbox.TypeFileUpload):
		return chatbox.NameFrom(e.Content)
	case e.Type == chatbox.TypeFileUpload && len(e.Files) > 0:
		return chatbox.NameFrom(e.Files[0].Name)
	default:
		return ""
	}
}
