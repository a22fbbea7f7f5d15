package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"chatbox/internal/outage"
)

// reacher asks web servers whether they are there. It sends no credential and
// follows no redirect.
type reacher struct{ client *http.Client }

// newReacher returns a reacher that uses the proxy of the environment, as the
// pod's clients do. Each request has a connection of its own.
func newReacher() reacher {
	return reacher{&http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, ForceAttemptHTTP2: true,
			DialContext:            (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxResponseHeaderBytes: 64 << 10,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// originOf returns scheme and host of an address, without user, path and
// parameters, which may be secret; "" if it has none.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// reach asks the server of an origin for its header: the DNS, TCP and TLS work if
// it answers anything. The path is /, so the request costs nothing and does
// nothing.
func (c reacher) reach(ctx context.Context, origin string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, origin+"/", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "chatbox-doctor")
	resp, err := c.client.Do(req)
	if err != nil {
		return withoutURL(err)
	}
	return resp.Body.Close()
}

func withoutURL(err error) error {
	if u, ok := err.(*url.Error); ok { //nolint:errorlint // exactly the client's own wrapping
		return u.Err
	}
	return err
}

// lookAtWeb examines the server at an address of which only the origin is shown.
// purpose says what the server is for.
func (c reacher) lookAtWeb(ctx context.Context, name, purpose, address, setting string) Finding {
	at := place{what: "the server", at: originOf(address), setting: setting}
	if err := c.reach(ctx, at.at); err != nil {
		return Finding{Fail, name, purpose + ": " + at.trouble(outage.KindOf(err), err)}
	}
	return Finding{OK, name, fmt.Sprintf("%s: %s answers", purpose, at.at)}
}
