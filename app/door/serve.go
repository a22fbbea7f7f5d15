package door

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// handler applies the limits of bodies and responses to each request.
func (d *Door) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := connOf(r.Context())
		if c == nil {
			next.ServeHTTP(w, r)
			return
		}
		c.begin()
		defer c.over()
		out := &response{ResponseWriter: w, conn: c}
		if r.Body != nil && r.Body != http.NoBody {
			out.body = &body{ReadCloser: r.Body, conn: c, left: d.cfg.BodyTime}
			in := *r // the server keeps using its own
			in.Body = out.body
			r = &in
		}
		next.ServeHTTP(out, r)
		out.settle()
	})
}

// mostCredit is the longest time that a fast body or a fast reader saves for a pause.
// Without it a large upload or download could stall for hours after its first
// megabytes.
const mostCredit = time.Minute

// body is a request's body. It may keep the pod waiting for BodyTime, plus one
// second for each BodyRate bytes received, but at most mostCredit at once. So a
// long body may take long, but a stalled one may not.
type body struct {
	io.ReadCloser

	conn *Conn
	left time.Duration
	end  error // the error that ended reading
}

// Read fails with os.ErrDeadlineExceeded when the client's time is up.
func (b *body) Read(p []byte) (int, error) {
	if b.end != nil {
		return 0, b.end
	}
	begun := time.Now()
	b.conn.await(begun.Add(b.left))
	n, err := b.ReadCloser.Read(p)
	b.left += time.Duration(n)*time.Second/time.Duration(b.conn.door.cfg.BodyRate) - time.Since(begun)
	b.left = min(b.left, max(b.conn.door.cfg.BodyTime, mostCredit))
	b.conn.resume()
	if err != nil && !errors.Is(err, io.EOF) && b.left <= 0 {
		err = os.ErrDeadlineExceeded // the reader of a chunk or a trailer may have hidden the error
		b.conn.door.refused[cutBody].Inc()
	}
	b.end = err
	return n, err
}

// unread reports whether more of the body may arrive.
func (b *body) unread() bool { return b != nil && !errors.Is(b.end, io.EOF) }

// response is a request's response.
type response struct {
	http.ResponseWriter

	conn    *Conn
	body    *body // nil: the request has none
	settled bool
}

// settle decides, before the response's first byte, what happens to a body that
// was not read to its end. Nothing more is read if the caller has shown no
// credential, if the body failed, or if the handler closes the connection.
// Otherwise the server reads a little of it, within the body's time, to keep the
// connection.
func (r *response) settle() {
	if r.settled {
		return
	}
	r.settled = true
	if !r.body.unread() {
		return
	}
	if r.conn.trusted() && r.body.end == nil && !strings.EqualFold(r.Header().Get("Connection"), "close") {
		r.conn.await(time.Now().Add(r.body.left))
		return
	}
	r.Header().Set("Connection", "close")
	r.conn.abandon()
}

func (r *response) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		r.settle()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *response) Write(p []byte) (int, error) {
	r.settle()
	return r.ResponseWriter.Write(p)
}

// Unwrap supports http.ResponseController.
func (r *response) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Hijack hands over the connection without the door's wrapper.
func (r *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	_, rw, err := http.NewResponseController(r.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	r.settled, r.body = true, nil
	raw := r.conn.release()
	rw.Writer.Reset(raw)
	return raw, rw, nil
}
