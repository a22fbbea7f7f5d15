package client

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// Auth is the way in which the client presents its credential.
type Auth string

// The ways to present a credential.
const (
	AuthHeader      Auth = "header"
	AuthSubprotocol Auth = "subprotocol"
	AuthQuery       Auth = "query"
	AuthTicket      Auth = "ticket" // Token returns a one-time ticket instead
)

// Config of a Client. URLs and Token are required.
type Config struct {
	URLs   []string // base URLs such as http://host:8080; every dial picks one at random
	Prefix string   // default /chatbox
	Token  func(ctx context.Context) (string, error)
	Auth   Auth // default AuthHeader

	SessionID     string // named in the URL of every dial; if it is free, this client creates it
	FromHead      bool   // the first dial requests no replay
	ResumeByFrame bool   // sessions are resumed by frames instead of the URL

	BackoffMin, BackoffMax time.Duration // default 100 ms and 5 s, jittered
	ReadTimeout            time.Duration // silence after which the socket counts as dead; default 75 s
	HandshakeTimeout       time.Duration // default 15 s

	// Record keeps the transcript. KeepPieces also keeps the pieces, which need
	// too much memory in a long load.
	Record, KeepPieces bool
	// Hook, if set, is called after each entry was applied, by the client's
	// goroutines and without locks.
	Hook func(Entry)
	// Raw, if set, is called with each text frame as it is on the wire, before it
	// is written or decoded.
	Raw func(sent bool, text []byte)
	// NetDial, if set, opens the connections, for tests of bad networks.
	NetDial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Header is added to every upgrade request, for instance an Origin.
	Header http.Header
}

func (c Config) withDefaults() Config {
	if c.Prefix == "" {
		c.Prefix = "/chatbox"
	}
	if c.Auth == "" {
		c.Auth = AuthHeader
	}
	setDefault(&c.BackoffMin, 100*time.Millisecond)
	setDefault(&c.BackoffMax, 5*time.Second)
	setDefault(&c.ReadTimeout, 75*time.Second)
	setDefault(&c.HandshakeTimeout, 15*time.Second)
	return c
}

func setDefault(d *time.Duration, to time.Duration) {
	if *d <= 0 {
		*d = to
	}
}

// subprotocol is the client's version of the protocol.
const subprotocol = "chatbox.v1"

// upgrade is the request of one dial. Its printable parts do not contain the
// credential.
type upgrade struct {
	url          string
	header       http.Header
	subprotocols []string
}

// upgradeTo returns the request for base. With lastSeq NoResume it omits the
// parameter.
func (c Config) upgradeTo(base, token, session string, lastSeq int64) upgrade {
	// The subprotocol shows that the client supports snapshots. Without it the
	// server treats the client as an old one until its first frame.
	u := upgrade{header: c.Header.Clone(), subprotocols: []string{subprotocol}}
	if u.header == nil {
		u.header = http.Header{}
	}
	query := url.Values{}
	switch c.Auth {
	case AuthSubprotocol:
		u.subprotocols = append(u.subprotocols, "bearer."+token)
	case AuthQuery:
		query.Set("token", token)
	case AuthTicket:
		query.Set("ticket", token)
	case AuthHeader:
		u.header.Set("Authorization", "Bearer "+token)
	}
	if session != "" {
		query.Set("session_id", session)
		if lastSeq >= 0 {
			query.Set("last_seq", strconv.FormatInt(lastSeq, 10))
		}
	}
	base = "ws" + strings.TrimPrefix(strings.TrimPrefix(strings.TrimRight(base, "/"), "http"), "ws")
	u.url = base + c.Prefix + "/ws"
	if len(query) > 0 {
		u.url += "?" + query.Encode()
	}
	return u
}

func (c Config) dialer(subprotocols []string) *websocket.Dialer {
	return &websocket.Dialer{
		NetDialContext:   c.NetDial,
		Proxy:            nil, // the load must go to the given address
		HandshakeTimeout: c.HandshakeTimeout,
		ReadBufferSize:   1024,
		WriteBufferSize:  1024,
		Subprotocols:     subprotocols,
	}
}
