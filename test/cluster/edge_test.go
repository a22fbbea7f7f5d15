package cluster

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// raw is a connection to a pod on which requests are written byte by byte.
type raw struct {
	net.Conn

	c *cluster
	r *bufio.Reader
}

func (c *cluster) raw(pod int) raw {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.stack.Pods()[pod].Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return raw{Conn: conn, c: c, r: bufio.NewReader(conn)}
}

// begin writes the beginning of a POST; the token may be "".
func (w raw) begin(path, token, rest string) raw {
	w.c.t.Helper()
	head := "POST /chatbox" + path + " HTTP/1.1\r\nHost: pod\r\nContent-Type: application/json\r\n"
	if token != "" {
		head += "Authorization: Bearer " + token + "\r\n"
	}
	w.write(head + rest)
	return w
}

func (w raw) write(s string) {
	w.c.t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		w.c.t.Fatal(err)
	}
}

// answer reads a response and returns its status, and whether it is the last.
func (w raw) answer() (status int, last bool, text string) {
	w.c.t.Helper()
	res, err := http.ReadResponse(w.r, nil)
	if err != nil {
		w.c.t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err = errors.Join(err, res.Body.Close()); err != nil {
		w.c.t.Fatal(err)
	}
	return res.StatusCode, res.Close, string(body)
}

// ends waits for the end of the connection, orderly or not.
func (w raw) ends(what string) {
	w.c.t.Helper()
	_, err := io.Copy(io.Discard, w.r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.c.t.Errorf("%s: the connection stands", what)
	}
}

// A request that can be refused without its body is refused before the body is
// read, which ends the connection.
func TestEdge_AnswersBeforeTheBody(t *testing.T) {
	c := start(t, 1)
	ada := c.token("ada")
	long := strings.Repeat("x", 256<<10)
	for name, tc := range map[string]struct {
		path, token, rest string
		status            int
	}{
		"no credential":           {"/sessions/s-1/messages", "", "Content-Length: 100\r\n\r\n", 401},
		"no credential, chunked":  {"/sessions/s-1/messages", "", "Transfer-Encoding: chunked\r\n\r\n", 401},
		"no credential, huge":     {"/sessions/s-1/messages", "", "Content-Length: 99999999999\r\n\r\n{", 401},
		"a bad one":               {"/sessions/s-1/messages", "x.y.z", "Content-Length: 100\r\n\r\n{", 401},
		"no such route":           {"/nowhere", "", "Content-Length: 100\r\n\r\n{", 404},
		"no such method":          {"/healthz", "", "Content-Length: 100\r\n\r\n{", 405},
		"not an admin's":          {"/admin/takeover/s-1", ada, "Content-Length: 99999999999\r\n\r\n{", 413},
		"announced beyond limits": {"/sessions/s-1/messages", ada, "Content-Length: 99999999999\r\n\r\n{", 413},
		"chunked beyond limits":   {"/sessions/s-1/messages", ada, "Transfer-Encoding: chunked\r\n\r\n40001\r\n" + long + "x\r\n", 413},
		"a chunk beyond limits":   {"/sessions/s-1/messages", ada, "Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n" + long + "x", 413},
		"asks first, no cred.":    {"/sessions/s-1/messages", "", "Content-Length: 100\r\nExpect: 100-continue\r\n\r\n", 401},
		"asks first, too much":    {"/sessions/s-1/messages", ada, "Content-Length: 999999\r\nExpect: 100-continue\r\n\r\n", 413},
	} {
		w := c.raw(0).begin(tc.path, tc.token, tc.rest)
		status, last, body := w.answer()
		if status != tc.status || !last || !strings.Contains(body, `"code"`) {
			t.Errorf("%s: %d, the last: %t, %s", name, status, last, body)
		}
		w.ends(name)
	}
	// With a credential a small body that nobody needs costs no connection.
	w := c.raw(0)
	for range 2 {
		w.begin("/ticket", ada, "Content-Length: 2\r\n\r\n{}")
		if status, last, _ := w.answer(); status != http.StatusOK || last {
			t.Errorf("%d, the last: %t", status, last)
		}
	}
}

// A request whose length can be read in two ways is read in none.
func TestEdge_TwoLengthsAreRefused(t *testing.T) {
	c := start(t, 1)
	smuggled := "GET /chatbox/healthz HTTP/1.1\r\nHost: pod\r\n\r\n"
	for _, rest := range []string{
		fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len("0\r\n\r\n"+smuggled), smuggled),
		"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
	} {
		w := c.raw(0).begin("/ticket", c.token("ada"), rest)
		if status, _, body := w.answer(); status != http.StatusBadRequest {
			t.Errorf("%d %s", status, body)
		}
		if left, _ := io.ReadAll(w.r); len(left) > 0 {
			t.Errorf("more was answered: %s", left)
		}
	}
}

