//go:build integration

package integration

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox/internal/outage"
	"chatbox/persistence"
	"chatbox/redisstate"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tlsFront terminates TLS for a server without TLS. For each connection it uses the
// certificate that is in the files at that time.
type tlsFront struct {
	addr string

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
	made  atomic.Int64 // handshakes that succeeded
}

func newTLSFront(t *testing.T, files authority, behind string) *tlsFront {
	t.Helper()
	conf := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(files.cert, files.key)
		return &pair, err
	}}
	l, err := tls.Listen("tcp", "127.0.0.1:0", conf)
	require.NoError(t, err)
	f := &tlsFront{addr: l.Addr().String(), conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = l.Close(); f.cut(); serving.Wait() })
	serving.Go(func() { // until the listener is closed
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.serve(conn.(*tls.Conn), behind) })
		}
	})
	return f
}

func (f *tlsFront) serve(conn *tls.Conn, behind string) {
	defer func() { _ = conn.Close() }()
	f.mu.Lock()
	f.conns[conn] = true
	f.mu.Unlock()
	if conn.Handshake() != nil {
		return
	}
	f.made.Add(1)
	back, err := net.Dial("tcp", behind)
	if err != nil {
		return
	}
	defer func() { _ = back.Close() }()
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = io.Copy(back, conn); _ = back.Close() })
	_, _ = io.Copy(conn, back)
	_ = conn.Close()
	wg.Wait()
}

// cut ends all connections.
func (f *tlsFront) cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		_ = conn.(*tls.Conn).NetConn().Close()
	}
	clear(f.conns)
}

// becomes waits until an act fails for the reason, or succeeds where it is "".
func becomes(t *testing.T, want outage.Kind, state func() outage.Kind) {
	t.Helper()
	var got outage.Kind
	require.Eventually(t, func() bool { got = state(); return got == want }, 30*time.Second, 50*time.Millisecond, "%q", got)
}

// requireFollows replaces the certificates of a client's server step by step; cut
// makes the client reconnect.
func requireFollows(t *testing.T, files authority, dir string, state func() outage.Kind, cut func()) {
	t.Helper()
	becomes(t, "", state)

	files.signs("redis.internal")
	assert.Empty(t, state(), "a connection that exists goes on")
	cut()
	becomes(t, "", state)

	newAuthority(t, dir) // another one, in the same files
	cut()
	becomes(t, "", state)

	other := newAuthority(t, t.TempDir())
	mine, err := os.ReadFile(files.ca)
	require.NoError(t, err)
	for _, bad := range []string{"", "no certificate"} {
		pem := []byte(bad)
		if bad == "" {
			pem, err = os.ReadFile(other.ca)
			require.NoError(t, err)
		}
		require.NoError(t, os.WriteFile(files.ca, pem, 0o600))
		cut()
		becomes(t, outage.Certificate, state)
		require.NoError(t, os.WriteFile(files.ca, mine, 0o600))
		becomes(t, "", state)
	}
	require.NoError(t, os.Remove(files.ca))
	cut()
	becomes(t, outage.Certificate, state)
	require.NoError(t, os.WriteFile(files.ca, mine, 0o600))
	becomes(t, "", state)
}

// A certificate that is replaced while pods run, by the same authority and by
// another, needs no restart. A wrong one is an outage that ends with its repair.
func TestCertificates_Redis(t *testing.T) {
	dir := t.TempDir()
	files := newAuthority(t, dir)
	port := freePort(t)
	launchRedis(t, port, "--port", port, "--save", "")
	front := newTLSFront(t, files, "127.0.0.1:"+port)
	c := openRedis(t, readConfig(t, "REDIS_CA_FILE="+files.ca, "REDIS_URL=rediss://"+front.addr))
	requireFollows(t, files, dir, func() outage.Kind { return redisstate.Kind(probe(t, c)) }, front.cut)
}

// The same where Redis itself speaks TLS, reads its files when it is told to,
// and asks for the pod's certificate.
func TestCertificates_RedisOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	files := newAuthority(t, dir)
	port := freePort(t)
	launchRedis(t, port, files.tlsArgs(port, "yes")...)
	settings := readConfig(t, "REDIS_CA_FILE="+files.ca, "REDIS_CERT_FILE="+files.cert, "REDIS_KEY_FILE="+files.key,
		"REDIS_URL=rediss://127.0.0.1:"+port)
	c := openRedis(t, settings)
	state := func() outage.Kind { return redisstate.Kind(probe(t, c)) }
	becomes(t, "", state)
	admin, err := redisstate.Dial(settings.Redis.Client(redisstate.DefaultConfig()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = admin.Close() })
	require.NoError(t, admin.Ping(t.Context()).Err())
	newAuthority(t, dir)
	set := []any{"CONFIG", "SET", "tls-cert-file", files.cert, "tls-key-file", files.key, "tls-ca-cert-file", files.ca}
	require.NoError(t, admin.Do(t.Context(), set...).Err())
	assert.Empty(t, state(), "a connection that exists goes on")
	require.NoError(t, admin.Do(t.Context(), "CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "yes").Err())
	becomes(t, "", state)
}

func TestCertificates_MongoDB(t *testing.T) {
	given := os.Getenv("CHATBOX_TEST_MONGO_URI")
	if given == "" {
		t.Skip("NOT RUN: CHATBOX_TEST_MONGO_URI names no server")
	}
	u, err := url.Parse(given)
	require.NoError(t, err)
	dir := t.TempDir()
	files := newAuthority(t, dir)
	front := newTLSFront(t, files, u.Host)
	u.Host = front.addr
	q := u.Query()
	q.Set("tls", "true")
	q.Set("tlsCAFile", files.ca)
	q.Set("directConnection", "true")
	u.RawQuery = q.Encode()
	if u.Path == "" {
		u.Path = "/"
	}
	key := persistence.Key{ID: "k", Secret: [32]byte{1}}
	keys, err := persistence.NewKeyring([]persistence.Key{key})
	require.NoError(t, err)
	s, err := persistence.Open(t.Context(), persistence.Config{
		URI: u.String(), Database: "certificates", SelectTimeout: 2 * time.Second,
	}, keys)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, s.Close(context.WithoutCancel(t.Context()))) })
	require.Eventually(t, func() bool { _, err = s.Survey(t.Context()); return err == nil }, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, s.MakeIndexes(t.Context()))
	requireFollows(t, files, dir, func() outage.Kind {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		return persistence.Kind(s.Ping(ctx))
	}, front.cut)
	assert.Positive(t, front.made.Load())
}
