package access

import (
	"context"
	"errors"
	"time"

	"chatbox"
	"chatbox/helpdesk"
)

// Blocks stores blocked users durably. Redis has no copy: each pod caches the
// blocks in memory and is notified when one changes.
type Blocks interface {
	// PutBlock blocks the user, or replaces the block. It is durable when it
	// returns.
	PutBlock(ctx context.Context, b helpdesk.Block) error
	// LiftBlock unblocks the user. It does nothing if the user is not blocked.
	LiftBlock(ctx context.Context, u chatbox.UserKey) error
	// BlockOf returns the user's block, even if it has expired, or
	// chatbox.NotFound.
	BlockOf(ctx context.Context, u chatbox.UserKey) (helpdesk.Block, error)
	// PageBlocks lists a tenant's blocks in order of user id.
	PageBlocks(ctx context.Context, q helpdesk.BlockQuery) ([]helpdesk.Block, error)
	// AllBlocks returns the blocks of all tenants, without reasons, including
	// expired ones.
	AllBlocks(ctx context.Context) ([]helpdesk.Block, error)
	// ForgetOver deletes expired blocks.
	ForgetOver(ctx context.Context, now time.Time) error
}

// News notifies all pods, at most once.
type News interface {
	// PublishBlock notifies that the user's block has changed.
	PublishBlock(ctx context.Context, u chatbox.UserKey) error
}

// maxNews is how many changed blocks may wait to be read. Beyond that, all blocks
// are read.
const maxNews = 64

// blockade is what a pod knows about a user's block.
type blockade struct {
	on      bool
	until   time.Time // zero: does not expire
	learned time.Time // by this pod's clock; reads that began earlier are ignored
}

// Block blocks a user of the admin's tenant and closes all the user's sockets. If
// it fails, what it has done remains, and calling it again completes it.
func (g *Gate) Block(ctx context.Context, admin chatbox.Actor, b helpdesk.Block) (helpdesk.Block, error) {
	reason, err := helpdesk.CheckBlockReason(b.Reason)
	at := time.Now().UTC().Truncate(time.Millisecond)
	b.User.Tenant, b.Reason, b.At, b.By = admin.Tenant, reason, at, admin.UserID
	switch {
	case err != nil:
		return b, err
	case !chatbox.ValidUserID(b.User.ID):
		return b, chatbox.Invalid("id", "cannot be a user's")
	case b.User.ID == admin.UserID:
		return b, chatbox.Invalid("id", "is your own")
	case b.Over(at):
		return b, chatbox.Invalid("until", "is not in the future")
	}
	// As with Disconnect, the user is shut out even if the act cannot be
	// recorded. Repeating the call records it.
	recorded := g.Audit.Record(ctx, admin, chatbox.AuditUserBlock, chatbox.AuditSubject{UserID: b.User.ID})
	bounded, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	began := time.Now()
	if err := g.Blocks.PutBlock(bounded, b); err != nil {
		return b, errors.Join(err, recorded)
	}
	g.applyBlock(b.User, blockade{on: true, until: b.Until}, began) // so that a pod without Redis applies it as well
	if err := errors.Join(g.News.PublishBlock(bounded, b.User), recorded); err != nil {
		return b, err
	}
	g.Logger.InfoContext(ctx, "user blocked", "tenant", b.User.Tenant, "user", b.User.ID, "admin", admin.UserID)
	return b, nil
}

// Unblock lifts the user's block. It may be repeated, and called for a user who
// is not blocked.
func (g *Gate) Unblock(ctx context.Context, admin chatbox.Actor, userID string) error {
	u := chatbox.UserKey{Tenant: admin.Tenant, ID: userID}
	if !chatbox.ValidUserID(userID) {
		return chatbox.Invalid("id", "cannot be a user's")
	}
	if err := g.Audit.Record(ctx, admin, chatbox.AuditUserUnblock, chatbox.AuditSubject{UserID: userID}); err != nil {
		return err
	}
	bounded, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	began := time.Now()
	if err := g.Blocks.LiftBlock(bounded, u); err != nil {
		return err
	}
	g.applyBlock(u, blockade{}, began)
	if err := g.News.PublishBlock(bounded, u); err != nil {
		return err
	}
	g.Logger.InfoContext(ctx, "user unblocked", "tenant", u.Tenant, "user", u.ID, "admin", admin.UserID)
	return nil
}

