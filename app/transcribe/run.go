package transcribe

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/internal/sleep"
)

// A sweep reads sweepPage due recordings, and up to sweepMost if it has queued the
// first ones before.
const (
	sweepPage = 100
	sweepMost = 25_600
)

// Run makes the transcripts that no answer waits for until ctx ends: those of
// recordings to a person, and those that a dead pod has left. It returns when the
// work has stopped. Its claims are then given back, so that other pods continue.
func (s *Service) Run(ctx context.Context) {
	s.due.Open(ctx, s.makeQueued)
	sleep.Every(ctx, s.cfg.SweepEvery, s.sweep)
	s.due.Close()
	s.due.Wait()
}

// sweep queues due work. Work that waits for a place stays due, and one owner may have
// much of it. So a sweep reads on until it finds work that is not queued yet.
func (s *Service) sweep(ctx context.Context) {
	for limit := sweepPage; limit <= sweepMost; limit *= 4 {
		due, err := s.dueWork(ctx, limit)
		if err != nil {
			s.deps.Logger.DebugContext(ctx, "due transcripts not read", "error", err)
			return
		}
		found := len(due) < limit
		for _, k := range due {
			found = found || !s.due.Has(k)
			s.due.Add(k)
		}
		if found {
			return
		}
	}
}

func (s *Service) dueWork(ctx context.Context, limit int) ([]chatbox.RecordingKey, error) {
	ctx, cancel := s.deps.Log.Bound(ctx)
	defer cancel()
	return s.deps.Store.DueTranscripts(ctx, s.deps.Log.Now(), limit)
}

// makeQueued makes a transcript that no answer waits for. It returns only an error
// after which the queue tries again.
func (s *Service) makeQueued(ctx context.Context, k chatbox.RecordingKey) error {
	m, err := s.deps.Log.Message(ctx, k.Session, k.Seq)
	if err == nil {
		_, err = s.make(ctx, m, false, 0) // a worker that waits for a place would delay the recordings of other owners
	}
	switch {
	case err == nil || claimed(err):
		return nil
	case chatbox.IsTransient(err) || errors.Is(err, errBusy) || ctx.Err() != nil:
		return err
	default:
		s.report(ctx, k, err)
		return nil
	}
}

// claimed reports whether another pod makes the transcript, or nobody has to.
func claimed(err error) bool {
	return errors.Is(err, chatbox.NotOwner) || errors.Is(err, chatbox.NotFound)
}

// Await returns when the transcript of a recording is in the session's log, with its
// seq, or when the recording needs none, with 0. It makes the transcript unless
// another pod is doing so. Work that failed before is tried again. The error of a
// transcript that cannot be made is the provider's. If ctx ends first, the
// transcript is made without the caller.
func (s *Service) Await(ctx context.Context, k chatbox.RecordingKey) (seq int64, err error) {
	m, err := s.recording(ctx, k)
	if errors.Is(err, chatbox.NotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for began := time.Now(); ; {
		if seq, err = s.present(ctx, k); seq > 0 || err != nil {
			return seq, err
		}
		seq, err = s.make(ctx, m, true, placeWait)
		switch {
		case errors.Is(err, chatbox.NotFound): // none is needed, or another pod has just made it
			return s.present(ctx, k)
		case ctx.Err() != nil && err != nil:
			s.due.Add(k)
			return 0, context.Cause(ctx)
		case errors.Is(err, chatbox.NotOwner): // another pod makes it
			began = time.Now()
		case errors.Is(err, errBusy) && time.Since(began) < s.cfg.Wait:
			continue
		case !chatbox.IsTransient(err) || time.Since(began) > s.cfg.LoseAfter:
			return seq, err
		}
		if !sleep.For(ctx, s.cfg.LookEvery) {
			return 0, context.Cause(ctx)
		}
	}
}

// placeWait is how long an answer waits for a place until it looks whether another
// pod has made the transcript.
const placeWait = 2 * time.Second

// recording reads a message with a recording.
func (s *Service) recording(ctx context.Context, k chatbox.RecordingKey) (m chatbox.Event, err error) {
	err = s.read(ctx, func(ctx context.Context) (err error) {
		m, err = s.deps.Log.Message(ctx, k.Session, k.Seq)
		return err
	})
	return m, err
}

// read retries transient errors of the history for as long as an answer waits.
func (s *Service) read(ctx context.Context, once func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.LoseAfter)
	defer cancel()
	return sessionlog.RetryTransient(ctx, func() error { return once(ctx) })
}

// present returns the seq of the transcript, or 0 if the log has none.
func (s *Service) present(ctx context.Context, k chatbox.RecordingKey) (seq int64, err error) {
	err = s.read(ctx, func(ctx context.Context) error {
		e, err := s.deps.Messages.ByKey(ctx, k.Session, chatbox.TranscriptKey(k.Seq))
		seq = e.Seq
		return err
	})
	if errors.Is(err, chatbox.NotFound) {
		return 0, nil
	}
	return seq, err
}

// Again makes a failed transcript once more and does not wait for it. It returns
// chatbox.NotFound if the recording has no failed transcript.
func (s *Service) Again(ctx context.Context, k chatbox.RecordingKey) error {
	err := sessionlog.RetryTransient(ctx, func() error { return s.deps.Store.ReviveTranscript(ctx, k) })
	if errors.Is(err, chatbox.NotFound) {
		return chatbox.NewError(chatbox.NotFound, "there is no failed transcript to try again", nil)
	}
	s.due.Add(k)
	return err
}

func (s *Service) newToken() string {
	return string(s.deps.Pod) + "." + strings.ToLower(rand.Text())
}

// keep renews the claim until stop is called. A claim that is lost cancels the
// returned context. An outage of the history does not cancel it: if another pod
// claims the work meanwhile, the history accepts the first transcript only.
func (s *Service) keep(ctx context.Context, k chatbox.RecordingKey, token string) (work context.Context, stop func()) {
	work, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for sleep.For(work, s.cfg.Lease/3) {
			err := s.deps.Store.RenewTranscript(work, k, token, s.deps.Log.Now().Add(s.cfg.Lease))
			if errors.Is(err, chatbox.NotOwner) {
				cancel(err)
				return
			}
		}
	}()
	return work, func() { cancel(nil); <-ended }
}

// settleWait limits how long finished work waits until its state is stored. A later
// claim finds the transcript otherwise.
const settleWait = 3 * time.Second

func (s *Service) settle(ctx context.Context, k chatbox.RecordingKey, token string, to chatbox.TranscriptState) {
	due := s.deps.Log.Now()
	if to == chatbox.TranscriptFailed {
		due = due.Add(s.cfg.Pause)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	err := sessionlog.RetryTransient(ctx, func() error {
		return s.deps.Store.SettleTranscript(ctx, k, token, to, due)
	})
	if err != nil {
		s.deps.Logger.DebugContext(ctx, "state of a transcript not stored", "session", k.Session.ID, "error", err)
	}
}
