package files

import (
	"context"
	"time"

	"chatbox"
	"chatbox/internal/sleep"
)

// reserve takes the file's bytes from the user's quota. An upload of unknown size
// may use what is left.
func (u *upload) reserve(ctx context.Context, now time.Time) error {
	cfg, want := u.s.cfg, u.s.cfg.Max
	if u.in.Size > cfg.Max {
		return u.tooLarge()
	}
	if u.in.Size >= 0 {
		want = min(want, u.in.Size+slack)
	}
	granted, wait, err := u.s.deps.Quota.ReserveFile(ctx, u.actor.User(), u.day, u.reservation(), want, cfg.BytesPerDay, cfg.FilesPerDay)
	if err != nil {
		return err
	}
	u.granted, u.wait, u.reserved = granted, wait, granted > 0
	if granted == 0 || u.in.Size > granted {
		return u.overQuota(now)
	}
	return nil
}

// renew keeps the reservation until stop is called, which waits for the end of a
// renewal. So the reservation of a killed pod lapses soon, however long uploads may
// take. A renewal that fails is tried again; one that comes too late may find the
// quota used up, and the upload continues.
func (u *upload) renew(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		sleep.Every(ctx, u.s.cfg.RenewEvery, func(ctx context.Context) {
			cfg := u.s.cfg
			_, _, err := u.s.deps.Quota.ReserveFile(ctx, u.actor.User(), u.day, u.reservation(), u.granted, cfg.BytesPerDay, cfg.FilesPerDay)
			if err != nil && ctx.Err() == nil {
				u.s.deps.Logger.DebugContext(ctx, "reservation of an upload not renewed", "error", err)
			}
		})
	}()
	return func() { cancel(); <-done }
}

// reservation names this upload, not its file: a concurrent repeat has its own.
func (u *upload) reservation() string {
	if u.first == "" {
		u.first = newBlobName()
		u.file.Blob = u.first
	}
	return u.first
}

func (u *upload) overQuota(now time.Time) error {
	after, message := now.Truncate(24*time.Hour).Add(24*time.Hour).Sub(now), "today's limit of uploads (UTC) is reached"
	if u.wait > 0 && u.wait < after {
		after, message = u.wait, "uploads under way may use up today's limit (UTC); try again when they have ended"
	}
	return &chatbox.Error{Code: chatbox.RateLimited, Message: message, RetryAfter: after, Refusal: chatbox.RefusedFileQuota}
}