// BlockOf returns the block of a user of the caller's tenant. blocked is false if
// there is none.
func (g *Gate) BlockOf(ctx context.Context, a chatbox.Actor, userID string) (b helpdesk.Block, blocked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	b, err = g.Blocks.BlockOf(ctx, chatbox.UserKey{Tenant: a.Tenant, ID: userID})
	if errors.Is(err, chatbox.NotFound) {
		return b, false, nil
	}
	return b, err == nil && !b.Over(time.Now()), err
}

// BlockList returns one page of the blocks of the caller's tenant.
func (g *Gate) BlockList(ctx context.Context, a chatbox.Actor, q helpdesk.BlockQuery) ([]helpdesk.Block, error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	q.Tenant, q.Now = a.Tenant, time.Now()
	return g.Blocks.PageBlocks(ctx, q)
}

// BlockChanged handles the notification that a pod blocked or unblocked a user.
// It does not block. Run reads the new state from the store, because
// notifications of two changes may arrive in the wrong order.
func (g *Gate) BlockChanged(u chatbox.UserKey) {
	select {
	case g.changed <- u:
	default:
		g.Resubscribed() // as after a missed notification: all blocks are read
	}
}

// Blocked reports whether this pod knows that the user is blocked.
func (g *Gate) Blocked(u chatbox.UserKey) bool {
	g.mu.RLock()
	b, ok := g.blocks[u]
	g.mu.RUnlock()
	return ok && b.on && (b.until.IsZero() || time.Now().Before(b.until))
}

func blocked() error {
	return &chatbox.Error{Code: chatbox.PermissionDenied, Message: "you are blocked", Refusal: chatbox.RefusedBlocked}
}

// look reads the current state of the user's block.
func (g *Gate) look(ctx context.Context, u chatbox.UserKey) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Timeout)
	defer cancel()
	began := time.Now()
	b, err := g.Blocks.BlockOf(ctx, u)
	switch {
	case errors.Is(err, chatbox.NotFound):
		g.applyBlock(u, blockade{}, began)
		return nil
	case err != nil:
		return err
	}
	g.applyBlock(u, blockade{on: true, until: b.Until}, began)
	return nil
}

// applyBlock applies a block that was read or written from the time began on, and
// closes sockets. It ignores the block if this pod has learned something newer
// since began.
func (g *Gate) applyBlock(u chatbox.UserKey, b blockade, began time.Time) {
	g.mu.Lock()
	known, ok := g.blocks[u]
	if ok && known.learned.After(began) {
		g.mu.Unlock()
		return
	}
	b.learned = time.Now()
	g.blocks[u] = b
	g.mu.Unlock()
	if g.Blocked(u) {
		if n := g.Sockets.Expel(u, time.Time{}); n > 0 {
			g.Logger.Info("sockets of a blocked user closed", "sockets", n)
		}
	}
}

// reloadBlocks reads all blocks. A user who has none, and was not blocked since
// the read began, is no longer blocked.
func (g *Gate) reloadBlocks(ctx context.Context) error {
	began := time.Now()
	all, err := g.Blocks.AllBlocks(ctx)
	if err != nil {
		return err
	}
	there := make(map[chatbox.UserKey]bool, len(all))
	over := false
	for _, b := range all {
		if b.Over(began) {
			over = true
			continue
		}
		there[b.User] = true
		g.applyBlock(b.User, blockade{on: true, until: b.Until}, began)
	}
	g.lift(there, began)
	if over { // a failure is harmless: expired blocks are ignored when read
		if err := g.Blocks.ForgetOver(ctx, began); err != nil {
			g.Logger.DebugContext(ctx, "expired blocks not deleted", "error", err)
		}
	}
	return nil
}

// lift unblocks the users missing from a read that began at the given time.
func (g *Gate) lift(there map[chatbox.UserKey]bool, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for u, b := range g.blocks {
		if !there[u] && !b.learned.After(began) {
			delete(g.blocks, u)
		}
	}
}
