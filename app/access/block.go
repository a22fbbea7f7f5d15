package access

import (
	"context"
	"errors"
	"time"

	"chatbox"
)

// Blocks are who is kept out, durably. There is no copy of them in Redis: each
// pod keeps them in memory and is told when one changes.
type Blocks interface {
	// PutBlock blocks the user, or replaces the block; durable when it returns.
	PutBlock(ctx context.Context, b chatbox.Block) error
	// LiftBlock unblocks; where nobody is blocked it has no effect.
	LiftBlock(ctx context.Context, u chatbox.UserKey) error
	// BlockOf is the user's block, over or not; chatbox.NotFound.
	BlockOf(ctx context.Context, u chatbox.UserKey) (chatbox.Block, error)
	// PageBlocks lists a tenant's, in the order of the users' ids.
	PageBlocks(ctx context.Context, q chatbox.BlockQuery) ([]chatbox.Block, error)
	// AllBlocks are those of all tenants, without reasons, also such as are over.
	AllBlocks(ctx context.Context) ([]chatbox.Block, error)
	// ForgetOver takes away those that are over.
	ForgetOver(ctx context.Context, now time.Time) error
}

// News is told to all pods, at most once.
type News interface {
	// TellBlock says that the user's block has changed.
	TellBlock(ctx context.Context, u chatbox.UserKey) error
}

// maxNews is how many changed blocks may wait to be read; beyond that all are.
const maxNews = 64

// blockade is what a pod knows of a user's block.
type blockade struct {
	on      bool
	until   time.Time // zero: no end
	learned time.Time // by this pod's clock: what was read before says nothing against it
}

// Block keeps a user of the admin's tenant out and closes all the user's sockets.
// Where it fails, what it did stands and a repeat completes it.
func (g *Gate) Block(ctx context.Context, admin chatbox.Actor, b chatbox.Block) (chatbox.Block, error) {
	reason, err := chatbox.CheckBlockReason(b.Reason)
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
	// As with Disconnect: somebody is to be kept out, also where that cannot be
	// recorded. Repeated, it is on record.
	recorded := g.Audit.Record(ctx, admin, chatbox.AuditUserBlock, chatbox.AuditSubject{UserID: b.User.ID})
	patient, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	began := time.Now()
	if err := g.Blocks.PutBlock(patient, b); err != nil {
		return b, errors.Join(err, recorded)
	}
	g.heed(b.User, blockade{on: true, until: b.Until}, began) // a pod that Redis does not reach learns of it by itself
	if err := errors.Join(g.News.TellBlock(patient, b.User), recorded); err != nil {
		return b, err
	}
	g.Logger.InfoContext(ctx, "user blocked", "tenant", b.User.Tenant, "user", b.User.ID, "admin", admin.UserID)
	return b, nil
}

// Unblock lets the user in again. It may be repeated, also for who is not
// blocked.
func (g *Gate) Unblock(ctx context.Context, admin chatbox.Actor, userID string) error {
	u := chatbox.UserKey{Tenant: admin.Tenant, ID: userID}
	if !chatbox.ValidUserID(userID) {
		return chatbox.Invalid("id", "cannot be a user's")
	}
	if err := g.Audit.Record(ctx, admin, chatbox.AuditUserUnblock, chatbox.AuditSubject{UserID: userID}); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	began := time.Now()
	if err := g.Blocks.LiftBlock(patient, u); err != nil {
		return err
	}
	g.heed(u, blockade{}, began)
	if err := g.News.TellBlock(patient, u); err != nil {
		return err
	}
	g.Logger.InfoContext(ctx, "user unblocked", "tenant", u.Tenant, "user", u.ID, "admin", admin.UserID)
	return nil
}

// BlockOf is the block of a user of the staff's tenant; blocked is false where
// there is none.
func (g *Gate) BlockOf(ctx context.Context, a chatbox.Actor, userID string) (b chatbox.Block, blocked bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	b, err = g.Blocks.BlockOf(ctx, chatbox.UserKey{Tenant: a.Tenant, ID: userID})
	if errors.Is(err, chatbox.NotFound) {
		return b, false, nil
	}
	return b, err == nil && !b.Over(time.Now()), err
}

// BlockList is one page of the blocks of the staff's tenant.
func (g *Gate) BlockList(ctx context.Context, a chatbox.Actor, q chatbox.BlockQuery) ([]chatbox.Block, error) {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	q.Tenant, q.Now = a.Tenant, time.Now()
	return g.Blocks.PageBlocks(ctx, q)
}

// BlockChanged is what the bus brings when any pod blocks or unblocks a user;
// it does not block. Run reads what has become of it: two changes may be told
// in another order than they were made.
func (g *Gate) BlockChanged(u chatbox.UserKey) {
	select {
	case g.changed <- u:
	default:
		g.Resubscribed() // as if it had been missed: all of them are read
	}
}

// Blocked reports whether this pod knows that the user is kept out.
func (g *Gate) Blocked(u chatbox.UserKey) bool {
	g.mu.RLock()
	b, ok := g.blocks[u]
	g.mu.RUnlock()
	return ok && b.on && (b.until.IsZero() || time.Now().Before(b.until))
}

func blocked() error {
	return &chatbox.Error{Code: chatbox.PermissionDenied, Message: "you are blocked", Refusal: chatbox.RefusedBlocked}
}

// look reads what has become of the user's block.
func (g *Gate) look(ctx context.Context, u chatbox.UserKey) error {
	ctx, cancel := context.WithTimeout(ctx, g.cfg.Patience)
	defer cancel()
	began := time.Now()
	b, err := g.Blocks.BlockOf(ctx, u)
	switch {
	case errors.Is(err, chatbox.NotFound):
		g.heed(u, blockade{}, began)
		return nil
	case err != nil:
		return err
	}
	g.heed(u, blockade{on: true, until: b.Until}, began)
	return nil
}

// heed takes in what was read, or done, from the time began on, and closes
// sockets. What was learned since then is newer.
func (g *Gate) heed(u chatbox.UserKey, b blockade, began time.Time) {
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

// reloadBlocks reads all of them. Who is not among them, and was not blocked
// since the read began, is blocked no more.
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
		g.heed(b.User, blockade{on: true, until: b.Until}, began)
	}
	g.lift(there, began)
	if over { // a history that takes no writes now still says who is blocked
		if err := g.Blocks.ForgetOver(ctx, began); err != nil {
			g.Logger.DebugContext(ctx, "blocks that are over not forgotten", "error", err)
		}
	}
	return nil
}

// lift forgets who was not there in a read that began then.
func (g *Gate) lift(there map[chatbox.UserKey]bool, began time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for u, b := range g.blocks {
		if !there[u] && !b.learned.After(began) {
			delete(g.blocks, u)
		}
	}
}
