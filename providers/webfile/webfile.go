// Package webfile fetches files from addresses that users have given. It reaches
// public addresses only.
package webfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"chatbox/internal/publicnet"
)

// agent is the name of the client in requests.
const agent = "Chatbox"

// Client fetches files. It is safe for concurrent use and needs no closing.
type Client struct{ http *http.Client }

// New returns a client that follows the rules. Their MaxBody bounds a file.
func New(rules publicnet.Rules) *Client { return &Client{publicnet.Client(rules)} }

// errRefusedThere has no details, because they would describe the network.
var errRefusedThere = errors.New("webfile: the server does not give the file")

// Fetch opens the file at the address and returns its size, or -1 if the server
// does not say it. The request has no credential, no cookie and no referrer. The
// caller closes the body; a body that ends early is an error when it is read. No
// error contains the address.
func (c *Client) Fetch(ctx context.Context, address string) (body io.ReadCloser, size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, 0, publicnet.ErrRefused
	}
	req.Header.Set("User-Agent", agent)
	req.Header.Set("Accept", "*/*")
	res, err := c.http.Do(req)
	switch {
	case errors.Is(err, publicnet.ErrRefused):
		return nil, 0, publicnet.ErrRefused
	case err != nil:
		return nil, 0, errRefusedThere // the error of net/http contains the address
	}
	if coding := res.Header.Get("Content-Encoding"); res.StatusCode != http.StatusOK || coding != "" && coding != "identity" {
		_ = res.Body.Close() // nothing of it is used
		return nil, 0, fmt.Errorf("%w: status %d", errRefusedThere, res.StatusCode)
	}
	return res.Body, res.ContentLength, nil
}
