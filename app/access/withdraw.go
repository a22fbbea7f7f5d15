package access

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// recordPatience is how long a withdrawal waits for its audit record. It is short
// because sockets must be closed within a second.
const recordPatience = 300 * time.Millisecond

// reloadAgain is the delay before a failed read of the archive is retried.
const reloadAgain = 5 * time.Second

const (
	archivePage = 1000 // withdrawals read at once
	// readAgain is how far back a read of new withdrawals begins: clocks differ,
	// and a withdrawal may be stored late.
	readAgain = 10 * time.Minute
)

// Disconnect closes every socket of a user of the admin's tenant on every pod,
// and withdraws all credentials issued so far. It returns when newly issued
// credentials are valid, up to a second later, because issue times are whole
// seconds. After an error a part of it may be done; another call completes it.
func (g *Gate) Disconnect(ctx context.Context, admin chatbox.Actor, userID string) (chatbox.Withdrawal, error) {
	if !chatbox.ValidUserID(userID) {
		return chatbox.Withdrawal{}, chatbox.Invalid("id", "cannot be a user's")
	}
	// Unlike other acts of staff, it is carried out even if it cannot be
	// recorded, because a user must be shut out at once. A history that does not
	// answer would delay it. Repeating the call records it.
	var recorded error
	onRecord := make(chan struct{}) // closed when recorded is set
	go func() {
		defer close(onRecord)
		recorded = g.Audit.Record(ctx, admin, chatbox.AuditUserDisconnect, chatbox.AuditSubject{UserID: userID})
	}()
	first := time.NewTimer(recordPatience)
	defer first.Stop()
	select {
	case <-onRecord:
	case <-first.C:
	}
	now := g.time(ctx)
	before := now.Truncate(time.Second).Add(time.Second)
	w := chatbox.Withdrawal{
		User: chatbox.UserKey{Tenant: admin.Tenant, ID: userID}, Before: before.UTC(), Until: before.Add(g.cfg.MarkLife).UTC(),
	}
	bounded, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	told := g.Marks.Mark(bounded, w) // first, because it closes the sockets
	kept := g.Archive.Keep(ctx, w)
	if kept == nil {
		g.learn(w) // so that a pod without Redis applies it as well
		g.Sockets.Expel(w.User, w.Before)
	}
	<-onRecord
	if err := errors.Join(told, kept, recorded); err != nil {
		return w, err
	}
	g.Logger.InfoContext(ctx, "user disconnected", "tenant", w.User.Tenant, "user", userID, "admin", admin.UserID)
	if !sleep.For(ctx, before.Sub(now)) {
		return w, context.Cause(ctx)
	}
	return w, nil
}

// time returns the time of Redis if it answers. With the clock of a pod that is
// slow, credentials issued meanwhile would stay valid.
func (g *Gate) time(ctx context.Context) time.Time {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	now, err := g.Marks.Time(ctx)
	if err != nil {
		g.Logger.DebugContext(ctx, "withdrawal dated by the pod's clock", "error", err)
		return time.Now()
	}
	return now
}

// Disconnected handles the notification that a pod disconnected a user. It does
// not block. It closes all the user's sockets and ignores the issue times of
// their tokens, because the clocks of token issuers may be ahead.
func (g *Gate) Disconnected(w chatbox.Withdrawal) {
	g.learn(w)
	if n := g.Sockets.Expel(w.User, time.Time{}); n > 0 {
		g.Logger.Info("sockets of a disconnected user closed", "sockets", n)
	}
}

// Allow checks a socket's actor on admission. It returns chatbox.Unauthenticated
// if the credential was withdrawn, and chatbox.PermissionDenied if the user is
// blocked. While Redis is unavailable it uses what this pod knows.
func (g *Gate) Allow(ctx context.Context, a chatbox.Actor) error {
	if g.Blocked(a.User()) {
		return blocked()
	}
	if g.Withdrawn(a) {
		return withdrawn()
	}
	if g.isAway() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	before, err := g.Marks.MarkOf(ctx, a.User())
	if err != nil {
		g.missed(ctx, err)
		return nil
	}
	if a.IssuedAt.Before(before) {
		return withdrawn()
	}
	return nil
}

