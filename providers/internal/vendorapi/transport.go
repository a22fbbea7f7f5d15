package vendorapi

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
	maxStream        = 64 << 20 // bytes of one response
)

// NewTransport returns a transport that several clients may share. It has no
// timeout for response headers, since the caller distinguishes that timeout from
// others.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		ForceAttemptHTTP2:      true,
		TLSHandshakeTimeout:    handshakeTimeout,
		MaxIdleConnsPerHost:    maxIdlePerHost,
		IdleConnTimeout:        90 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxResponseHeaderBytes: maxHeaderBytes,
		DisableCompression:     true, // a compressed stream arrives in large pieces
	}
}

// Client sends all requests to a vendor. It follows no redirects, since key and
// content are meant only for the configured endpoint. It converts unsuccessful
// responses to failures without text from the vendor, and it bounds the memory
// that a stream can use.
type Client struct {
	http *http.Client
	key  Secret
}

// NewClient returns a client that sends its requests by the transport. The key is
// kept out of failures; the requests have it already.
func NewClient(transport http.RoundTripper, key Secret) *Client {
	return &Client{key: key, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Do sends the request. The caller closes the body. fields are the fields of the
// request that a failure may report as refused.
func (c *Client) Do(req *http.Request, fields []string) (*http.Response, error) {
	resp, err := c.http.Do(req) //nolint:gosec // the operator configures the address
	if err != nil {
		return nil, transportFailure(err)
	}
	plain, err := decompressed(resp)
	if resp.StatusCode/100 != 2 {
		if err == nil {
			resp.Body = plain
		}
		err = responseFailure(resp, c.key, fields) // the status is sufficient if the body cannot be read
	}
	if err != nil {
		_ = resp.Body.Close() // the body is not needed any more
		return nil, err
	}
	resp.Body = &boundedBody{ReadCloser: plain}
	return resp, nil
}

// decompressed returns the decompressed body. Requests do not allow compression,
// but some gateways compress anyway. Content codings that are not compressions
// (utf-8, none, aws-chunked) are ignored.
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
			return nil, &Failure{
				Status: resp.StatusCode, Kind: how,
				Text: "the provider compresses its answer in a way that was not asked for", Permanent: true,
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

// lazyReader chooses the decoder when the first byte is read, since the first
// byte of a stream may arrive long after the header.
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

// openUnlabelled reads a body without a content coding. The body may be
// compressed nevertheless.
func openUnlabelled(r *bufio.Reader) (io.Reader, error) {
	if magic, _ := r.Peek(1); len(magic) == 1 && magic[0] == 0x1f { // no text begins with this byte
		return openGzip(r)
	}
	return r, nil
}

func openGzip(r *bufio.Reader) (io.Reader, error) {
	if magic, err := r.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		if len(magic) == 0 {
			return nil, err
		}
		return r, nil // labelled as gzip, but not compressed
	}
	return gzip.NewReader(r)
}

// openDeflate accepts both formats called deflate: the zlib format, which the
// standard specifies, and the raw format.
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

// boundedBody returns an error if a response is longer than any can be. Its errors contain no text
// from the vendor.
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

var errStreamTooLong = errors.New("the response is longer than an answer can be")
