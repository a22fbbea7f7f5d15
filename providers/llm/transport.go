package llm

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	maxHeaderBytes   = 64 << 10
	maxIdlePerHost   = 32
	maxLine          = 4 << 20  // of a stream: one event
	maxStream        = 64 << 20 // of a stream: all events of an answer
)

// newTransport is shared by all providers of a router. It has no timeout for
// the response's header: that is told apart from other silences by the watch.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // a compressed stream comes in lumps
	}
}

// guard is the only way to a vendor. It follows no redirect, since key and
// prompt are meant for the configured endpoint alone; it turns every answer
// but 200 into a failure that shows nothing the vendor wrote; and it bounds
// what a stream may make this process hold.
type guard struct {
	client *http.Client
	key    Secret
}

func newGuard(transport http.RoundTripper, key Secret) *guard {
	return &guard{key: key, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends the request; the caller closes the body.
func (g *guard) Do(req *http.Request) (*http.Response, error) {
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, asFailure(g.key, err)
	}
	if resp.StatusCode != http.StatusOK {
		f := responseFailure(resp, g.key)
		_ = resp.Body.Close() // nothing more is wanted of it
		return nil, f
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body}
	return resp, nil
}

// boundedBody fails a stream whose lines, or which itself, are longer than
// any answer can be.
type boundedBody struct {
	io.ReadCloser
	line, total int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.total += n
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.line = n - i - 1
	} else {
		b.line += n
	}
	if b.line > maxLine || b.total > maxStream {
		return 0, errors.New("the stream is longer than an answer can be")
	}
	return n, err
}
