package files

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// page is how many records or blobs are looked at together.
const page = 500

// Usable returns the files, in order, if the caller may put all of them into the
// session: as the uploader, or as the owner of a session that uses the file.
// chatbox.NotFound names the field for any other id. chatbox.Full: too many
// sessions use a file. Usable changes nothing, and the session need not exist.
func (s *Service) Usable(ctx context.Context, a chatbox.Actor, session chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error) {
	files := make([]chatbox.File, len(ids))
	for i, id := range ids {
		f, err := s.mine(ctx, a, id)
		if err == nil && len(f.Sessions) >= chatbox.MaxFileSessions && !f.UsedIn(session.ID) {
			err = chatbox.NewError(chatbox.Full, "", nil)
		}
		if err != nil {
			return nil, inField(field, err)
		}
		files[i] = f
	}
	return files, nil
}

// Use records that the session uses the files, which must be Usable, and returns
// them in order. The caller calls Use before the event that shows the files is
// stored, and Release when the session is erased. A repeat changes nothing.
func (s *Service) Use(ctx context.Context, a chatbox.Actor, session chatbox.SessionKey, field string, ids []string) ([]chatbox.File, error) {
	files, err := s.Usable(ctx, a, session, field, ids)
	for i, f := range files {
		if files[i], err = s.deps.Records.Use(ctx, f.Key, session.ID, s.now()); err != nil {
			return nil, inField(field, err)
		}
	}
	return files, err
}

// inField names the field of a file that the caller may not use.
func inField(field string, err error) error {
	switch {
	case errors.Is(err, chatbox.NotFound):
		return &chatbox.Error{Code: chatbox.NotFound, Field: field, Message: field + ": no such file", Err: err}
	case errors.Is(err, chatbox.Full):
		message := fmt.Sprintf("%s: the file is used by %d sessions already", field, chatbox.MaxFileSessions)
		return &chatbox.Error{Code: chatbox.Full, Field: field, Message: message, Err: err}
	default:
		return err
	}
}

// mine returns a file that the caller may put into a session.
func (s *Service) mine(ctx context.Context, a chatbox.Actor, id string) (chatbox.File, error) {
	f, err := s.live(ctx, a.File(id))
	if err != nil || f.Owner == a.UserID {
		return f, err
	}
	for _, sessionID := range f.Sessions {
		sess, err := s.deps.Sessions.Load(ctx, a.Session(sessionID))
		if err != nil && !errors.Is(err, chatbox.NotFound) {
			return f, err
		}
		if err == nil && sess.Owner == a.UserID && !sess.Erased && !sess.State.Erased {
			return f, nil
		}
	}
	return f, chatbox.NoSuchFile()
}

// Discard removes a file that the caller has uploaded and that no session has ever
// used. chatbox.Conflict: a session uses it. chatbox.NotFound: it is unknown,
// another user's or gone.
func (s *Service) Discard(ctx context.Context, a chatbox.Actor, id string) error {
	f, err := s.live(ctx, a.File(id))
	if errors.Is(err, chatbox.Unreadable) {
		err = nil // its name is lost, but not who uploaded it
	}
	switch {
	case err != nil:
		return err
	case f.Owner == "" || f.Owner != a.UserID:
		return chatbox.NoSuchFile()
	}
	gone, err := s.deps.Records.Abandon(ctx, f.Key)
	if err != nil {
		return err
	}
	if gone {
		s.removeNow(ctx, f)
		return nil
	}
	_, err = s.live(ctx, f.Key) // a session uses it, or it has just gone
	if err == nil || errors.Is(err, chatbox.Unreadable) {
		err = chatbox.NewError(chatbox.Conflict, "a session uses this file; it goes with its last session", nil)
	}
	return err
}

// Release ends the use of all files by a session that is erased. From its return
// on, files that no other session uses are served to nobody. It may be repeated.
func (s *Service) Release(ctx context.Context, session chatbox.SessionKey) error {
	for {
		files, err := s.deps.Records.OfSession(ctx, session, page)
		if err != nil {
			return err
		}
		for _, f := range files {
			gone, err := s.deps.Records.Release(ctx, f.Key, session.ID)
			if err != nil {
				return err
			}
			if gone {
				s.removeNow(ctx, f)
			}
		}
		if len(files) < page {
			return nil
		}
	}
}

