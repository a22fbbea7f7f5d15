package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/histogram"
	"chatbox/internal/sleep"
)

// Crowd is a number of sockets that send nothing. Each has a user of its own.
type Crowd struct {
	URLs     []string // ws addresses with the path; socket n begins at address n
	Sockets  int
	Attached bool // each socket has a session of its own, with one event
	Dialers  int  // sockets that connect at the same time
	// Settle is the time between the last connection and the measurement. The pods'
	// garbage is collected meanwhile.
	Settle     time.Duration
	Processes  Processes
	Credential func(session string) (http.Header, error)
	// Kill is the process of the pod at the first address, which Storm kills. 0:
	// the clients drop all sockets.
	Kill int
}

// IdleResult is what the sockets of a Crowd cost.
type IdleResult struct {
	Sockets   int
	Connected float64             // seconds until the last socket was ready
	Connect   histogram.Quantiles // of one socket
	KB        map[string]float64  // resident kilobytes (1,024 bytes) per socket, by name of process
}

// StormResult is how the sockets of a Crowd came back.
type StormResult struct {
	Sockets int                 // that were dropped
	Back    float64             // seconds from the drop until the last of them had resumed
	Resume  histogram.Quantiles // from the drop until one socket had resumed
	CPU     map[string]float64  // milliseconds of processor time per dropped socket
}

// member is one socket of a crowd.
type member struct {
	session string
	header  http.Header
	at      int // index of its address
	ws      *websocket.Conn
	seq     int64
}

// gathering is the state of a running measurement.
type gathering struct {
	Crowd

	base    time.Time
	dialer  websocket.Dialer
	members []*member
	readers sync.WaitGroup // one per socket, ended by its close
	took    *histogram.Histogram
}

// gather connects all sockets, or none.
func (c Crowd) gather(ctx context.Context) (*gathering, error) {
	switch {
	case len(c.URLs) < 1 || c.Sockets < 1 || c.Dialers < 1:
		return nil, errors.New("needs an address, a socket and a dialer")
	case c.Kill != 0 && len(c.URLs) < 2:
		return nil, errors.New("needs a second address for the sockets of the killed pod")
	}
	g := &gathering{Crowd: c, base: time.Now(), members: make([]*member, c.Sockets), took: &histogram.Histogram{}}
	g.dialer = websocket.Dialer{HandshakeTimeout: time.Minute, ReadBufferSize: 1024, WriteBufferSize: 1024, WriteBufferPool: &sync.Pool{}}
	for n := range g.members {
		g.members[n] = &member{session: fmt.Sprintf("crowd-%d-%d", g.base.UnixNano(), n), at: n}
	}
	err := g.each(ctx, g.members, func(ctx context.Context, m *member) error {
		var err error
		if m.header, err = c.Credential(m.session); err != nil {
			return err
		}
		begun := time.Now()
		if err := g.enter(ctx, m); err != nil {
			return err
		}
		g.took.Add(time.Since(begun))
		return nil
	})
	if err != nil {
		g.end()
		return nil, err
	}
	return g, nil
}

// each calls f for every socket, a bounded number at a time, and returns the
// first error.
func (g *gathering) each(ctx context.Context, of []*member, f func(ctx context.Context, m *member) error) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var next atomic.Int64
	var dialers sync.WaitGroup
	for range min(g.Dialers, len(of)) {
		dialers.Go(func() {
			for ctx.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= len(of) {
					return
				}
				if err := f(ctx, of[n]); err != nil {
					fail(fmt.Errorf("session %s: %w", of[n].session, err)) // the first counts
					return
				}
				g.hold(of[n])
			}
		})
	}
	dialers.Wait()
	return context.Cause(ctx)
}

// hold reads a socket, so that it answers pings, until it is closed.
func (g *gathering) hold(m *member) {
	g.readers.Go(func() {
		for {
			if _, _, err := m.ws.NextReader(); err != nil {
				return
			}
		}
	})
}

// release closes sockets.
func release(of []*member) {
	for _, m := range of {
		if m.ws != nil {
			_ = m.ws.Close() // dropped, without a close frame
		}
	}
}

// end closes all sockets and waits for their readers.
func (g *gathering) end() {
	release(g.members)
	g.readers.Wait()
}

// dial connects a socket to its address.
func (g *gathering) dial(ctx context.Context, m *member, query string) error {
	url := g.URLs[m.at%len(g.URLs)] + query
	ws, res, err := g.dialer.DialContext(ctx, url, m.header)
	if res != nil {
		_ = res.Body.Close() // gorilla has read it
	}
	if err != nil {
		return fmt.Errorf("dial %s: %w", url, err)
	}
	m.ws = ws
	return nil
}

