//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"chatbox/cmd/chatload/client"
)

// childOrder is the variable that makes this program a flooder, in a process of
// its own: its processor time must not be the healthy clients'.
const childOrder = "FAULT_CHILD"

// Kinds of floods that are not frames.
const (
	floodSearch    = "search"    // staff's searches for a phrase of two frequent words
	floodHistory   = "history"   // the user's longest session by REST
	floodList      = "list"      // the user's sessions by REST, beyond any limit
	floodReconnect = "reconnect" // sockets that attach, are given everything, and go
	floodBurn      = "burn"      // nothing: a share of a processor is used up
)

// floodBatch is how many frames a socket sends before it asks for a sign that
// all of them were looked at; at most two batches are under way.
const floodBatch = 16

// order is what a flooder is to do until its standard input ends.
type order struct {
	Kind     string
	URLs     []string
	Token    string
	Session  string   // its user's own
	Others   []string // of other users, one for each socket of staff
	Sockets  int
	Share    float64 // of one processor, to be burnt
	Patience time.Duration
}

// outcome is what a flooder prints when it is over.
type outcome struct {
	Sent     int            // frames, requests or connections
	Answered int            // with success
	Refused  int            // with TOO_MANY_REQUESTS
	Failed   map[string]int // by code
	Silent   int            // frames that must be answered and were not
	Acked    []ackedFrame
	Slowest  time.Duration // from a batch to the sign that it was looked at
}

type ackedFrame struct {
	Session, ID string
	Seq         int64
}

func (o *outcome) add(p outcome) {
	o.Sent, o.Answered, o.Refused, o.Silent = o.Sent+p.Sent, o.Answered+p.Answered, o.Refused+p.Refused, o.Silent+p.Silent
	o.Acked, o.Slowest = append(o.Acked, p.Acked...), max(o.Slowest, p.Slowest)
	for code, n := range p.Failed {
		o.fail(code, n)
	}
}

func (o *outcome) fail(code string, n int) {
	if o.Failed == nil {
		o.Failed = map[string]int{}
	}
	o.Failed[code] += n
}

