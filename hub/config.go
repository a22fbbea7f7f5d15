package hub

import (
	"log/slog"
	"time"
)

// Config bounds what sockets may cost. A zero field means its default.
type Config struct {
	MaxFrame      int64         // of a client's frame, in bytes; beyond it the socket is closed with 1009
	CollapseBytes int           // queued bytes beyond which pieces collapse into a snapshot
	MaxBytes      int           // queued bytes beyond which the socket is closed with 4002
	SocketBytes   int           // that the kernel keeps for the client, beside what is queued
	InboxFrames   int           // frames read and not yet processed, beyond which the reader waits
	InboxBytes    int           // the same in bytes
	PingEvery     time.Duration // how often a client is asked for a sign of life
	DeadAfter     time.Duration // without any frame of the client
	WriteTimeout  time.Duration // of one frame, or of the close of a client that is too slow; beyond it the socket is cut
	CloseTimeout  time.Duration // for what is queued when a close is asked for
	Linger        time.Duration // for the client's answer to a close frame
	MaxConns      int           // sockets of this pod; 0 is no limit
	Logger        *slog.Logger  // told of panics in frame handlers, with their stack
}

// DefaultConfig returns the values of docs/protocol/contract.md.
func DefaultConfig() Config { return Config{}.withDefaults() }

func (c Config) withDefaults() Config {
	if c.MaxFrame <= 0 {
		c.MaxFrame = 256 << 10
	}
	number(&c.CollapseBytes, 128<<10)
	number(&c.MaxBytes, 3<<19)
	number(&c.SocketBytes, 128<<10)
	number(&c.InboxFrames, 16)
	number(&c.InboxBytes, 256<<10)
	span(&c.PingEvery, 25*time.Second)
	span(&c.DeadAfter, 60*time.Second)
	span(&c.WriteTimeout, 30*time.Second)
	span(&c.CloseTimeout, 3*time.Second)
	span(&c.Linger, time.Second)
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func number(v *int, or int) {
	if *v <= 0 {
		*v = or
	}
}

func span(v *time.Duration, or time.Duration) {
	if *v <= 0 {
		*v = or
	}
}