// A drain ends what only waits, and what is said to it meanwhile is whole or
// not there.
func TestEdge_DrainEndsWhatOnlyWaits(t *testing.T) {
	c := start(t, 2)
	ada := c.token("ada")
	var waiting []raw
	for range 5 {
		for _, begun := range []func() raw{
			func() raw { return c.raw(0) },
			func() raw { w := c.raw(0); w.write("POST /chatbox/ticket HT"); return w },
			func() raw { return c.raw(0).begin("/sessions/s-1/messages", ada, "Content-Length: 100\r\n\r\n{") },
			func() raw {
				return c.raw(0).begin("/sessions/s-1/messages", ada, "Transfer-Encoding: chunked\r\n\r\n5\r\n{")
			},
			func() raw { return c.raw(0).begin("/ticket", ada, "Content-Length: 100\r\n\r\n{") },
			func() raw { // idle
				w := c.raw(0).begin("/ticket", ada, "Content-Length: 0\r\n\r\n")
				w.answer()
				return w
			},
		} {
			waiting = append(waiting, begun())
		}
	}
	if err := c.stack.DrainPod(c.ctx, "pod-1"); err != nil {
		t.Errorf("drain: %v", err)
	}
	for n, w := range waiting {
		w.ends(fmt.Sprint("connection ", n))
	}
	c.as("", "ada").want(http.StatusNotFound, http.MethodGet, "/sessions/s-1", "")
}

// After the response to a revocation no pod shows the share, also under concurrent
// reads.
func TestShare_RevokedUnderReads(t *testing.T) {
	c := start(t, 3)
	ada := c.as("", "ada")
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first words [[words=3]]"))
	const rounds, readers, most = 4, 6, 30 // fewer than strangers may read in a minute
	for range rounds {
		path := "/chatbox/shared/" + fmt.Sprint(ada.want(http.StatusOK, http.MethodPost, "/sessions/s-1/share", "").field(t, "share_token"))
		var revoked atomic.Bool
		var before, after atomic.Int64
		var work sync.WaitGroup
		read := make(chan struct{}, readers*most)
		for n := range readers {
			work.Go(func() {
				for range most {
					late := revoked.Load()
					res, err := c.http.Get(c.podURL(n%3) + path)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					switch {
					case res.StatusCode == http.StatusOK && late:
						after.Add(1)
					case res.StatusCode == http.StatusOK:
						before.Add(1)
						read <- struct{}{}
					case res.StatusCode != http.StatusNotFound:
						t.Errorf("status %d", res.StatusCode)
					}
				}
			})
		}
		for range readers {
			<-read
		}
		ada.want(http.StatusOK, http.MethodDelete, "/sessions/s-1/share", "")
		revoked.Store(true)
		work.Wait()
		if before.Load() == 0 || after.Load() > 0 {
			t.Errorf("%d reads before the revoke, %d that began after it succeeded", before.Load(), after.Load())
		}
		for n := range 3 {
			res, err := c.http.Get(c.podURL(n) + path)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if res.StatusCode != http.StatusNotFound {
				t.Errorf("pod %d: %d", n, res.StatusCode)
			}
		}
	}
}
