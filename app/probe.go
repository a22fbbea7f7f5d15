package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"chatbox/app/config"
)

// probeTime limits a whole health check. A pod answers within a second; Docker
// allows the check three.
const probeTime = 2 * time.Second

// Probe asks the pod on this machine whether it is ready, and returns nil if it
// is. It finds the pod from the settings that the pod itself uses; other settings
// may be missing or invalid. It returns a *ProbeConfigError if these settings are
// invalid.
func Probe(ctx context.Context, environ []string, file string) error {
	c, err := config.Listener(environ, file)
	if err != nil {
		return &ProbeConfigError{err}
	}
	addrs, err := dialable(c.Listen)
	if err != nil {
		return &ProbeConfigError{err}
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	for _, addr := range addrs {
		if err = askReady(ctx, addr, c.Prefix); err == nil {
			return nil
		}
		if _, unreached := errors.AsType[*net.OpError](err); !unreached {
			return err
		} // refused; the pod may listen on the other loopback address
	}
	return err
}

// Alive reports whether a pod answers at the listener's address on this machine,
// also one that is not ready.
func Alive(ctx context.Context, c config.HTTP) bool {
	addrs, err := dialable(c.Listen)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	return slices.ContainsFunc(addrs, func(addr string) bool {
		resp, err := ask(ctx, addr, c.Prefix+"/healthz")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var said struct{ Status string }
		err = json.NewDecoder(io.LimitReader(resp.Body, maxHealth)).Decode(&said)
		return err == nil && said.Status == "healthy"
	})
}

// maxHealth is more than the bytes of a pod's answer to /healthz.
const maxHealth = 4 << 10

// ProbeConfigError means that the settings name no pod to ask.
type ProbeConfigError struct{ cause error }

func (e *ProbeConfigError) Error() string { return e.cause.Error() }

func (e *ProbeConfigError) Unwrap() error { return e.cause }

// dialable returns the addresses at which this machine reaches a listener.
func dialable(listen string) ([]string, error) {
	host, port, err := net.SplitHostPort(listen)
	switch {
	case err != nil:
		return nil, fmt.Errorf("LISTEN_ADDR: %w", err)
	case port == "0":
		return nil, errors.New("LISTEN_ADDR: port 0 lets the machine choose a port, so the port to ask is unknown")
	}
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "" || err == nil && ip == netip.IPv6Unspecified():
		return []string{net.JoinHostPort("127.0.0.1", port), net.JoinHostPort("::1", port)}, nil
	case err == nil && ip.Unmap() == netip.IPv4Unspecified():
		return []string{net.JoinHostPort("127.0.0.1", port)}, nil
	default:
		return []string{listen}, nil
	}
}

// askReady asks one address whether its pod is ready.
func askReady(ctx context.Context, addr, prefix string) error {
	resp, err := ask(ctx, addr, prefix+"/readyz")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s/readyz answers %s", addr, prefix, resp.Status)
	}
	return nil
}

// ask gets a path from one address, without a proxy and without following
// redirects. The caller closes the body.
func ask(ctx context.Context, addr, path string) (*http.Response, error) {
	client := http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "chatbox-healthcheck")
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return resp, nil
}
