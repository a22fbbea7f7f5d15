package chaos

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/app"
)

var errPlanted = errors.New("a planned fault")

// history stands between the pods and their store. A lost reply is the one
// outcome that a store may not tell apart from a failure.
type history struct{ p *plan }

func (h history) around(ctx context.Context, op string, do func() error) error {
	f := h.p.meet(op)
	if f == nil {
		return do()
	}
	lost := chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached for a moment", errPlanted)
	switch f.act {
	case refuse:
		return lost
	case loseReply:
		_ = do()
		return lost
	case hold:
		err := do()
		close(f.applied)
		wait(ctx, time.Minute, f.gate)
		return err
	case late:
		wait(ctx, time.Minute, f.gate)
	default:
		wait(ctx, f.span, nil)
	}
	return do()
}

func wait(ctx context.Context, d time.Duration, gate <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-gate:
	case <-t.C:
	}
}

// watch puts it before every operation that a message costs.
func (h history) watch(s app.Stores) app.Stores {
	s.Messages, s.Sessions, s.Turns = messages{s.Messages, h}, sessions{s.Sessions, h}, turns{s.Turns, h}
	return s
}

type messages struct {
	app.MessageStore
	h history
}

func (m messages) Append(ctx context.Context, e chatbox.Event) error {
	return m.h.around(ctx, "append", func() error { return m.MessageStore.Append(ctx, e) })
}

func (m messages) ByKey(ctx context.Context, s chatbox.SessionKey, key string) (e chatbox.Event, err error) {
	err = m.h.around(ctx, "by key", func() (err error) { e, err = m.MessageStore.ByKey(ctx, s, key); return err })
	return e, err
}

func (m messages) Range(ctx context.Context, s chatbox.SessionKey, from, to int64) (es []chatbox.Event, err error) {
	err = m.h.around(ctx, "range", func() (err error) { es, err = m.MessageStore.Range(ctx, s, from, to); return err })
	return es, err
}

type sessions struct {
	app.SessionStore
	h history
}

func (s sessions) Create(ctx context.Context, want chatbox.Session) (got chatbox.Session, created bool, err error) {
	err = s.h.around(ctx, "create", func() (err error) { got, created, err = s.SessionStore.Create(ctx, want); return err })
	return got, created, err
}

func (s sessions) Load(ctx context.Context, k chatbox.SessionKey) (got chatbox.Session, err error) {
	err = s.h.around(ctx, "load", func() (err error) { got, err = s.SessionStore.Load(ctx, k); return err })
	return got, err
}

func (s sessions) SaveState(ctx context.Context, k chatbox.SessionKey, st chatbox.State) error {
	return s.h.around(ctx, "touch", func() error { return s.SessionStore.SaveState(ctx, k, st) })
}

type turns struct {
	app.TurnStore
	h history
}

func (u turns) ClaimTurn(ctx context.Context, s chatbox.SessionKey, seq int64) (e chatbox.Event, err error) {
	err = u.h.around(ctx, "claim turn", func() (err error) { e, err = u.TurnStore.ClaimTurn(ctx, s, seq); return err })
	return e, err
}

func (u turns) SettleTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, to chatbox.TurnState) error {
	return u.h.around(ctx, "settle turn", func() error { return u.TurnStore.SettleTurn(ctx, s, g, to) })
}

func (u turns) RetryTurn(ctx context.Context, s chatbox.SessionKey, g chatbox.Gen, from int64) (won bool, err error) {
	err = u.h.around(ctx, "retry turn", func() (err error) { won, err = u.TurnStore.RetryTurn(ctx, s, g, from); return err })
	return won, err
}
