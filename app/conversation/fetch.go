package conversation

import (
	"context"
	"errors"

	"chatbox"
	"chatbox/app/sessionlog"
)

// fetched returns the command with the id of an uploaded file instead of the
// address of a file elsewhere, which it fetches. If files elsewhere are only shown,
// and for a repeat of a message, the command stays as it is. The session's other
// events do not wait meanwhile.
func (s *Service) fetched(
	ctx context.Context, a chatbox.Actor, k chatbox.SessionKey, cmd chatbox.Command, files []chatbox.File,
) (chatbox.Command, []chatbox.File, error) {
	if s.deps.Fetches == nil || cmd.FileURL == "" {
		return cmd, files, nil
	}
	message := cmd.ID
	if message == "" {
		message = sessionlog.NewID() // nothing repeats it
	} else {
		key := chatbox.ClientKey(a.UserID, cmd.ID)
		err := sessionlog.RetryTransient(ctx, func() error { _, err := s.deps.Messages.ByKey(ctx, k, key); return err })
		if !errors.Is(err, chatbox.NotFound) {
			return cmd, files, err
		}
	}
	fit := func(contentType string) error {
		if cmd.Type == chatbox.TypeVoiceMessage && !audible(contentType) {
			return noRecording("file_url")
		}
		return nil
	}
	f, err := s.deps.Fetches.Fetch(ctx, a, chatbox.FetchedFileID(a.User(), k.ID, message, cmd.FileURL), cmd.FileURL, fit)
	if err != nil {
		return cmd, nil, err
	}
	cmd.FileID, cmd.FileURL = f.Key.ID, ""
	return cmd, []chatbox.File{f}, nil
}

// sameRequest reports whether an event makes the same request as the first event
// with its key. The first one may have a file where the repeat has the address that
// the file was fetched from.
func sameRequest(first, again chatbox.Event) bool {
	if again.FileURL != "" && first.FileID != "" {
		user := chatbox.UserKey{Tenant: first.Session.Tenant, ID: again.UserID}
		if first.FileID == chatbox.FetchedFileID(user, first.Session.ID, again.ID, again.FileURL) {
			again.FileID, again.FileURL, again.Files = first.FileID, "", first.Files
		}
	}
	return first.SameRequest(again)
}
