package answer

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
)

// Causes of a generation's cancelled context.
var (
	errLost     = chatbox.NewError(chatbox.NotOwner, "", errors.New("the lease is lost"))
	errReleased = chatbox.NewError(chatbox.Draining, "", errors.New("released to another pod"))
)

// generation is one claimed turn until its final. It belongs to the goroutine
// that runs reply; other goroutines use only cancel and held.
type generation struct {
	s       *Service
	cancel  context.CancelCauseFunc
	claimed time.Time
	asked   time.Time // the model

	mu    sync.Mutex // guards lease against the renewer
	lease cluster.Lease

	message chatbox.Event
	modelID string
	id      string
	attempt int
	index   int // of the last accepted piece
	text    strings.Builder
	bill    bill
	// outlive returns a context for work that may outlive the answer, but not the
	// service.
	outlive func() (context.Context, context.CancelFunc)
	// withdrawn is set if the provider took back text that was shown.
	withdrawn bool
}

// reply answers a session's pending turns, oldest first, while this pod can
// claim them. It returns the error of a turn that had to be released. A turn
// that could not be claimed is found by a sweep.
func (s *Service) reply(ctx context.Context, k chatbox.SessionKey) error {
	for ctx.Err() == nil && s.mayClaim() {
		c, err := s.deps.Leases.Claim(ctx, k)
		if err != nil || c.Status != cluster.ClaimTaken {
			if c.Status == cluster.ClaimUnseeded {
				s.log.HealLater(k)
			}
			return nil
		}
		if more, err := s.answer(ctx, c); !more || err != nil {
			return err
		}
	}
	return nil
}

// answer gives one answer. more reports whether the session's next turn may be
// claimed.
func (s *Service) answer(ctx context.Context, c cluster.Claim) (more bool, err error) {
	gctx, cancel := context.WithCancelCause(ctx)
	g := &generation{s: s, cancel: cancel, lease: c.Lease, claimed: time.Now(), index: -1}
	g.outlive = func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, s.cfg.FileLimit) }
	s.running.Store(g, struct{}{})
	defer s.running.Delete(g)
	s.answering.Add(1)
	defer s.answering.Add(-1)
	stop := g.renew(gctx)
	err = g.run(gctx, c)
	if cause := context.Cause(gctx); cause != nil && err != nil {
		err = cause
	}
	cancel(nil)
	stop()
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, chatbox.NotOwner):
		s.deps.Observer.Generation("lost")
		return false, nil
	default:
		// The pod is stopping, or Redis or the history is unavailable: another
		// pod, or a later claim, continues from the shown text.
		s.deps.Observer.Generation("released")
		rctx, rcancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer rcancel()
		if rerr := s.deps.Leases.Release(rctx, g.held()); rerr != nil && !errors.Is(rerr, chatbox.NotOwner) {
			s.deps.Logger.DebugContext(ctx, "lease left to expire", "session", c.Lease.Session.ID, "error", rerr)
		}
		s.deps.Logger.InfoContext(ctx, "answer released", "session", c.Lease.Session.ID, "cause", err)
		return false, err
	}
}

// run processes the turn from its claim to its end. After an error the turn
// has not ended.
func (g *generation) run(ctx context.Context, c cluster.Claim) error {
	s, k := g.s, c.Lease.Session
	var m chatbox.Event
	err := g.retryTransient(ctx, func() (err error) { m, err = s.deps.Turns.ClaimTurn(ctx, k, c.Lease.Gen.Seq); return err })
	if errors.Is(err, chatbox.NotFound) {
		return g.drop(ctx, nil)
	}
	if err != nil {
		return err
	}
	g.message, g.id = m, chatbox.AnswerID(k, m.Seq, c.Lease.Gen.Run)
	var done bool
	err = g.retryTransient(ctx, func() (err error) { done, err = g.settled(ctx, c); return err })
	if done || err != nil {
		return err
	}
	if m.Unreadable {
		return g.fail(ctx, chatbox.NewError(chatbox.Unreadable, "The message cannot be read any more, so it is not answered.", nil))
	}
	heard, err := g.awaitTranscript(ctx)
	switch {
	case err == nil:
	case context.Cause(ctx) != nil, chatbox.IsTransient(err):
		return err
	default:
		return g.fail(ctx, err)
	}
	if err := g.disclose(ctx, c.State); err != nil {
		return err
	}
	g.modelID = g.pickModel(c.State)
	prefix, err := g.open(ctx, c)
	if err != nil {
		return err
	}
	budget := s.deps.LLM.Budget(g.modelID)
	if prefix != "" {
		budget -= chatbox.TokensOf(chatbox.PromptMessage{Content: prefix})
	}
	var lines []line
	err = g.retryTransient(ctx, func() (err error) {
		lines, err = s.promptFor(ctx, max(c.State.Head, heard), m, budget)
		return err
	})
	if err != nil {
		return err
	}
	prompt := g.withFiles(ctx, lines, budget)
	if cause := context.Cause(ctx); cause != nil { // while files were read
		return cause
	}
	return g.stream(ctx, chatbox.Prompt{ModelID: g.modelID, Messages: prompt, Prefix: prefix})
}

