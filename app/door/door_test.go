package door

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
)

const post = "POST / HTTP/1.1\r\nHost: pod\r\n"

// Every phase of a connection has a limit, even if the client sends bytes to keep
// it alive.
func TestDoor_EveryPhaseEnds(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		address string
		begun   string
		drip    string
		within  time.Duration
		answer  string // its beginning
		reason  reason
	}{
		"nothing is said":                {handler: refuses, within: 5 * time.Second, reason: cutHeader},
		"a header drips":                 {handler: refuses, begun: "GET / HTTP/1.1\r\nX-Slow: ", drip: "x", within: 5 * time.Second, reason: cutHeader},
		"a header drips, of a proxy":     {handler: refuses, address: proxy, begun: "GET / HTTP/1.1\r\nX-Slow: ", drip: "x", within: 5 * time.Second, reason: cutHeader},
		"idle, without a credential":     {handler: refuses, begun: "GET / HTTP/1.1\r\nHost: pod\r\n\r\n", within: 10 * time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"idle, of a proxy":               {handler: refuses, address: proxy, begun: "GET / HTTP/1.1\r\nHost: pod\r\n\r\n", within: 90 * time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"idle, with a credential":        {handler: reads, begun: "GET / HTTP/1.1\r\nHost: pod\r\n\r\n", within: 90 * time.Second, answer: "HTTP/1.1 200", reason: noReason},
		"a body that does not come":      {handler: reads, begun: post + "Content-Length: 9\r\n\r\n", within: 11 * time.Second, answer: "HTTP/1.1 400", reason: cutBody},
		"a body drips":                   {handler: reads, begun: post + "Content-Length: 200000\r\n\r\n", drip: "x", within: 11 * time.Second, answer: "HTTP/1.1 400", reason: cutBody},
		"a chunked body drips":           {handler: reads, begun: post + "Transfer-Encoding: chunked\r\n\r\n", drip: "1\r\nx\r\n", within: 11 * time.Second, answer: "HTTP/1.1 400", reason: cutBody},
		"a chunk's size drips":           {handler: reads, begun: post + "Transfer-Encoding: chunked\r\n\r\n", drip: "0", within: 11 * time.Second, answer: "HTTP/1.1 400", reason: cutBody},
		"a trailer drips":                {handler: reads, begun: post + "Transfer-Encoding: chunked\r\n\r\n0\r\nX-", drip: "x", within: 11 * time.Second, answer: "HTTP/1.1 400", reason: cutBody},
		"a body is asked for":            {handler: reads, begun: post + "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", within: 11 * time.Second, answer: "HTTP/1.1 100", reason: cutBody},
		"a body nobody reads":            {handler: func(w http.ResponseWriter, r *http.Request) { Known(r.Context()) }, begun: post + "Content-Length: 9\r\n\r\n", within: 11 * time.Second, answer: "HTTP/1.1 200", reason: noReason},
		"a body, without a credential":   {handler: refuses, begun: post + "Content-Length: 9\r\n\r\n", within: time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"a long body, without a cred.":   {handler: refuses, begun: post + "Content-Length: 99999999\r\n\r\nxxxx", drip: "x", within: time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"a chunked body, without a cred": {handler: refuses, begun: post + "Transfer-Encoding: chunked\r\n\r\n", drip: "1\r\nx\r\n", within: time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"asks first, without a cred.":    {handler: refuses, begun: post + "Content-Length: 9\r\nExpect: 100-continue\r\n\r\n", within: time.Second, answer: "HTTP/1.1 401", reason: noReason},
		"a fast body that stalls":        {handler: reads, begun: post + "Content-Length: 99999999\r\n\r\n" + strings.Repeat("x", 2<<20), within: time.Minute, answer: "HTTP/1.1 400", reason: cutBody},
		"a pipelined second body":        {handler: reads, begun: post + "Content-Length: 2\r\n\r\nok" + post + "Content-Length: 2\r\n\r\n", within: 11 * time.Second, answer: "HTTP/1.1 200", reason: cutBody},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := open(t, Config{}, c.handler)
				address := stranger
				if c.address != "" {
					address = c.address
				}
				g := o.come(address)
				g.say(c.begun)
				var took time.Duration
				if c.drip == "" {
					took = g.over()
				} else {
					took = g.drip(c.drip, time.Second)
				}
				assert.LessOrEqual(t, took, c.within+2*time.Second)
				assert.GreaterOrEqual(t, took, c.within-2*time.Second)
				assert.True(t, strings.HasPrefix(g.heard(), c.answer), g.heard())
				if c.reason != noReason {
					assert.Equal(t, 1, o.count(c.reason))
				}
				o.shut()
			})
		})
	}
}

// Without a credential the response is sent before the body arrives.
func TestDoor_AnswersBeforeTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, Config{}, refuses)
		for _, length := range []string{"Content-Length: 9", "Content-Length: 999999999", "Transfer-Encoding: chunked"} {
			g := o.come(stranger)
			g.say(post + length + "\r\n\r\n")
			synctest.Wait()
			assert.Contains(t, g.heard(), "HTTP/1.1 401", length)
			assert.Contains(t, g.heard(), "Connection: close", length)
			assert.LessOrEqual(t, g.over(), time.Second)
		}
		o.shut()
	})
}

// A body that arrives steadily may take long.
func TestDoor_LongBodyThatMovesIsTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, Config{}, reads)
		g := o.come(stranger)
		const pieces, size = 120, 10 << 10
		g.say(fmt.Sprintf("%sContent-Length: %d\r\n\r\n", post, pieces*size))
		for range pieces {
			sleep.For(t.Context(), time.Second)
			g.say(strings.Repeat("x", size))
		}
		synctest.Wait()
		assert.Contains(t, g.heard(), "HTTP/1.1 200")
		_ = g.Close()
		o.shut()
	})
}

