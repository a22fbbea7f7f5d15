package redisstate

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"chatbox/internal/outage"
)

// dialer connects to servers and sentinels, with TLS if configured. It
// remembers the result of its latest attempt, because the library retries
// until the command's timeout and then reports only the timeout.
type dialer struct {
	timeout time.Duration
	tls     func() (*tls.Config, error) // as Config's
	failed  atomic.Pointer[dialFailure] // nil: the latest attempt succeeded
}

type dialFailure struct{ error }

// dial opens one connection.
func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := d.connect(ctx, network, addr)
	switch {
	case err == nil:
		d.failed.Store(nil)
	case !errors.Is(err, context.Canceled):
		d.failed.Store(&dialFailure{err})
	}
	return conn, err
}

func (d *dialer) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	plain := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn, err := plain.DialContext(ctx, network, addr)
	if err != nil || d.tls == nil {
		return conn, err
	}
	conf, err := d.tls()
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("TLS to %s: %w", addr, err)
	}
	if conf.ServerName == "" {
		if conf.ServerName, _, err = net.SplitHostPort(addr); err != nil {
			conf.ServerName = addr
		}
	}
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		err = fmt.Errorf("TLS handshake with %s: %w", addr, err)
		if k := outage.KindOf(err); k == outage.Timeout || k == outage.Closed {
			err = outage.As(outage.Handshake, err)
		}
		return nil, err
	}
	return secure, nil
}

// explain replaces an error that only reports a timeout or a closed connection
// by the known cause.
func (c *Client) explain(err error) error {
	kind := Kind(err)
	if kind == "" {
		return nil
	}
	if wrong := misdirected(err); outage.Given(wrong) != outage.Given(err) {
		return wrong
	}
	if c.dialer == nil {
		return err
	}
	if f := c.dialer.failed.Load(); f != nil && kind == outage.Timeout {
		return f.error
	}
	if kind == outage.Closed && c.dialer.tls == nil && !c.served.Load() {
		return outage.As(outage.NeedsTLS, err)
	}
	return err
}