// awaitTranscript waits for the transcript of a recording and returns its seq, or 0.
func (g *generation) awaitTranscript(ctx context.Context) (seq int64, err error) {
	if g.s.deps.Transcripts == nil || g.message.Type != chatbox.TypeVoiceMessage {
		return 0, nil
	}
	leave, err := g.s.listening.TryEnter(ctx, chatbox.UserKey{Tenant: g.lease.Session.Tenant, ID: g.lease.Owner})
	if err != nil { // messages without a recording must not wait behind a slow provider
		return 0, chatbox.TooManyRecordings(busyFor, err)
	}
	defer leave()
	return g.s.deps.Transcripts.Await(ctx, chatbox.RecordingKey{Session: g.message.Session, Seq: g.message.Seq})
}

// busyFor is when a retry may help a recording that too many others precede.
const busyFor = 15 * time.Second

// retryTransient retries transient errors for as long as an answer may wait.
// If the turn were released instead, it would be claimed again at once, and
// its claims would soon exceed MaxClaims.
func (g *generation) retryTransient(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.s.cfg.LoseAfter, errReleased)
	defer cancel()
	return sessionlog.RetryTransient(ctx, f)
}

// settled reports whether nothing is left to answer, and then ends the turn.
func (g *generation) settled(ctx context.Context, c cluster.Claim) (bool, error) {
	s, t, gen := g.s, g.message.Turn, c.Lease.Gen
	switch {
	case t == nil || t.Run != gen.Run || t.State == chatbox.TurnDone:
		return true, g.drop(ctx, nil)
	case t.State == chatbox.TurnFailed:
		return true, g.drop(ctx, FailureOf(c.Lease.Session, gen, g.message.ID))
	case t.At(gen.Seq) < c.State.AnswerableFrom || c.State.Ended:
		if err := s.deps.Turns.SettleTurn(ctx, g.lease.Session, gen, chatbox.TurnDone); err != nil {
			return false, err
		}
		return true, g.drop(ctx, nil)
	case t.Claims > 1: // an earlier claim may have stored the final
		return g.finished(ctx)
	}
	return false, nil
}

// finished looks for a final that an earlier claim stored but did not publish.
func (g *generation) finished(ctx context.Context) (bool, error) {
	s, k, gen := g.s, g.lease.Session, g.lease.Gen
	_, err := s.deps.Messages.ByKey(ctx, k, chatbox.AnswerKey(gen.Seq, gen.Run))
	if errors.Is(err, chatbox.NotFound) {
		if g.message.Turn.Claims <= s.cfg.MaxClaims {
			return false, nil
		}
		return true, g.fail(ctx, chatbox.ModelFailed)
	}
	if err != nil {
		return false, err
	}
	if err := s.log.Heal(ctx, k); err != nil {
		return false, err
	}
	if err := s.deps.Turns.SettleTurn(ctx, k, gen, chatbox.TurnDone); err != nil {
		return false, err
	}
	if err := g.drop(ctx, nil); err != nil && !errors.Is(err, chatbox.NotOwner) {
		return false, err
	}
	return true, nil
}

func (g *generation) pickModel(st chatbox.State) string {
	for _, id := range []string{g.message.ModelID, st.ModelID} {
		if id != "" && g.s.Offers(id) {
			return id
		}
	}
	return g.s.deps.LLM.Default()
}

// open announces the answer. If clients were shown part of it already, it
// continues that text if the model can, or restarts as the next attempt.
func (g *generation) open(ctx context.Context, c cluster.Claim) (prefix string, err error) {
	g.attempt = g.message.Turn.Claims - 1
	if c.Open {
		tail, err := g.s.log.Peek(ctx, g.lease.Session, sessionlog.AtHead)
		if err != nil {
			return "", err
		}
		if o := tail.Open; o != nil && o.Gen == g.lease.Gen {
			if g.s.deps.LLM.Continues(o.ModelID) && o.Text != "" {
				return o.Text, g.goOn(ctx, o, c.Torn)
			}
			g.attempt = max(g.attempt, o.Attempt+1)
		}
	}
	if err := g.retryTransient(ctx, func() error { return g.count(ctx) }); err != nil {
		return "", err
	}
	return "", g.s.deps.Pieces.Start(ctx, g.lease, cluster.OpenAnswer{
		AnswerID: g.id, Gen: g.lease.Gen, ReplyTo: g.message.ID, ModelID: g.modelID, Attempt: g.attempt, Index: -1,
	})
}

// goOn continues an open answer after the shown text. If Redis may have lost
// the end of that text, the next piece's index could be one that clients have
// seen with other text. So the text is shown again as the next attempt.
func (g *generation) goOn(ctx context.Context, o *cluster.OpenAnswer, torn bool) error {
	g.modelID = o.ModelID
	g.text.WriteString(o.Text)
	if !torn {
		g.attempt, g.index = o.Attempt, o.Index
		return nil
	}
	g.attempt = max(g.attempt, o.Attempt+1)
	if err := g.retryTransient(ctx, func() error { return g.count(ctx) }); err != nil {
		return err
	}
	return g.accept(ctx, cluster.Piece{
		AnswerID: g.id, Gen: g.lease.Gen, ReplyTo: g.message.ID, ModelID: g.modelID,
		Attempt: g.attempt, Index: g.index, Content: o.Text, Snapshot: true,
	}, "")
}
