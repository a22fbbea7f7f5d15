//go:build fault

package fault

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

// balancer hands connections to the ready pods in turn and remembers nothing
// of a client. It asks each pod every 200 ms whether it is ready.
type balancer struct {
	listener net.Listener
	pods     []*pod
	http     *http.Client

	mu    sync.Mutex // guards following
	ready map[*pod]bool
	next  int
	given map[*pod][]time.Time // connections, by when
	conns map[net.Conn]bool
}

func startBalancer(ctx context.Context, t *testing.T, pods []*pod) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{
		listener: l, pods: pods, ready: map[*pod]bool{}, given: map[*pod][]time.Time{}, conns: map[net.Conn]bool{},
		http: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	for _, p := range pods {
		work.Go(func() { b.watch(ctx, p) })
	}
	work.Go(func() { b.serve(ctx, &work) })
	t.Cleanup(func() {
		cancel()
		_ = l.Close()
		b.mu.Lock()
		for c := range b.conns {
			_ = c.Close()
		}
		b.mu.Unlock()
		work.Wait()
	})
	return b
}

func (b *balancer) url() string { return "http://" + b.listener.Addr().String() }

// watch keeps a pod's readiness until ctx ends.
func (b *balancer) watch(ctx context.Context, p *pod) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := get(ctx, b.http, p.url()+"/chatbox/readyz")
		b.mu.Lock()
		b.ready[p] = err == nil && status == http.StatusOK
		b.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// get returns the status of one request.
func get(ctx context.Context, c *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func (b *balancer) serve(ctx context.Context, work *sync.WaitGroup) {
	for {
		in, err := b.listener.Accept()
		if err != nil {
			return
		}
		work.Go(func() { b.join(ctx, in) })
	}
}

// join connects a client with the next ready pod; where there is none, the
// client's connection ends at once.
func (b *balancer) join(ctx context.Context, in net.Conn) {
	defer b.forget(in)
	if !b.keep(ctx, in) {
		return
	}
	d := net.Dialer{Timeout: time.Second}
	for range b.pods {
		p := b.turn()
		if p == nil {
			return
		}
		out, err := d.DialContext(ctx, "tcp", p.addr)
		if err != nil {
			continue
		}
		defer b.forget(out)
		if !b.keep(ctx, out) {
			return
		}
		var both sync.WaitGroup
		both.Go(func() { pipe(in, out) })
		both.Go(func() { pipe(out, in) })
		both.Wait()
		return
	}
}

// pipe copies until either end is gone, and then ends both.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from) // a broken connection is what it is for
	_ = to.Close()
	_ = from.Close()
}

// turn is the next ready pod, nil where none is.
func (b *balancer) turn() *pod {
	b.mu.Lock()
	defer b.mu.Unlock()
	for range b.pods {
		p := b.pods[b.next%len(b.pods)]
		b.next++
		if b.ready[p] {
			b.given[p] = append(b.given[p], time.Now())
			return p
		}
	}
	return nil
}

// keep reports whether the balancer still serves.
func (b *balancer) keep(ctx context.Context, c net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns[c] = true
	return ctx.Err() == nil
}

func (b *balancer) forget(c net.Conn) {
	_ = c.Close() // closed before or now
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.conns, c)
}

// allReady reports whether every pod is.
func (b *balancer) allReady(context.Context) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.pods {
		if !b.ready[p] {
			return false
		}
	}
	return true
}

func (b *balancer) isReady(p *pod) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ready[p]
}

// busiest is the greatest number of connections that one pod was given within
// one second since began.
func (b *balancer) busiest(began time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	worst, who := 0, ""
	for p, at := range b.given {
		first := 0
		for i := range at {
			if at[i].Before(began) {
				first = i + 1
				continue
			}
			for at[i].Sub(at[first]) >= time.Second {
				first++
			}
			if n := i - first + 1; n > worst {
				worst, who = n, p.name
			}
		}
	}
	return fmt.Sprintf("%d (%s)", worst, who)
}
