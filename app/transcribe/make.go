package transcribe

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/detach"
)

// make claims the work, makes the transcript, appends it and returns its seq. Before
// the claim it waits for a place, at most for the time wait. The seq is 0 if no
// transcript can be appended any more. errBusy: there was no place. chatbox.NotOwner
// and chatbox.NotFound: the work could not be claimed, or the claim was lost.
func (s *Service) make(ctx context.Context, m chatbox.Event, again bool, wait time.Duration) (seq int64, err error) {
	leave, err := s.enter(ctx, chatbox.UserKey{Tenant: m.Session.Tenant, ID: m.Owner}, wait)
	if err != nil {
		return 0, err
	}
	k, token, now := keyOf(m), s.newToken(), s.deps.Log.Now()
	tries, err := s.deps.Store.ClaimTranscript(ctx, k, token, now, now.Add(s.cfg.Lease), again)
	if err != nil {
		leave()
		return 0, err
	}
	work, stop := s.keep(ctx, k, token)
	seq, err = s.transcribe(work, m, tries, leave)
	if cause := context.Cause(work); cause != nil && err != nil {
		err = cause
	}
	stop()
	state, outcome := outcomeOf(ctx, err)
	s.deps.Observer.Transcribed(outcome)
	switch {
	case s.cut.Load(), outcome == OutcomeLost:
		return seq, err
	case outcome == OutcomeFailed:
		s.deps.Logger.WarnContext(ctx, "transcript failed", "session", k.Session.ID, "error", err)
	case outcome == OutcomeVoid:
		err = nil
	}
	s.settle(ctx, k, token, state)
	return seq, err
}

// outcomeOf says how the work ended: by its error, or because ctx did.
func outcomeOf(ctx context.Context, err error) (chatbox.TranscriptState, string) {
	switch {
	case err == nil:
		return chatbox.TranscriptDone, OutcomeDone
	case ctx.Err() != nil, chatbox.IsTransient(err):
		return chatbox.TranscriptPending, OutcomeReleased
	case errors.Is(err, chatbox.NotOwner):
		return chatbox.TranscriptPending, OutcomeLost
	case errors.Is(err, chatbox.Ended), errors.Is(err, chatbox.NotFound):
		return chatbox.TranscriptDone, OutcomeVoid
	default:
		return chatbox.TranscriptFailed, OutcomeFailed
	}
}

func keyOf(m chatbox.Event) chatbox.RecordingKey {
	return chatbox.RecordingKey{Session: m.Session, Seq: m.Seq}
}

// errBusy is the cause of an error if all places are taken: the pod's, or those of
// one owner.
var errBusy = errors.New("too many recordings are transcribed at once")

// enter waits for a place. The work is not claimed meanwhile, so that a pod with a
// free place can make the transcript.
func (s *Service) enter(ctx context.Context, owner chatbox.UserKey, wait time.Duration) (leave func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	leave, err = s.lanes.Enter(waiting, owner)
	switch {
	case err == nil:
		return leave, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	default:
		return nil, chatbox.TooManyRecordings(s.cfg.Wait/4, errBusy)
	}
}

// transcribe makes the transcript and appends it. chatbox.NotFound: the recording
// is gone. chatbox.Ended: the session takes no events any more. It returns when ctx
// ends, even if a store or the provider hangs. It calls leave when the last call to
// them has returned, which may be later.
func (s *Service) transcribe(ctx context.Context, m chatbox.Event, tries int, leave func()) (seq int64, err error) {
	type found struct {
		seq int64
		chatbox.Transcript
	}
	work, stop := context.WithTimeoutCause(ctx, s.cfg.Longest, chatbox.NewError(chatbox.ModelTimeout, notTranscribed, nil))
	defer stop()
	t, err := detach.Do(work, func() (f found, err error) {
		defer leave()
		if tries > 1 { // an earlier claim may have stored the transcript
			if f.seq, err = s.present(work, keyOf(m)); f.seq > 0 || err != nil {
				return f, err
			}
		}
		f.Transcript, err = s.text(work, m, tries)
		return f, err
	})
	if t.seq > 0 || err != nil {
		return t.seq, err
	}
	return s.append(ctx, m, transcriptOf(m, t.Transcript))
}