// Withdrawn reports whether this pod knows that the credential was withdrawn.
func (g *Gate) Withdrawn(a chatbox.Actor) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	w, ok := g.marks[a.User()]
	return ok && w.Covers(a)
}

// ShutOut reports whether this pod knows that the credential was withdrawn or the
// user is blocked.
func (g *Gate) ShutOut(a chatbox.Actor) bool { return g.Withdrawn(a) || g.Blocked(a.User()) }

func withdrawn() error {
	return &chatbox.Error{Code: chatbox.Unauthenticated, Message: "the credential was withdrawn", Refusal: chatbox.RefusedWithdrawn}
}

// learn stores a withdrawal unless a later one of the user is known.
func (g *Gate) learn(w chatbox.Withdrawal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.marks[w.User].Before.Before(w.Before) {
		g.marks[w.User] = w
	}
}

// Resubscribed records that notifications may have been missed and that Redis may
// have lost its data. It does not block.
func (g *Gate) Resubscribed() {
	select {
	case g.resync <- struct{}{}:
	default:
	}
}

// Run reads withdrawals and blocks from the archive until ctx ends: at the start,
// periodically, and when Redis may have lost data.
func (g *Gate) Run(ctx context.Context) {
	restore := true
	for ctx.Err() == nil {
		next := g.cfg.Reload
		if err := g.reload(ctx, restore); err != nil {
			g.Logger.DebugContext(ctx, "withdrawals and blocks not read", "error", err)
			next = min(next, reloadAgain)
		} else {
			restore = false
		}
		restore = g.rest(ctx, next) || restore
	}
}

// rest reads changed blocks until the next full read is due. It reports whether
// Redis may have lost data.
func (g *Gate) rest(ctx context.Context, d time.Duration) (restore bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-g.resync:
			return true
		case u := <-g.changed:
			if err := g.look(ctx, u); err != nil {
				g.Logger.DebugContext(ctx, "block not read", "error", err)
				return false
			}
		case <-t.C:
			return false
		}
	}
}

// reload reads the archive and closes the sockets that notifications have missed.
// With restore it reads all withdrawals and also writes them to Redis again;
// otherwise it reads those of the time since the last complete read. Redis comes
// last, because the pod needs what it reads also while Redis is unavailable.
func (g *Gate) reload(ctx context.Context, restore bool) error {
	since, began := g.readTo.Add(-readAgain), time.Now()
	if restore {
		since = time.Time{}
	}
	kept, err := g.reloadWithdrawals(ctx, since)
	if err != nil {
		return err
	}
	g.readTo = began
	if err := g.within(ctx, g.reloadBlocks); err != nil {
		return err
	}
	g.informed.Store(true)
	if !restore || len(kept) == 0 {
		return nil
	}
	return g.Marks.Remark(ctx, kept)
}

// reloadWithdrawals reads withdrawals page by page, because a cluster that has
// disconnected many users must start as well. It returns them.
func (g *Gate) reloadWithdrawals(ctx context.Context, since time.Time) (kept []chatbox.Withdrawal, err error) {
	for after := (chatbox.UserKey{}); ; after = kept[len(kept)-1].User {
		var page []chatbox.Withdrawal
		err := g.within(ctx, func(ctx context.Context) (err error) {
			page, err = g.Archive.Kept(ctx, since, after, archivePage)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, w := range page {
			g.learn(w)
			g.Sockets.Expel(w.User, w.Before)
		}
		kept = append(kept, page...)
		if len(page) < archivePage {
			return kept, nil
		}
	}
}

// within bounds one read of the archive.
func (g *Gate) within(ctx context.Context, read func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	return read(ctx)
}

// Informed reports whether the gate has read the archive. Before that it would
// admit users who are shut out.
func (g *Gate) Informed() bool { return g.informed.Load() }
