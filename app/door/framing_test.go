package door

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"chatbox/test/fuzz"

	"github.com/stretchr/testify/assert"
)

const get = "GET / HTTP/1.1\r\nHost: pod\r\n"

// How a request's length headers are judged. The server's own verdicts are listed
// beside ours, to detect changes in the library.
func TestDoor_Framing(t *testing.T) {
	chunked := "Transfer-Encoding: chunked\r\n"
	for name, c := range map[string]struct {
		request string
		answers []string
		refused bool // by the door
	}{
		"both lengths":                     {request: post + "Content-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, the other way round":        {request: post + chunked + "Content-Length: 5\r\n\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, in small letters":           {request: post + "content-length:5\r\ntransfer-encoding:chunked\r\n\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, of zero":                    {request: post + "Content-Length: 0\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, behind a long line":         {request: post + "X-Long: " + strings.Repeat("x", 9000) + "\r\nContent-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, of HTTP/1.0":                {request: "POST / HTTP/1.0\r\nContent-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, with bare line feeds":       {request: "POST / HTTP/1.1\nHost: pod\nContent-Length: 5\nTransfer-Encoding: chunked\n\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"both, in the second":              {request: post + "Content-Length: 2\r\n\r\nok" + post + "Content-Length: 5\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"200", "400"}, refused: true},
		"both, behind a chunked one":       {request: post + chunked + "\r\n2;x=y\r\nok\r\n0\r\nX-T: 1\r\n\r\n" + post + chunked + "Content-Length: 5\r\n\r\n", answers: []string{"200", "400"}, refused: true},
		"a folded line":                    {request: get + "X-Folded: a\r\n b\r\n\r\n", answers: []string{"400"}, refused: true},
		"a folded length":                  {request: post + "Content-Length:\r\n 5\r\n" + chunked + "\r\n0\r\n\r\n", answers: []string{"400"}, refused: true},
		"one length, twice":                {request: post + "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", answers: []string{"200"}},
		"two lengths":                      {request: post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", answers: []string{"400"}},
		"lengths in one line":              {request: post + "Content-Length: 2, 2\r\n\r\nok", answers: []string{"400"}},
		"a signed length":                  {request: post + "Content-Length: +2\r\n\r\nok", answers: []string{"400"}},
		"a negative length":                {request: post + "Content-Length: -2\r\n\r\nok", answers: []string{"400"}},
		"a length of hexadecimal digits":   {request: post + "Content-Length: 0x2\r\n\r\nok", answers: []string{"400"}},
		"a length beyond all":              {request: post + "Content-Length: 99999999999999999999\r\n\r\nok", answers: []string{"400"}},
		"no length in the line":            {request: post + "Content-Length:\r\n\r\n", answers: []string{"400"}},
		"a space before the colon":         {request: post + "Content-Length : 2\r\n\r\nok", answers: []string{"400"}},
		"another coding":                   {request: post + "Transfer-Encoding: gzip\r\n\r\nok", answers: []string{"501"}},
		"codings in one line":              {request: post + "Transfer-Encoding: gzip, chunked\r\n\r\nok", answers: []string{"501"}},
		"codings in two lines":             {request: post + chunked + chunked + "\r\n0\r\n\r\n", answers: []string{"501"}},
		"a coding with white space behind": {request: post + "Transfer-Encoding: chunked \r\n\r\n0\r\n\r\n", answers: []string{"200"}},
		"a coding with a control before":   {request: post + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", answers: []string{"400"}},
		"a chunk with a bare line feed":    {request: post + chunked + "\r\n2\nok\r\n0\r\n\r\n", answers: []string{"400"}},
		"a chunk that is too short":        {request: post + chunked + "\r\n3\r\nok\r\n0\r\n\r\n", answers: []string{"400"}},
		"a chunk of no size":               {request: post + chunked + "\r\nzz\r\nok\r\n0\r\n\r\n", answers: []string{"400"}},
		"bare line feeds":                  {request: "GET / HTTP/1.1\nHost: pod\n\n", answers: []string{"200"}},
		"a bare carriage return":           {request: "GET / HTTP/1.1\r\nHost: pod\r\nX: a\rb\r\n\r\n", answers: []string{"400"}},
		"a NUL":                            {request: "GET / HTTP/1.1\r\nHost: pod\r\nX: a\x00b\r\n\r\n", answers: []string{"400"}},
		"no host":                          {request: "GET / HTTP/1.1\r\n\r\n", answers: []string{"400"}},
		"two hosts":                        {request: get + "Host: other\r\n\r\n", answers: []string{"400"}},
		"a body that looks like headers":   {request: post + chunked + "\r\n1b\r\n\r\nContent-Length: 5\r\nX: y\r\n\r\n0\r\n\r\n", answers: []string{"200"}},
		"pipelined, of all kinds": {
			request: get + "\r\n" + post + "Content-Length: 2\r\n\r\nok" + "\r\n" + post + chunked + "\r\n2\r\nok\r\n0\r\n\r\n" + get + "\r\n",
			answers: []string{"200", "200", "200", "200"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pieces := range []int{1, 7, 4096} {
				synctest.Test(t, func(t *testing.T) {
					o := open(t, Config{}, reads)
					g := o.come(stranger)
					rest := c.request
					for len(rest) > 0 {
						n := min(pieces, len(rest))
						g.say(rest[:n])
						rest = rest[n:]
					}
					synctest.Wait()
					assert.Equal(t, c.answers, answers(g.heard()), "in pieces of %d: %s", pieces, g.heard())
					assert.Equal(t, c.refused, o.count(cutFraming) == 1, "in pieces of %d", pieces)
					_ = g.Close()
					o.shut()
				})
			}
		})
	}
}

// answers are the statuses of the responses.
func answers(said string) (statuses []string) {
	for line := range strings.SplitSeq(said, "HTTP/1.1 ") {
		if line != "" {
			statuses = append(statuses, line[:3])
		}
	}
	return statuses
}

// FuzzFraming compares the parser with the library on the same bytes: no header
// with both lengths passes, and none is refused without cause.
func FuzzFraming(f *testing.F) {
	f.Add([]byte(post+"Content-Length: 2\r\n\r\nok"+get+"\r\n"), 3)
	f.Add([]byte(post+"Transfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nT: 1\r\n\r\n"+post+"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 1)
	f.Add([]byte("\r\n\r\n"+get+"X: y\r\n z\r\n\r\n"), 5)
	fuzz.Run(f, func(t fuzz.T, b []byte, step int) {
		if step < 1 {
			step = 1
		}
		whole, parts := framing{}, framing{}
		good, err := whole.scan(b)
		var perr error
		for at := 0; at < len(b) && perr == nil; at += step {
			_, perr = parts.scan(b[at:min(len(b), at+step)])
		}
		if err != perr { //nolint:errorlint // the same one
			t.Fatalf("in one piece: %v, in pieces: %v", err, perr)
		}
		if good > len(b) {
			t.Fatalf("%d of %d bytes", good, len(b))
		}
		both := libraryMeetsBoth(b)
		if both && err == nil {
			t.Fatalf("both lengths pass: %q", b)
		}
	})
}

// libraryMeetsBoth reports whether the library takes a request with both
// lengths out of b.
func libraryMeetsBoth(b []byte) bool {
	read := &counter{r: bytes.NewReader(b)}
	// One byte at a time, so that the count gives the library's position.
	in := bufio.NewReader(iotest.OneByteReader(read))
	for {
		begun := read.n - in.Buffered()
		r, err := http.ReadRequest(in)
		if err != nil {
			return false
		}
		head := strings.ToLower(string(b[begun : read.n-in.Buffered()]))
		if strings.Contains(head, "\ncontent-length:") && strings.Contains(head, "\ntransfer-encoding:") && r.ContentLength < 0 {
			return true
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return false
		}
	}
}

type counter struct {
	r io.Reader
	n int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