// A handler may take its time; its request's context stays alive.
func TestDoor_HandlersTimeIsNotTheClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			reads(w, r)
			select {
			case <-time.After(5 * time.Minute):
				_, _ = io.WriteString(w, "done")
			case <-r.Context().Done():
			}
		})
		for _, request := range []string{"GET / HTTP/1.1\r\nHost: pod\r\n\r\n", post + "Content-Length: 2\r\n\r\nok", post + "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"} {
			g := o.come(stranger)
			g.say(request)
			sleep.For(t.Context(), 6*time.Minute)
			assert.Contains(t, g.heard(), "done")
			_ = g.Close()
		}
		o.shut()
	})
}

// A response is cut off if its reader stalls, not because it is long.
func TestDoor_SlowReaders(t *testing.T) {
	const size = 1 << 20
	for name, c := range map[string]struct {
		first  int // bytes that are read at once
		step   int
		every  time.Duration
		whole  bool
		within time.Duration
	}{
		"moves":        {step: 16 << 10, every: time.Second, whole: true, within: 70 * time.Second},
		"drips":        {step: 100, every: time.Second, within: 40 * time.Second},
		"stops late":   {first: size - 100_000, step: 1, every: time.Hour, within: 61 * time.Second},
		"pauses":       {first: size - 100_000, step: 50_000, every: 45 * time.Second, whole: true, within: 100 * time.Second},
		"stands still": {step: 1, every: time.Hour, within: 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ended := make(chan time.Duration, 1)
				o := open(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
					Known(r.Context())
					began := time.Now()
					w.Header().Set("Content-Length", fmt.Sprint(size))
					_, _ = io.WriteString(w, strings.Repeat("x", size))
					ended <- time.Since(began)
				})
				client, got := o.silent(), 0
				_, _ = io.WriteString(client, "GET / HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n")
				n, _ := io.CopyN(io.Discard, client, int64(c.first))
				got += int(n)
				b := make([]byte, c.step)
				for {
					n, err := io.ReadFull(client, b)
					got += n
					if err != nil {
						break
					}
					sleep.For(t.Context(), c.every)
				}
				took := <-ended
				assert.Equal(t, c.whole, got >= size, "read %d", got)
				assert.LessOrEqual(t, took, c.within)
				if !c.whole {
					assert.Equal(t, 1, o.count(cutResponse))
				}
				_ = client.Close()
				o.shut()
			})
		})
	}
}

// There are limits per address and per pod; a full pod evicts a connection.
func TestDoor_Caps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, Config{Unknown: 10, PerAddress: 4}, reads)
		var mine []*guest
		for range 6 {
			mine = append(mine, o.come(stranger))
		}
		synctest.Wait()
		for n, g := range mine {
			assert.Equal(t, n >= 4, g.done(), n)
		}
		assert.Contains(t, mine[4].heard(), "HTTP/1.1 503")
		assert.Contains(t, mine[4].heard(), "Retry-After: ")
		assert.Equal(t, 2, o.count(refusedAddress))
		for range 6 { // a proxy's connections count for no address, but the pod's limit applies
			mine = append(mine, o.come(proxy))
		}
		synctest.Wait()
		assert.Equal(t, 10, o.door.Waiting())
		late := o.come(proxy)
		assert.Zero(t, late.over(), "all of them are new: nobody makes room")
		assert.Equal(t, 1, o.count(refusedPod))
		sleep.For(t.Context(), 2*time.Second)
		late = o.come(proxy)
		synctest.Wait()
		assert.False(t, late.done())
		assert.True(t, mine[0].done(), "the oldest makes room")
		assert.Equal(t, 1, o.count(cutEvicted))
		// A connection that has shown a credential is not counted and is not
		// evicted.
		mine[1].say(post + "Content-Length: 0\r\n\r\n")
		synctest.Wait()
		assert.Equal(t, 9, o.door.Waiting())
		for range 4 {
			o.come(proxy)
		}
		synctest.Wait()
		assert.False(t, mine[1].done())
		for _, g := range mine {
			_ = g.Close()
		}
		o.shut()
	})
}

// End closes connections that wait, and none that is being answered.
func TestDoor_End(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := open(t, Config{}, func(w http.ResponseWriter, r *http.Request) {
			reads(w, r)
			if r.URL.Path == "/long" {
				sleep.For(context.WithoutCancel(r.Context()), time.Minute)
				_, _ = io.WriteString(w, "done")
			}
		})
		long := o.come(stranger)
		long.say("GET /long HTTP/1.1\r\nHost: pod\r\n\r\n")
		waiting := map[string]*guest{}
		for _, begun := range []string{
			"", "GET", "GET / HTTP/1.1\r\nHost: pod\r\n\r\n",
			post + "Content-Length: 9\r\n\r\n", post + "Content-Length: 9\r\n\r\n1234", post + "Transfer-Encoding: chunked\r\n\r\n5\r\n",
		} {
			waiting[begun] = o.come(stranger)
			waiting[begun].say(begun)
		}
		synctest.Wait()
		began := time.Now()
		o.door.End()
		for begun, g := range waiting {
			g.over()
			assert.LessOrEqual(t, time.Since(began), time.Second, "%q", begun)
		}
		late := o.come(stranger)
		late.say("GET")
		late.over()
		assert.LessOrEqual(t, time.Since(began), time.Second)
		long.over()
		assert.Contains(t, long.heard(), "done")
		o.shut()
	})
}
