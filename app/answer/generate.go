package answer

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"
	"unicode/utf8"

	"chatbox"
	"chatbox/app/sessionlog"
	"chatbox/cluster"
	"chatbox/internal/sleep"
)

// settleWait limits how long a finished answer waits until its turn is settled. A
// sweep settles it otherwise.
const settleWait = 3 * time.Second

// stream shows the model's answer piece by piece and ends the turn.
func (g *generation) stream(ctx context.Context, p chatbox.Prompt) error {
	s := g.s
	ask := func(ctx context.Context) iter.Seq2[chatbox.Delta, error] {
		return g.bill.overhear(s.deps.LLM.Stream(ctx, p))
	}
	g.bill.ask(p)
	g.asked = time.Now()
	finish, failed := chatbox.Finish(""), error(nil)
	for d, err := range coalesce(ctx, ask, s.coalescing()) {
		if err != nil {
			failed = err
			break
		}
		if d.ModelID != "" {
			g.modelID = d.ModelID
		}
		if d.Replace {
			if err := g.withdraw(ctx); err != nil {
				return err
			}
		}
		text, full := g.fit(d.Text)
		if text != "" {
			if err := g.show(ctx, text); err != nil {
				return err
			}
		}
		if finish = d.Finish; full {
			finish = chatbox.FinishLength
		}
		if finish != "" {
			break
		}
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	switch {
	case failed != nil:
		s.deps.Logger.WarnContext(ctx, "model failed", "session", g.lease.Session.ID, "model", g.modelID, "error", failed)
		return g.fail(ctx, failed)
	case finish == "": // the stream ended without a finish, which is a failure
		return g.fail(ctx, chatbox.ModelFailed)
	}
	return g.final(ctx, finish, nil)
}

// withdraw removes the shown text at once by an empty snapshot of the next
// attempt. Text of that attempt waits until the turn counts it.
func (g *generation) withdraw(ctx context.Context) error {
	if g.index < 0 {
		return nil // nothing was shown
	}
	g.attempt, g.index, g.withdrawn = g.attempt+1, -1, true
	g.text.Reset()
	if err := g.show(ctx, ""); err != nil {
		return err
	}
	return g.retryTransient(ctx, func() error { return g.count(ctx) })
}

// count raises the turn's claims above the attempt. Only then may text be
// shown as that attempt: if Redis loses the answer, another pod derives its
// attempt from the claims alone, and clients ignore pieces of an attempt that
// they have seen already.
func (g *generation) count(ctx context.Context) error {
	for g.message.Turn.Claims <= g.attempt {
		m, err := g.s.deps.Turns.ClaimTurn(ctx, g.lease.Session, g.lease.Gen.Seq)
		switch {
		case errors.Is(err, chatbox.NotFound):
			return errLost // settled by another pod, or erased
		case err != nil:
			return err
		case m.Turn == nil || m.Turn.Run != g.lease.Gen.Run || m.Turn.State != chatbox.TurnPending:
			return errLost
		}
		g.message.Turn = m.Turn
	}
	return nil
}

// fit cuts text that would exceed the answer's maximal length, between
// characters.
func (g *generation) fit(text string) (fitting string, full bool) {
	room := g.s.cfg.AnswerMax - g.text.Len()
	if len(text) <= room {
		return text, false
	}
	for room > 0 && !utf8.RuneStart(text[room]) {
		room--
	}
	return text[:max(room, 0)], true
}

// show publishes a piece. Text counts as part of the answer once Redis has
// accepted it. While Redis is unavailable the answer waits, and the model's
// output backs up in a bounded buffer. If Redis has lost the answer, the turn
// is claimed again and the whole text is shown.
func (g *generation) show(ctx context.Context, text string) error {
	p := cluster.Piece{
		AnswerID: g.id, Gen: g.lease.Gen, ReplyTo: g.message.ID, ModelID: g.modelID,
		Attempt: g.attempt, Index: g.index + 1, Content: text, Spent: g.bill.soFar(),
	}
	if g.withdrawn && g.index < 0 {
		p.Snapshot = true
		if text == "" {
			p.Index = -1
		}
	}
	if err := g.accept(ctx, p, text); err != nil {
		return err
	}
	if g.index < 0 && !g.withdrawn {
		g.s.deps.Observer.FirstPiece(g.modelID, time.Since(g.claimed), time.Since(g.asked))
	}
	g.index = p.Index
	g.text.WriteString(text)
	return nil
}

func (g *generation) accept(ctx context.Context, p cluster.Piece, text string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, g.s.cfg.LoseAfter, errReleased)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := g.s.deps.Pieces.Append(ctx, g.lease, p)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, chatbox.Clash): // Redis has less text than clients
			p.Snapshot, p.Content = true, g.text.String()+text
			continue
		case errors.Is(err, chatbox.NotFound), errors.Is(err, chatbox.NotOwner):
			if err := g.reclaim(ctx, text); err != nil && !chatbox.IsTransient(err) {
				return err
			}
			p.Snapshot, p.Content = true, g.text.String()+text
		case !chatbox.IsTransient(err):
			return err
		}
		if !sleep.For(ctx, pause) {
			return context.Cause(ctx)
		}
	}
}

