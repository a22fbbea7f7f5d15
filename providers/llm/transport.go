package llm

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

const (
	dialTimeout      = 10 * time.Second
	handshakeTimeout = 10 * time.Second
	maxHeaderBytes   = 64 << 10
	maxIdlePerHost   = 32
	maxLine          = 4 << 20  // of a stream: one event
	maxBody          = 16 << 20 // a whole answer, where no stream came
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
// that is no success into a failure that shows nothing the vendor wrote; and it
// bounds what a stream may make this process hold.
type guard struct {
	client   *http.Client
	key      Secret
	optional optional
}

func newGuard(transport http.RoundTripper, key Secret) *guard {
	return &guard{key: key, client: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// do sends the request; the caller closes the body. fields are those of the
// request whose refusal the failure tells.
func (g *guard) do(req *http.Request, fields []string) (*http.Response, error) {
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, transportFailure(err)
	}
	plain, err := decompressed(resp)
	if resp.StatusCode/100 != 2 {
		if err == nil {
			resp.Body = plain
		}
		err = responseFailure(resp, g.key, fields) // the status says enough where the body cannot be read
	}
	if err != nil {
		_ = resp.Body.Close() // nothing more is wanted of it
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: plain}
	return resp, nil
}

// decompressed is the body as it was before it was compressed, which nobody
// asked for and some gateways do. Names in the header that stand for no
// compression (utf-8, none, aws-chunked) make no difference.
func decompressed(resp *http.Response) (io.ReadCloser, error) {
	var body io.Reader = resp.Body
	codings := strings.Split(strings.ToLower(strings.Join(resp.Header.Values("Content-Encoding"), ",")), ",")
	compressed := false
	for _, how := range slices.Backward(codings) {
		switch how = strings.TrimSpace(how); how {
		case "gzip", "x-gzip":
			body, compressed = &lazyReader{r: bufio.NewReader(body), open: openGzip}, true
		case "deflate":
			body, compressed = &lazyReader{r: bufio.NewReader(body), open: openDeflate}, true
		case "br", "zstd", "compress", "x-compress", "bzip2", "xz", "lz4", "lzma", "snappy", "dcb", "dcz":
			return nil, &failure{
				status: resp.StatusCode, kind: how,
				text: "the provider compresses its answer in a way that was not asked for", permanent: true,
			}
		}
	}
	if !compressed {
		body = &lazyReader{r: bufio.NewReader(body), open: openUnlabelled}
	}
	return struct {
		io.Reader
		io.Closer
	}{body, resp.Body}, nil
}

// lazyReader finds out how to read a body when the first byte is wanted: a
// stream's beginning may be long after its header.
type lazyReader struct {
	r    *bufio.Reader
	open func(*bufio.Reader) (io.Reader, error)
	in   io.Reader
}

func (b *lazyReader) Read(p []byte) (int, error) {
	if b.in == nil {
		in, err := b.open(b.r)
		if err != nil {
			return 0, err
		}
		b.in = in
	}
	return b.in.Read(p)
}

// openUnlabelled reads a body that says nothing of compression, and may be
// compressed all the same.
func openUnlabelled(r *bufio.Reader) (io.Reader, error) {
	if magic, _ := r.Peek(1); len(magic) == 1 && magic[0] == 0x1f { // no text begins so
		return openGzip(r)
	}
	return r, nil
}

func openGzip(r *bufio.Reader) (io.Reader, error) {
	if magic, err := r.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		if len(magic) == 0 {
			return nil, err
		}
		return r, nil // labelled so, and plain
	}
	return gzip.NewReader(r)
}

// openDeflate knows both readings of the name: zlib's format, which is meant,
// and the bare one.
func openDeflate(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(2)
	switch {
	case len(head) == 0:
		return nil, err
	case len(head) == 2 && head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0:
		return zlib.NewReader(r)
	default:
		return flate.NewReader(r), nil
	}
}

// boundedBody fails a stream that is longer than any answer can be; how long
// one event may be is for the reader of events. Its errors show nothing that
// the vendor wrote.
type boundedBody struct {
	io.ReadCloser
	total int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.total += n; b.total > maxStream {
		err = errStreamTooLong
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return n, transportFailure(err)
	}
	return n, err
}

var errStreamTooLong = errors.New("the stream is longer than an answer can be")
