//go:build fault

package fault

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// The parameters of a flood of unfinished requests.
const (
	floodDrip   = time.Second     // between two bytes of a connection
	floodPause  = 5 * time.Second // before a connection that was ended comes again, give or take half
	floodDrain  = 20 * time.Second
	floodMemory = 64 << 10 // bytes of the pod for each of the flood's connections, at most
)

// shortCompare is the window of a comparison in the short form, which prints the
// ratio and does not judge it. The healthy users send 100 messages in it.
const shortCompare = 12 * time.Second

// flood keeps connections open on which a request never ends.
type flood struct {
	addr             string
	dialled, cut     atomic.Int64
	refused          atomic.Int64
	standing, most   atomic.Int64
	longest          atomic.Int64 // nanoseconds that one connection stood
	work             sync.WaitGroup
	stop             context.CancelFunc
	held             context.Context
	unfinishedStarts []string
}

// startFlood begins n connections: bodies without a credential, with known and
// unknown length, headers, and silence.
func startFlood(ctx context.Context, addr string, n int) *flood {
	const post = "POST /chatbox/sessions/s-1/messages HTTP/1.1\r\nHost: pod\r\n"
	f := &flood{addr: addr, unfinishedStarts: []string{
		post + "Content-Length: 100000\r\n\r\n",
		post + "Transfer-Encoding: chunked\r\n\r\n",
		post + "Authorization: Bearer x.y.z\r\nContent-Length: 9\r\n\r\n",
		post + "X-Slow: ",
		"",
	}}
	f.held, f.stop = context.WithCancel(ctx)
	for i := range n {
		f.work.Go(func() { f.attack(i) })
	}
	return f
}

func (f *flood) end() {
	f.stop()
	f.work.Wait()
}

// attack holds one connection after another.
func (f *flood) attack(i int) {
	pause := time.Duration(rand.Int64N(int64(time.Second)))
	for {
		select {
		case <-f.held.Done():
			return
		case <-time.After(pause):
		}
		f.hold(f.unfinishedStarts[i%len(f.unfinishedStarts)])
		pause = floodPause/2 + time.Duration(rand.Int64N(int64(floodPause)))
	}
}

// hold opens a connection and drips until it is ended.
func (f *flood) hold(begun string) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(f.held, "tcp", f.addr)
	if err != nil {
		f.refused.Add(1)
		return
	}
	defer conn.Close()
	stop := context.AfterFunc(f.held, func() { _ = conn.Close() })
	defer stop()
	f.dialled.Add(1)
	raise(&f.most, f.standing.Add(1))
	defer f.standing.Add(-1)
	began := time.Now()
	ended := make(chan struct{})
	go func() { // ends with the connection; hold waits for it
		defer close(ended)
		_, _ = io.Copy(io.Discard, conn)
	}()
	_, _ = io.WriteString(conn, begun)
	tick := time.NewTicker(floodDrip)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			if f.held.Err() == nil {
				f.cut.Add(1)
				raise(&f.longest, int64(time.Since(began)))
			}
			return
		case <-tick.C:
			if begun != "" {
				_, _ = io.WriteString(conn, "x") // fails with the connection
			}
		}
	}
}

// raise makes most at least n.
func raise(most *atomic.Int64, n int64) {
	for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
	}
}

// spent is the healthy users' p99 of some time, and what the pod worked in it.
func (w *audience) spent(during time.Duration) (p99 float64, busy time.Duration) {
	w.c.t.Helper()
	p99 = w.p99(0, func() func() {
		before := w.pod.busy()
		hold(w.c.ctx, w.c.t, during)
		busy = w.pod.busy() - before
		return func() {}
	})
	return p99, busy
}

// TestFlood_UnfinishedRequestsHurtNobody keeps a crowd of connections on one
// pod whose requests never end, without a credential, beside healthy users, and
// drains the pod under it.
func TestFlood_UnfinishedRequestsHurtNobody(t *testing.T) {
	size, during, healthy := pick(300, 5000), pick(20*time.Second, 60*time.Second), pick(100, 200)
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur < uint64(size+2000) {
		t.Fatalf("the test needs %d open files: ulimit -n says %d (%v)", size+2000, files.Cur, err)
	}
	c := start(t, setup{env: map[string]string{"LOG_LEVEL": "info"}}) // as in production: no line for each request
	w := c.seat(c.pods[0], healthy)
	p := w.pod
	compare := pick(shortCompare, during)
	quiet, idle := w.spent(compare)
	idle = time.Duration(idle.Seconds() / compare.Seconds() * float64(during))
	before := p.resident(false)
	// The flood costs its own processor time: beside the pod that it is about
	// stands another one, which is only on the same machine.
	other := startFlood(c.ctx, c.pods[1].addr, size)
	beside, _ := w.spent(compare)
	other.end()
	f := startFlood(c.ctx, p.addr, size)
	loud, busy := w.spent(during)
	peak := p.resident(true)
	unknown := c.metric(c.ctx, p, "chat_unauthenticated_connections")
	w.hush()
	w.work.Wait()
	w.settled(w.healthy)
	took := c.drained(p)
	f.end()
	c.restart(p)
	ratio := loud / beside
	figure(t, "flood", "%d connections on one pod whose requests never end, without a credential, for %v beside %d healthy users: their ack p99 %.0f ms, %.0f ms while the same flood is on another pod of the machine "+
		"(ratio %.2f, promised 1.5), %.0f ms without one (ratio %.2f); processor time of the pod %v, %v without; %d dialled, %d cut off, at most %d at once, none stood for longer than %v; the pod counted %.0f at the end; "+
		"its memory %.0f MiB before, %.0f MiB at most; SIGTERM under it: exit 0 after %v (allowed %v)",
		size, during, healthy, loud, beside, ratio, quiet, loud/quiet, busy, idle, f.dialled.Load(), f.cut.Load(), f.most.Load(),
		time.Duration(f.longest.Load()).Round(100*time.Millisecond), unknown, before, peak, took.Round(100*time.Millisecond), floodDrain)
	if f.cut.Load() == 0 {
		t.Error("no connection was cut off")
	}
	if most := time.Duration(f.longest.Load()); most > longestWait {
		t.Errorf("a connection stood for %v", most)
	}
	if grown := (peak - before) * (1 << 20); grown > float64(size*floodMemory)+(64<<20) {
		t.Errorf("the pod took %.0f bytes more for %d connections", grown, size)
	}
	if took > floodDrain {
		t.Errorf("the pod took %v to end", took)
	}
	if long() && ratio > slowdown { // one short run measures the machine's noise
		t.Errorf("the flood makes the healthy %.2f times slower", ratio)
	}
}