// enter connects a socket and, if requested, creates its session with the
// cheapest event that wants no answer.
func (g *gathering) enter(ctx context.Context, m *member) error {
	query := ""
	if g.Attached {
		query = "?session_id=" + m.session
	}
	if err := g.dial(ctx, m, query); err != nil {
		return err
	}
	f, err := m.await(client.TypeConnectionStatus)
	if err != nil || !g.Attached {
		return err
	}
	if len(f.Models) == 0 {
		return errors.New("the pod offers no model")
	}
	if err := m.ws.WriteJSON(client.Frame{Type: client.TypeModelSelect, ID: "open", SessionID: m.session, ModelID: f.Models[0].ID}); err != nil {
		return fmt.Errorf("create session: %w", err)
	}
	f, err = m.await(client.TypeAck)
	m.seq = f.Seq
	return err
}

// frameWait is how long a socket waits for the pod's frames.
const frameWait = time.Minute

// await reads until a frame of one of the types comes.
func (m *member) await(types ...string) (client.Frame, error) {
	_ = m.ws.SetReadDeadline(time.Now().Add(frameWait)) // a broken socket fails below
	for {
		var f client.Frame
		if err := m.ws.ReadJSON(&f); err != nil {
			return f, fmt.Errorf("await %s: %w", strings.Join(types, " or "), err)
		}
		switch {
		case slices.Contains(types, f.Type):
			_ = m.ws.SetReadDeadline(time.Time{})
			return f, nil
		case f.Type == client.TypeError:
			return f, refusal(f)
		}
	}
}

// Idle connects the sockets and measures the processes' memory before and after.
func (c Crowd) Idle(ctx context.Context) (IdleResult, error) {
	before, err := c.Processes.resident()
	if err != nil {
		return IdleResult{}, err
	}
	g, err := c.gather(ctx)
	if err != nil {
		return IdleResult{}, err
	}
	defer g.end()
	r := IdleResult{Sockets: c.Sockets, Connected: time.Since(g.base).Seconds(), Connect: g.took.Quantiles(), KB: map[string]float64{}}
	if !sleep.For(ctx, c.Settle) {
		return r, context.Cause(ctx)
	}
	after, err := c.Processes.resident()
	for name, n := range after {
		r.KB[name] = float64(n-before[name]) / 1024 / float64(c.Sockets)
	}
	return r, err
}

// Storm connects the sockets, drops them at once, and measures until each has
// resumed its session at another address. Each resumes behind its session's
// event. It is an error if the event does not come.
func (c Crowd) Storm(ctx context.Context) (StormResult, error) {
	c.Attached = true
	g, err := c.gather(ctx)
	if err != nil {
		return StormResult{}, err
	}
	defer g.end()
	if !sleep.For(ctx, c.Settle) {
		return StormResult{}, context.Cause(ctx)
	}
	if c.Kill == 0 {
		return g.storm(ctx, g.members)
	}
	var dropped []*member
	for _, m := range g.members {
		if m.at%len(g.URLs) == 0 {
			dropped = append(dropped, m)
		}
	}
	if err := syscall.Kill(c.Kill, syscall.SIGKILL); err != nil {
		return StormResult{}, fmt.Errorf("kill pod: %w", err)
	}
	g.URLs = g.URLs[1:]
	for n, m := range dropped { // they spread over the other pods
		m.at = n
	}
	return g.storm(ctx, dropped)
}

func (g *gathering) storm(ctx context.Context, dropped []*member) (StormResult, error) {
	before, err := g.Processes.times()
	if err != nil {
		return StormResult{}, err
	}
	g.took = &histogram.Histogram{}
	g.base = time.Now()
	release(dropped)
	err = g.each(ctx, dropped, g.back)
	r := StormResult{Sockets: len(dropped), Back: time.Since(g.base).Seconds(), Resume: g.took.Quantiles()}
	if err != nil {
		return r, err
	}
	after, err := g.Processes.times()
	r.CPU = span{before: before, after: after}.per(float64(len(dropped)))
	return r, err
}

// back connects one socket to the next address and resumes.
func (g *gathering) back(ctx context.Context, m *member) error {
	m.at++
	if err := g.dial(ctx, m, fmt.Sprintf("?session_id=%s&last_seq=%d", m.session, m.seq-1)); err != nil {
		return err
	}
	f, err := m.await(client.TypeModelSelect, client.TypeResumed)
	if err != nil {
		return err
	}
	if f.Type != client.TypeModelSelect || f.Seq != m.seq {
		return fmt.Errorf("event %d is lost: %s came with seq %d", m.seq, f.Type, f.Seq)
	}
	if f, err = m.await(client.TypeResumed); err != nil {
		return err
	}
	if f.Seq != m.seq || f.Metadata["recovered"] != "true" {
		return fmt.Errorf("resumed at %d of %d, recovered %q", f.Seq, m.seq, f.Metadata["recovered"])
	}
	g.took.Add(time.Since(g.base))
	return nil
}
