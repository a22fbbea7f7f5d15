package devstack

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// clockTick is how often the embedded Redis' clock is advanced. Without that, no
// key expires.
const clockTick = 100 * time.Millisecond

// startRedis runs a Redis in this process, on loopback, and advances its clock
// until ctx ends. wait returns when it has stopped.
func startRedis(ctx context.Context) (url string, wait func(), err error) {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return "", nil, fmt.Errorf("embedded redis: %w", err)
	}
	done := make(chan struct{})
	go func() { // ends with ctx; wait waits for it
		defer close(done)
		t := time.NewTicker(clockTick)
		defer t.Stop()
		last := time.Now()
		for {
			select {
			case <-ctx.Done():
				m.Close()
				return
			case now := <-t.C:
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	return "redis://" + m.Addr(), func() { <-done }, nil
}
