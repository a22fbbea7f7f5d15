package access

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// recordPatience is how long a withdrawal waits to be on record first: sockets
// are to be closed within a second.
const recordPatience = 300 * time.Millisecond

// reloadAgain is how soon after a failure the archive is asked again.
const reloadAgain = 5 * time.Second

// Disconnect closes every socket of a user of the admin's tenant, on every pod,
// and withdraws the credentials issued so far. It returns when any credential
// issued from then on is good: times of issue are whole seconds, so that takes
// up to one. Where it fails, what it did stands and a repeat completes it.
func (g *Gate) Disconnect(ctx context.Context, admin chatbox.Actor, userID string) (chatbox.Withdrawal, error) {
	if !chatbox.ValidUserID(userID) {
		return chatbox.Withdrawal{}, chatbox.Invalid("id", "cannot be a user's")
	}
	// Unlike other acts of staff it is done also where it cannot be recorded, as
	// far as it can be, and at once: somebody is to be kept out, and a history that
	// does not answer keeps whoever asks it waiting. Repeated, it is on record.
	var recorded error
	onRecord := make(chan struct{}) // closed when it is known
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
	patient, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	told := g.Marks.Mark(patient, w) // first: it is what closes sockets
	kept := g.Archive.Keep(ctx, w)
	if kept == nil {
		g.learn(w) // a pod that Redis does not reach learns of it by itself
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

// time is Redis' where it answers: a pod whose clock is behind would leave
// credentials valid that were issued meanwhile.
func (g *Gate) time(ctx context.Context) time.Time {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	now, err := g.Marks.Time(ctx)
	if err != nil {
		g.Logger.DebugContext(ctx, "the pod's clock dates a withdrawal", "error", err)
		return time.Now()
	}
	return now
}

// Disconnected is what the bus brings when any pod disconnects a user; it does
// not block. Every socket goes, whatever its token says of its age: clocks of
// those who issue tokens may be ahead.
func (g *Gate) Disconnected(w chatbox.Withdrawal) {
	g.learn(w)
	if n := g.Sockets.Expel(w.User, time.Time{}); n > 0 {
		g.Logger.Info("sockets of a disconnected user closed", "sockets", n)
	}
}

// Allow checks at the door of a socket that the actor's credential was not
// withdrawn: chatbox.Unauthenticated where it was; and that the user is not
// blocked: chatbox.PermissionDenied. While Redis is away what this pod knows
// counts.
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

// ShutOut reports whether this pod knows that the actor may not be here: the
// credential was withdrawn, or the user is blocked.
func (g *Gate) ShutOut(a chatbox.Actor) bool { return g.Withdrawn(a) || g.Blocked(a.User()) }

func withdrawn() error {
	return &chatbox.Error{Code: chatbox.Unauthenticated, Message: "the credential was withdrawn", Refusal: chatbox.RefusedWithdrawn}
}

// learn remembers a withdrawal unless a later one of the user is known.
func (g *Gate) learn(w chatbox.Withdrawal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.marks[w.User].Before.Before(w.Before) {
		g.marks[w.User] = w
	}
}

// Resubscribed says that the bus may have missed something, and that Redis may
// be an empty one; it does not block.
func (g *Gate) Resubscribed() {
	select {
	case g.resync <- struct{}{}:
	default:
	}
}

// Run reads what was withdrawn, and who is blocked, from the archive, at the
// start, now and then, and when Redis may have forgotten, until ctx ends.
func (g *Gate) Run(ctx context.Context) {
	restore := true
	for ctx.Err() == nil {
		next := g.cfg.Reload
		if err := g.reload(ctx, restore); err != nil {
			g.Logger.DebugContext(ctx, "who is shut out not read", "error", err)
			next = min(next, reloadAgain)
		} else {
			restore = false
		}
		restore = g.rest(ctx, next) || restore
	}
}

// rest reads blocks that have changed until it is time to read everything
// again, and reports whether Redis may have forgotten.
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

// reload learns what is in the archive and closes sockets that the bus did not
// say anything of; with restore it also tells Redis again.
func (g *Gate) reload(ctx context.Context, restore bool) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	kept, err := g.Archive.Kept(ctx)
	if err != nil {
		return err
	}
	for _, w := range kept {
		g.learn(w)
		g.Sockets.Expel(w.User, w.Before)
	}
	if err := g.reloadBlocks(ctx); err != nil {
		return err
	}
	g.informed.Store(true)
	if !restore || len(kept) == 0 {
		return nil
	}
	return g.Marks.Remark(ctx, kept)
}

// Informed reports whether the gate knows who is shut out: until it has read
// that once it lets in whom it should not.
func (g *Gate) Informed() bool { return g.informed.Load() }