// reclaim takes the turn back after the lease expired or Redis was unavailable
// or lost its data, unless another pod has continued the answer: the text in
// Redis must be what this generation showed, perhaps with the piece in
// progress.
func (g *generation) reclaim(ctx context.Context, underway string) error { //nolint:gocognit // one case after the other
	s, k := g.s, g.lease.Session
	// If the session was seeded, the lease is reserved for this generation.
	err := s.deps.Leases.Renew(ctx, g.lease)
	if errors.Is(err, chatbox.NotFound) {
		if _, err = s.log.Seed(ctx, k); errors.Is(err, chatbox.NotFound) {
			return errLost // erased
		}
		if err == nil {
			err = s.deps.Leases.Renew(ctx, g.lease)
		}
	}
	if errors.Is(err, chatbox.NotFound) {
		return chatbox.NewError(chatbox.Unavailable, "", err) // Redis was emptied again
	}
	if !errors.Is(err, chatbox.NotOwner) {
		return err
	}
	c, err := s.deps.Leases.Claim(ctx, k)
	if err != nil {
		return err
	}
	if c.Status == cluster.ClaimUnseeded || c.Status == cluster.ClaimNone {
		if over, err := g.over(ctx); over || err != nil {
			return err
		}
		if err := s.log.EnterTurn(ctx, k, g.lease.Gen, g.place()); err != nil {
			return err
		}
		if c, err = s.deps.Leases.Claim(ctx, k); err != nil {
			return err
		}
	}
	if c.Status != cluster.ClaimTaken {
		return errLost
	}
	mine := c.Lease.Gen == g.lease.Gen
	if mine && c.Open {
		tail, err := s.log.Peek(ctx, k, sessionlog.AtHead)
		if err != nil {
			return err
		}
		// If Redis has less than was shown, it failed over and lost the end.
		// The next piece is then a snapshot.
		mine = tail.Open != nil && g.follows(*tail.Open, underway)
	}
	if !mine {
		if err := s.deps.Leases.Release(ctx, c.Lease); err != nil && !errors.Is(err, chatbox.NotOwner) {
			return err
		}
		return errLost
	}
	g.take(c.Lease)
	return nil
}

// follows reports whether the text in Redis is what this generation showed,
// perhaps with the piece in progress, or text that it has withdrawn since.
func (g *generation) follows(shown cluster.OpenAnswer, underway string) bool {
	return shown.Attempt == g.attempt && strings.HasPrefix(g.text.String()+underway, shown.Text) ||
		g.withdrawn && shown.Attempt < g.attempt
}

// place returns the seq from which the turn counts.
func (g *generation) place() int64 { return g.message.Turn.At(g.message.Seq) }

// over reports whether the history shows that the turn is finished or void:
// there is a final, an end, or a takeover.
func (g *generation) over(ctx context.Context) (bool, error) {
	sess, err := g.s.log.Load(ctx, g.lease.Session)
	if err != nil {
		return false, err
	}
	if sess.State.Ended || sess.State.HolderID != "" || sess.State.AnswerableFrom > g.place() {
		return true, errLost
	}
	_, err = g.s.deps.Messages.ByKey(ctx, g.lease.Session, chatbox.AnswerKey(g.lease.Gen.Seq, g.lease.Gen.Run))
	switch {
	case errors.Is(err, chatbox.NotFound):
		return false, nil
	case err != nil:
		return false, err
	}
	return true, errLost
}