// child is the flooder's main.
func child(ctx context.Context, raw string) int {
	var o order
	if err := json.Unmarshal([]byte(raw), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, stop := context.WithCancel(ctx)
	go func() { // ends with its parent's pipe, or the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	var all outcome
	var mu sync.Mutex
	var work sync.WaitGroup
	for i := range o.Sockets {
		work.Go(func() {
			one := o.attack(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			all.add(one)
		})
	}
	work.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(all); err != nil {
		return 1
	}
	return 0
}

func (o order) attack(ctx context.Context, i int) outcome {
	base := o.URLs[i%len(o.URLs)] + "/chatbox"
	switch o.Kind {
	case floodBurn:
		return o.burn(ctx)
	case floodSearch:
		return o.ask(ctx, base+"/admin/search?"+url.Values{"q": {`"alpha beta"`}, "limit": {"50"}}.Encode())
	case floodHistory:
		return o.ask(ctx, base+"/sessions/"+o.Session+"?limit=500")
	case floodList:
		return o.ask(ctx, base+"/sessions?limit=20")
	case floodReconnect:
		return o.reconnect(ctx, base)
	default:
		return o.frames(ctx, base, i)
	}
}

// burn uses its part of the share, in bursts of a few milliseconds.
func (o order) burn(ctx context.Context) (done outcome) {
	const turn = 10 * time.Millisecond
	busy := time.Duration(o.Share / float64(o.Sockets) * float64(turn))
	tick := time.NewTicker(turn)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return done
		case <-tick.C:
		}
		for began := time.Now(); time.Since(began) < busy; {
			done.Sent++
		}
	}
}

// ask makes one request after another.
func (o order) ask(ctx context.Context, address string) (done outcome) {
	c := &http.Client{Timeout: o.Patience, Transport: &http.Transport{}}
	defer c.CloseIdleConnections()
	for ctx.Err() == nil {
		began := time.Now()
		req, err := http.NewRequest(http.MethodGet, address, nil)
		if err != nil {
			done.fail(err.Error(), 1)
			return done
		}
		req.Header.Set("Authorization", "Bearer "+o.Token)
		res, err := c.Do(req)
		if err != nil {
			done.fail("no answer", 1)
			return done
		}
		_, _ = io.Copy(io.Discard, res.Body) // a broken one is the next request's failure
		_ = res.Body.Close()
		done.Sent++
		done.Slowest = max(done.Slowest, time.Since(began))
		switch res.StatusCode {
		case http.StatusOK:
			done.Answered++
		case http.StatusTooManyRequests:
			done.Refused++
		default:
			done.fail(res.Status, 1)
		}
	}
	return done
}

func (o order) dial(base, query string) (*websocket.Conn, int, error) {
	d := websocket.Dialer{HandshakeTimeout: o.Patience}
	ws, res, err := d.Dial("ws"+strings.TrimPrefix(base, "http")+"/ws"+query, http.Header{"Authorization": {"Bearer " + o.Token}})
	if err != nil && res != nil {
		_ = res.Body.Close()
		return nil, res.StatusCode, err
	}
	return ws, 0, err
}

// reconnect opens one socket after another and has everything replayed to it.
func (o order) reconnect(ctx context.Context, base string) (done outcome) {
	for ctx.Err() == nil {
		ws, status, err := o.dial(base, "?session_id="+o.Session+"&last_seq=0")
		done.Sent++
		switch {
		case status == http.StatusTooManyRequests:
			done.Refused++
			continue
		case err != nil:
			done.fail(fmt.Sprint("dial ", status), 1)
			continue
		}
		_ = ws.SetReadDeadline(time.Now().Add(o.Patience)) // fails with the next read
		for open := true; open; {
			_, raw, err := ws.ReadMessage()
			switch {
			case err != nil:
				done.fail("socket ended", 1)
				open = false
			case kindOf(raw) == client.TypeResumed:
				done.Answered++
				open = false
			case kindOf(raw) == client.TypeError:
				done.refusal(raw)
				open = false
			}
		}
		_ = ws.Close()
	}
	return done
}

// kindOf reads a frame's type and leaves the rest.
func kindOf(raw []byte) string {
	rest, found := bytes.CutPrefix(raw, []byte(`{"type":"`))
	if !found {
		return ""
	}
	kind, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(kind)
}

// refusal counts an error frame and returns it.
func (o *outcome) refusal(raw []byte) client.Frame {
	var f client.Frame
	switch err := json.Unmarshal(raw, &f); {
	case err != nil || f.Error == nil:
		o.fail("unreadable error", 1)
	case f.Error.Code == client.CodeTooManyRequests:
		o.Refused++
	default:
		o.fail(f.Error.Code, 1)
	}
	return f
}

// owed begins the id of a frame that must be answered.
const owed = "owed-"

// next is the nth frame of a socket, and whether it must be answered.
func (o order) next(i, n int) (f client.Frame, answered bool) {
	f = client.Frame{Type: o.Kind, SessionID: o.Session}
	other := func(types ...string) {
		f.Type, f.SessionID = types[n%len(types)], o.Others[i%len(o.Others)]
	}
	switch o.Kind {
	case client.TypePing, client.TypeResume, client.TypeHelpRequest:
		return f, true
	case "typing_indicator":
		f.Metadata = map[string]string{"state": []string{"start", "stop"}[n%2]}
		return f, false
	case "read":
		f.Seq = int64(n%greedyEvents + 1)
		return f, false
	case "watch":
		other("watch", "unwatch")
		return f, f.Type == "watch"
	case client.TypeAdminJoin:
		other(client.TypeAdminJoin, client.TypeAdminLeave)
		return f, true
	default:
		panic("no flood of " + o.Kind)
	}
}

// frames sends batches of frames, each with a ping behind it.
func (o order) frames(ctx context.Context, base string, i int) (done outcome) {
	ws, status, err := o.dial(base, "")
	if err != nil {
		done.fail(fmt.Sprint("dial ", status), 1)
		return done
	}
	defer ws.Close()
	batch := floodBatch
	if o.Kind == client.TypeResume {
		batch = 1 // each is answered by the whole session
	}
	var began []time.Time
	open := owing{named: map[string]bool{}}
	send := func() bool {
		b := len(began)
		began = append(began, time.Now())
		for n := b * batch; n < (b+1)*batch; n++ {
			f, answered := o.next(i, n)
			f.ID = fmt.Sprintf("free-%d-%s", n, o.Token[len(o.Token)-8:])
			if answered {
				f.ID = owed + client.NewID()
				open.add(f)
			}
			if err := writeFrame(ws, f); err != nil {
				done.fail("socket ended", 1)
				return false
			}
			done.Sent++
		}
		return writeFrame(ws, client.Frame{Type: client.TypePing, ID: fmt.Sprint("batch-", b)}) == nil
	}
	for range 2 {
		if !send() {
			return done
		}
	}
	for seen := 0; seen < len(began); {
		_ = ws.SetReadDeadline(time.Now().Add(o.Patience)) // fails with the next read
		_, raw, err := ws.ReadMessage()
		if err != nil {
			done.fail("no answer", 1)
			break
		}
		if !done.receive(raw, &open) {
			continue
		}
		done.Slowest = max(done.Slowest, time.Since(began[seen]))
		if seen++; ctx.Err() == nil && !send() {
			break
		}
	}
	done.Silent = open.count()
	return done
}

// owing is what must be answered yet.
type owing struct {
	named   map[string]bool
	unnamed int // whose success does not say which one it is; their refusal does
}

func (o *owing) add(f client.Frame) {
	if f.Type == client.TypeResume || f.Type == "watch" {
		o.unnamed++
		return
	}
	o.named[f.ID] = true
}

// refused takes the frame with the id off.
func (o *owing) refused(id string) {
	switch {
	case o.named[id]:
		delete(o.named, id)
	case strings.HasPrefix(id, owed):
		o.unnamed--
	}
}

func (o *owing) count() int { return len(o.named) + o.unnamed }

// receive handles one frame from the pod. It reports whether the frame is the
// sign that a batch was handled.
func (o *outcome) receive(raw []byte, open *owing) bool {
	var f client.Frame
	switch kind := kindOf(raw); kind {
	case client.TypePong, client.TypeAck:
		if json.Unmarshal(raw, &f) != nil {
			o.fail("unreadable answer", 1)
			return false
		}
		if strings.HasPrefix(f.ID, "batch-") {
			return true
		}
		if kind == client.TypeAck {
			o.Acked = append(o.Acked, ackedFrame{f.SessionID, f.ID, f.Seq})
		}
		o.Answered++
		delete(open.named, f.ID)
	case client.TypeError:
		open.refused(o.refusal(raw).ID)
	case client.TypeResumed:
		o.Answered++
		open.unnamed--
	}
	return false
}

func writeFrame(ws *websocket.Conn, f client.Frame) error {
	var v any = f
	if f.Type == client.TypeResume { // from the beginning, which a frame leaves out
		v = map[string]any{"type": f.Type, "id": f.ID, "session_id": f.SessionID, "seq": 0}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return ws.WriteMessage(websocket.TextMessage, raw)
}

// flooder is a running one.
type flooder struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   bytes.Buffer
}

// flooding starts a flooder.
func flooding(t *testing.T, o order) *flooder {
	t.Helper()
	o.Patience = longestWait
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	f := &flooder{cmd: exec.Command(os.Args[0])}
	f.cmd.Env = append(os.Environ(), childOrder+"="+string(raw))
	f.cmd.Stdout, f.cmd.Stderr = &f.out, os.Stderr
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if f.stdin, err = f.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := f.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.cmd.Process.Kill() }) // it has mostly ended
	return f
}

// end ends it and returns what it saw and the processor time it took.
func (f *flooder) end(t *testing.T) (done outcome, busy time.Duration) {
	t.Helper()
	_ = f.stdin.Close()
	err := f.cmd.Wait()
	if jerr := json.Unmarshal(f.out.Bytes(), &done); err != nil || jerr != nil {
		t.Errorf("the flooder: %v, %v", err, jerr)
	}
	return done, f.cmd.ProcessState.UserTime() + f.cmd.ProcessState.SystemTime()
}