// ForgetPerson ends the person's files that were uploaded by the given time and
// that no session uses, and removes the person's name from the others. The caller
// has erased the person's sessions. It may be repeated.
func (s *Service) ForgetPerson(ctx context.Context, u chatbox.UserKey, by time.Time) error {
	for {
		files, err := s.deps.Records.OfUser(ctx, u, by, page)
		if err != nil {
			return err
		}
		for _, f := range files {
			gone, err := s.deps.Records.Abandon(ctx, f.Key)
			if err != nil {
				return err
			}
			if gone {
				s.removeNow(ctx, f)
				continue
			}
			if err := s.deps.Records.Disown(ctx, f.Key); err != nil {
				return err
			}
		}
		if len(files) < page {
			return nil
		}
	}
}

// removeNow removes a file that is gone. The sweep removes the rest.
func (s *Service) removeNow(ctx context.Context, f chatbox.File) {
	if err := s.remove(ctx, f); err != nil {
		s.deps.Logger.DebugContext(ctx, "a file that is gone is left to the sweep", "error", err)
	}
}

// remove deletes the blobs of a file that is gone, and then its record.
func (s *Service) remove(ctx context.Context, f chatbox.File) error {
	if s.deps.Blobs == nil {
		return nil // the sweep of a pod that has the store removes both
	}
	if err := s.deps.Blobs.Delete(ctx, f.Blob); err != nil {
		return err
	}
	return s.deps.Records.Remove(ctx, f.Key)
}

// strayEvery is how many sweeps pass between two looks at all blobs.
const strayEvery = 30

// Run sweeps until ctx ends. Every pod may sweep at the same time, because each
// step is idempotent. Without a file store it returns at once.
func (s *Service) Run(ctx context.Context) {
	if s.deps.Blobs == nil {
		return
	}
	s.tell(ctx, "the file store cannot be used", s.own(ctx))
	n := 0
	sleep.Every(ctx, s.cfg.SweepEvery, func(ctx context.Context) {
		s.tell(ctx, "files that are gone are not removed yet", s.sweepGone(ctx))
		s.tell(ctx, "unused files are not removed yet", s.sweepUnused(ctx))
		if n++; n%strayEvery == 1 {
			s.tell(ctx, "blobs without a record are not removed yet", s.sweepStray(ctx))
		}
	})
}

func (s *Service) tell(ctx context.Context, message string, err error) {
	if err != nil && ctx.Err() == nil {
		s.deps.Logger.WarnContext(ctx, message, "error", err) //nolint:sloglint // one of four constants
	}
}

// sweepGone removes files whose removal was interrupted.
func (s *Service) sweepGone(ctx context.Context) error {
	files, err := s.deps.Records.Gone(ctx, page)
	for _, f := range files {
		err = errors.Join(err, s.remove(ctx, f))
	}
	return err
}

// sweepUnused ends files that no session has used in time.
func (s *Service) sweepUnused(ctx context.Context) error {
	files, err := s.deps.Records.Unused(ctx, s.now().Add(-s.cfg.UnusedFor), page)
	for _, f := range files {
		gone, aerr := s.deps.Records.Abandon(ctx, f.Key)
		if aerr == nil && gone {
			aerr = s.remove(ctx, f)
		}
		err = errors.Join(err, aerr)
	}
	return err
}

// sweepStray removes blobs without a record: their pod died before it wrote the
// record, or refused the file and could not remove it.
func (s *Service) sweepStray(ctx context.Context) error {
	if err := s.own(ctx); err != nil {
		return err
	}
	old := s.now().Add(-s.cfg.StrayFor)
	var names []string
	flush := func() error {
		err := s.removeStrays(ctx, names)
		names = names[:0]
		return err
	}
	err := s.deps.Blobs.Each(ctx, "", func(name string, written time.Time) error {
		if written.After(old) || !ourBlob(name) {
			return nil
		}
		if names = append(names, name); len(names) < page {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

func (s *Service) removeStrays(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	bases := make([]string, len(names))
	for i, name := range names {
		bases[i], _, _ = strings.Cut(name, ".") // smaller pictures belong to their file
	}
	known, err := s.deps.Records.WithBlobs(ctx, bases)
	if err != nil {
		return err
	}
	has := make(map[string]bool, len(known))
	for _, name := range known {
		has[name] = true
	}
	for i, name := range names {
		if has[bases[i]] && !incomplete(name) {
			continue
		}
		if derr := s.deps.Blobs.Delete(ctx, name); derr != nil {
			err = errors.Join(err, derr)
		}
	}
	return err
}