// final stores the answer under the lease; its text is exactly the accepted
// pieces. why is set for chatbox.FinishError.
func (g *generation) final(ctx context.Context, f chatbox.Finish, why *chatbox.Error) error {
	s, k, gen := g.s, g.lease.Session, g.lease.Gen
	w := &chatbox.Answer{
		Gen: gen, ReplyTo: g.message.ID, Attempt: g.attempt, Index: g.index, Finish: f,
		ResponseMillis: g.took().Milliseconds(),
	}
	usage := g.bill.total(g.text.String(), f.Status() == chatbox.StatusComplete)
	w.SetUsage(usage)
	if why != nil {
		w.Code, w.Why, w.RetryAfter = why.Code, why.Message, why.RetryAfter
	}
	res, err := g.appendFinal(ctx, chatbox.Event{
		ID: g.id, Type: chatbox.TypeAnswer, Sender: chatbox.SenderAI, Content: g.text.String(),
		ModelID: g.modelID, Status: f.Status(), Answer: w,
	})
	if err != nil {
		return err
	}
	s.deps.Observer.Generation(string(f))
	if !res.Repeat {
		s.deps.Observer.Spent(g.modelID, usage)
	}
	// The final has returned the lease. To the renewer it is lost.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleWait)
	defer cancel()
	state := chatbox.TurnDone
	if f == chatbox.FinishError {
		state = chatbox.TurnFailed
	}
	if err := s.deps.Turns.SettleTurn(ctx, k, gen, state); err != nil {
		s.deps.Logger.DebugContext(ctx, "turn settled by a sweep", "session", k.ID, "error", err)
	}
	if !res.Published {
		if err := g.drop(ctx, nil); err != nil && !errors.Is(err, chatbox.NotOwner) {
			return err
		}
	}
	return nil
}

// took returns how long the message waited for the answer. It is at least the
// time since the claim, as the clock that dated the message may be ahead.
func (g *generation) took() time.Duration {
	return max(g.s.log.Now().Sub(g.message.Time), time.Since(g.claimed))
}

// appendFinal appends under the lease. If Redis has lost the lease, it is
// claimed again and the text is shown again, so that the final continues it.
func (g *generation) appendFinal(ctx context.Context, e chatbox.Event) (sessionlog.Appended, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, g.s.cfg.LoseAfter, errReleased)
	defer cancel()
	for {
		lease := g.lease
		res, err := g.s.log.Append(ctx, sessionlog.Draft{
			Session: lease.Session, Key: chatbox.AnswerKey(lease.Gen.Seq, lease.Gen.Run), Lease: &lease,
			Decide: func(b sessionlog.Basis) (chatbox.Event, error) {
				if b.State.Ended || b.State.HolderID != "" {
					return e, errLost
				}
				e := e
				e.Time = g.s.log.Now()
				return e, nil
			},
		})
		if !errors.Is(err, chatbox.NotFound) && !errors.Is(err, chatbox.NotOwner) {
			return res, err
		}
		if err := g.again(ctx); err != nil {
			return sessionlog.Appended{}, err
		}
	}
}

// again reclaims the turn and shows the whole text under the new lease.
func (g *generation) again(ctx context.Context) error {
	if err := sessionlog.RetryTransient(ctx, func() error { return g.reclaim(ctx, "") }); err != nil {
		return err
	}
	return g.accept(ctx, cluster.Piece{
		AnswerID: g.id, Gen: g.lease.Gen, ReplyTo: g.message.ID, ModelID: g.modelID,
		Attempt: g.attempt, Index: g.index, Content: g.text.String(), Snapshot: true, Spent: g.bill.soFar(),
	}, "")
}

// take replaces the lease. Only the generation's own goroutine calls it.
func (g *generation) take(l cluster.Lease) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lease = l
}

func (g *generation) held() cluster.Lease {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lease
}

// renew extends the lease until stop is called or the lease is lost. A lost
// lease cancels the generation and its request to the provider. After an
// outage of Redis the next piece decides, which may reclaim the turn. stop
// waits for the renewer's goroutine.
func (g *generation) renew(ctx context.Context) (stop func()) {
	ctx, end := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		away := false
		for sleep.For(ctx, g.s.cfg.RenewEvery) {
			lease := g.held()
			switch err := g.s.deps.Leases.Renew(ctx, lease); {
			case err == nil:
				away = false
			case errors.Is(err, chatbox.NotOwner) && !away && g.held() == lease:
				g.cancel(errLost)
				return
			default:
				away = true
			}
		}
	}()
	return func() { end(); <-ended }
}
