package history

import (
	"context"
	"errors"
	"sync"

	"chatbox"
	"chatbox/helpdesk"
)

const (
	previewDepth   = 20 // newest events in which a message is looked for
	previewLag     = 64 // events that a session's record may lack
	previewReaders = 8  // concurrent reads for one request
)

// Previews returns the last messages of the sessions that belong to the
// caller's tenant and have any, in the requested order. It writes one audit
// entry for all of the sessions.
func (s *Service) Previews(ctx context.Context, a chatbox.Actor, ids []string) ([]helpdesk.Preview, error) {
	if !a.Staff() {
		return nil, chatbox.StaffOnly()
	}
	if err := s.deps.Audit.Record(ctx, a, chatbox.AuditSessionPreview, chatbox.AuditSubject{}); err != nil {
		return nil, err
	}
	found, failed := make([]helpdesk.Preview, len(ids)), make([]error, len(ids))
	err := s.deps.Turns.ReadInTurn(ctx, a, func(ctx context.Context) error {
		s.readPreviews(ctx, a, ids, found, failed)
		return nil
	})
	if err != nil {
		return nil, err
	}
	previews := found[:0]
	for i, p := range found {
		switch err := failed[i]; {
		case err == nil:
		case chatbox.IsTransient(err) || ctx.Err() != nil:
			return nil, err
		default: // of one record, which must not keep the others from being shown
			s.deps.Logger.WarnContext(ctx, "last words not read", "session", ids[i], "error", err)
			continue
		}
		if p.Seq > 0 {
			previews = append(previews, p)
		}
	}
	return previews, nil
}

// readPreviews writes each session's preview or error at the index of its id.
func (s *Service) readPreviews(ctx context.Context, a chatbox.Actor, ids []string, found []helpdesk.Preview, failed []error) {
	var readers sync.WaitGroup
	slots := make(chan struct{}, previewReaders)
	for i, id := range ids {
		slots <- struct{}{}
		readers.Go(func() { // ends with its reads; Wait below waits
			defer func() { <-slots }()
			found[i], failed[i] = s.preview(ctx, a.Session(id))
		})
	}
	readers.Wait()
}

// preview returns the zero Preview if there is nothing to show.
func (s *Service) preview(ctx context.Context, k chatbox.SessionKey) (helpdesk.Preview, error) {
	sess, err := s.deps.Sessions.Load(ctx, k)
	if errors.Is(err, chatbox.NotFound) || err == nil && sess.WasErased() {
		return helpdesk.Preview{}, nil
	}
	if err != nil {
		return helpdesk.Preview{}, err
	}
	events, err := s.deps.Messages.Range(ctx, k, max(1, sess.State.Head-previewDepth+1), sess.State.Head+previewLag)
	if err != nil {
		return helpdesk.Preview{}, err
	}
	p, _ := helpdesk.PreviewOf(k.ID, events)
	return p, nil
}
