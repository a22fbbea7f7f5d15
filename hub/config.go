package hub

import (
	"log/slog"
	"time"
)

// Config limits the resources of sockets. A zero field means its default.
type Config struct {
	MaxFrame      int64         // bytes of a client's frame; a larger one closes the socket with 1009
	CollapseBytes int           // queued bytes beyond which pieces collapse into a snapshot
	MaxBytes      int           // queued bytes beyond which the socket is closed with 4002
	SocketBytes   int           // kernel's send buffer per client, in addition to the queue
	InboxFrames   int           // frames read but not yet processed; at this number the reader waits
	InboxBytes    int           // the same in bytes
	PingEvery     time.Duration // interval between pings
	DeadAfter     time.Duration // silence of the client after which the socket is closed
	WriteTimeout  time.Duration // of one frame, or of closing a slow client; then the connection is cut
	CloseTimeout  time.Duration // for writing the queue when a close is requested
	Linger        time.Duration // for the client's answer to a close frame
	MaxConns      int           // sockets of this pod; 0: no limit
	Logger        *slog.Logger  // logs panics in frame handlers, with their stack
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