const notTranscribed = "The recording could not be transcribed. Please try again."

// text returns the text of a recording, from its file or from the provider. A
// recording that is sent several times has its text made for the first of them, and
// the others read it.
func (s *Service) text(ctx context.Context, m chatbox.Event, tries int) (chatbox.Transcript, error) {
	switch {
	case m.Unreadable || m.FileID == "":
		return chatbox.Transcript{}, chatbox.NewError(chatbox.Unreadable, "The recording cannot be read any more, so it is not transcribed.", nil)
	case tries > s.cfg.MaxTries:
		return chatbox.Transcript{}, chatbox.NewError(chatbox.ModelFailed, notTranscribed, errors.New("claimed too often"))
	}
	leave, err := s.files.Enter(ctx, chatbox.FileKey{Tenant: m.Session.Tenant, ID: m.FileID})
	if err != nil {
		return chatbox.Transcript{}, err
	}
	defer leave()
	return s.deps.Recordings.Transcript(ctx, m.Session, m.FileID, s.deps.Transcriber.Transcribe)
}

// append stores the transcript, or finds the one that is stored already.
func (s *Service) append(ctx context.Context, m, e chatbox.Event) (seq int64, err error) {
	done, err := s.deps.Log.Append(ctx, sessionlog.Draft{
		Session: m.Session, Key: chatbox.TranscriptKey(m.Seq),
		Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
			if b.State.Ended {
				return e, chatbox.SessionEnded()
			}
			e := e
			e.Time = s.deps.Log.Now()
			return e, nil
		},
	})
	return done.Event.Seq, err
}

// maxTranscript is the maximum length of a transcript in bytes, which is about
// three hours of speech.
const maxTranscript = 128 << 10

// transcriptOf returns the event of a recording's transcript, without a time.
func transcriptOf(m chatbox.Event, t chatbox.Transcript) chatbox.Event {
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(t.Text, "\uFFFD")))
	e := chatbox.Event{
		ID: sessionlog.NewID(), Type: chatbox.TypeTranscript, Sender: chatbox.SenderSystem, Status: chatbox.StatusComplete,
		Metadata: map[string]string{chatbox.MetaOf: m.ID, chatbox.MetaOfSeq: strconv.FormatInt(m.Seq, 10)},
	}
	if len(text) > maxTranscript {
		cut := maxTranscript
		for !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
		e.Metadata[chatbox.MetaTruncated] = "true"
	}
	e.Content = text
	if len(m.Files) > 0 && m.Files[0].Duration > 0 {
		e.Metadata[chatbox.MetaDurationMS] = strconv.FormatInt(int64(m.Files[0].Duration/time.Millisecond), 10)
	}
	if regexp.MustCompile(`^[A-Za-z]{2,20}(-[A-Za-z0-9]{1,8})*$`).MatchString(t.Language) {
		e.Metadata[chatbox.MetaLanguage] = t.Language
	}
	return e
}

// report notifies the session's sockets that a recording to a person has no
// transcript. retry tries again. The answer to any other recording reports that.
func (s *Service) report(ctx context.Context, k chatbox.RecordingKey, failed error) {
	ctx, cancel := s.deps.Log.Bound(ctx)
	defer cancel()
	m, err := s.deps.Log.Message(ctx, k.Session, k.Seq)
	if err != nil || m.Turn == nil || m.Turn.State != chatbox.TurnHeld {
		return
	}
	f := cluster.NewFailure(k.Session, chatbox.Gen{Seq: m.Seq, Run: m.Turn.Run}, m.ID, failed, notTranscribed)
	f.Again = true
	if err := s.deps.Ephemerals.PublishEphemeral(ctx, cluster.Update{Session: k.Session, Owner: m.Owner, Failure: f}); err != nil {
		s.deps.Logger.DebugContext(ctx, "failed transcript not reported", "session", k.Session.ID, "error", err)
	}
}
