//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/x/mongo/driver/connstring"
)

// The proxy does one of these to the next insert.
const (
	faultNone      = iota
	faultDropReply // it is applied, and the connection breaks before the reply
	faultRefuse    // it is answered as a server does that has just lost its primacy
)

// faultProxy stands between the driver and the server and understands as much
// of the protocol as it takes to know an insert.
type faultProxy struct {
	listener net.Listener
	target   string
	fault    atomic.Int32
	conns    sync.WaitGroup
}

func newFaultProxy(t *testing.T, target string) *faultProxy {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &faultProxy{listener: l, target: target}
	ctx, stop := context.WithCancel(t.Context())
	p.conns.Go(func() { p.accept(ctx) })
	t.Cleanup(func() {
		stop()
		_ = l.Close()
		p.conns.Wait()
	})
	return p
}

// accept runs until the listener is closed; newFaultProxy's cleanup waits.
func (p *faultProxy) accept(ctx context.Context) {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := (&net.Dialer{}).DialContext(ctx, "tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		done := context.AfterFunc(ctx, func() { _, _ = client.Close(), server.Close() })
		p.conns.Go(func() {
			defer done()
			p.carry(client, server)
		})
	}
}

// carry relays one connection, request and reply in turn, until either side
// ends it or a fault does.
func (p *faultProxy) carry(client, server net.Conn) {
	drop := atomic.Bool{}
	replies := make(chan struct{})
	go func() { // ends with the server's side; carry waits
		defer close(replies)
		defer client.Close()
		for {
			m, err := readMessage(server)
			if err != nil || drop.Load() {
				return
			}
			if _, err := client.Write(m); err != nil {
				return
			}
		}
	}()
	for {
		m, err := readMessage(client)
		if err != nil {
			break
		}
		if bytes.Contains(m, []byte("\x02insert\x00")) {
			switch p.fault.Swap(faultNone) {
			case faultDropReply:
				drop.Store(true)
			case faultRefuse:
				if _, err := client.Write(notPrimary(m)); err != nil {
					break
				}
				continue
			}
		}
		if _, err := server.Write(m); err != nil {
			break
		}
	}
	_ = server.Close()
	<-replies
}

func readMessage(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 16 || n > 64<<20 {
		return nil, errors.New("not a message")
	}
	m := make([]byte, n)
	copy(m, head[:])
	_, err := io.ReadFull(r, m[4:])
	return m, err
}

// notPrimary is the reply to the request of a server that may not write.
func notPrimary(request []byte) []byte {
	body, err := bson.Marshal(bson.D{
		{Key: "ok", Value: 0.0},
		{Key: "code", Value: 10107},
		{Key: "codeName", Value: "NotWritablePrimary"},
		{Key: "errmsg", Value: "not primary"},
	})
	if err != nil {
		panic(err)
	}
	m := make([]byte, 21, 21+len(body))
	binary.LittleEndian.PutUint32(m, uint32(21+len(body)))
	copy(m[8:12], request[4:8])                 // in reply to
	binary.LittleEndian.PutUint32(m[12:], 2013) // OP_MSG
	return append(m, body...)
}

// An insert whose fate the store does not know is found, or made, by repeating
// it: never lost, never twice.
func TestStore_RepeatAfterAFaultTakesEffectOnce(t *testing.T) {
	db := mongoDatabase(t)
	cs, err := connstring.Parse(mongoURI(t))
	require.NoError(t, err)
	proxy := newFaultProxy(t, targetOf(cs))
	cfg := mongoConfig(t, db)
	cfg.URI = throughProxy(cfg.URI, cs, proxy.listener.Addr().String())
	s := openStore(t, cfg)
	for name, fault := range map[string]int32{"the reply is lost": faultDropReply, "the primary changes": faultRefuse} {
		t.Run(name, func(t *testing.T) {
			k := chatbox.SessionKey{Tenant: "t", ID: strings.ReplaceAll(name, " ", "-")}
			require.NoError(t, s.Messages().Append(t.Context(), plain(k, 1)))
			e := plain(k, 2)
			proxy.fault.Store(fault)
			first := s.Messages().Append(t.Context(), e)
			if first != nil { // with retryable writes the driver has repeated it itself
				require.ErrorIs(t, first, chatbox.StoreFailed)
			}
			t.Logf("first try: %v", first)
			require.Eventually(t, func() bool {
				err := s.Messages().Append(t.Context(), e)
				return err == nil || errors.Is(err, chatbox.Clash)
			}, 20*time.Second, 50*time.Millisecond)
			got, err := s.Messages().ByKey(t.Context(), k, e.Key)
			require.NoError(t, err)
			assert.Equal(t, e, got)
			all, err := s.Messages().Range(t.Context(), k, 1, 64)
			require.NoError(t, err)
			assert.Equal(t, []chatbox.Event{plain(k, 1), e}, all)
		})
	}
}

func targetOf(cs *connstring.ConnString) string {
	if host := cs.Hosts[0]; strings.Contains(host, ":") {
		return host
	}
	return cs.Hosts[0] + ":27017"
}

// throughProxy is the URI with the proxy in place of its servers.
func throughProxy(uri string, cs *connstring.ConnString, addr string) string {
	uri = strings.Replace(uri, strings.Join(cs.Hosts, ","), addr, 1)
	switch {
	case strings.Contains(uri, "directConnection="):
		return uri
	case strings.Contains(uri, "?"):
		return uri + "&directConnection=true"
	case strings.Count(uri, "/") < 3:
		return uri + "/?directConnection=true"
	default:
		return uri + "?directConnection=true"
	}
}

// A store that was opened while its server was unavailable works as soon as the
// server is available.
func TestStore_ServerComesLater(t *testing.T) {
	db := mongoDatabase(t)
	cs, err := connstring.Parse(mongoURI(t))
	require.NoError(t, err)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close(), "nobody listens there now")

	cfg := mongoConfig(t, db)
	cfg.URI, cfg.SelectTimeout = throughProxy(cfg.URI, cs, addr), 200*time.Millisecond
	tried := make(chan struct{}, 1) // one is enough, more are dropped
	cfg.Hooks.Done = func(act string, _ time.Duration, err error) {
		if act == "indexes" && err != nil {
			select {
			case tried <- struct{}{}:
			default:
			}
		}
	}
	ring, err := persistence.NewKeyring([]persistence.Key{{ID: "a", Secret: [32]byte{1}}})
	require.NoError(t, err)
	s, err := persistence.Open(t.Context(), cfg, ring)
	require.NoError(t, err)
	defer func() { assert.NoError(t, s.Close(t.Context())) }()
	ensured := make(chan error, 1)
	go func() { ensured <- s.EnsureIndexes(t.Context()) }() // ends when the server is there; waited for below
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	require.ErrorIs(t, s.Messages().Append(t.Context(), plain(k, 1)), chatbox.StoreFailed)
	require.ErrorIs(t, s.Ping(t.Context()), chatbox.StoreFailed)

	<-tried

	l, err = (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
	require.NoError(t, err)
	p := &faultProxy{listener: l, target: targetOf(cs)}
	ctx, stop := context.WithCancel(t.Context())
	p.conns.Go(func() { p.accept(ctx) })
	defer func() {
		stop()
		_ = l.Close()
		p.conns.Wait()
	}()
	require.NoError(t, <-ensured)
	require.NoError(t, s.Messages().Append(t.Context(), plain(k, 1)))
	require.NoError(t, s.Ping(t.Context()))
}
