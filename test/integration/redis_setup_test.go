//go:build integration

package integration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/redisstate"
	"chatbox/test/conformance"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// authority is the files of a certificate authority and of what it signed.
type authority struct {
	ca, cert, key string

	signs func(name string) // writes another certificate and key in the place of these
}

func newAuthority(t *testing.T, dir string) authority {
	t.Helper()
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
		return path
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	until := time.Now().Add(time.Hour)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotAfter: until, IsCA: true, BasicConstraintsValid: true}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	require.NoError(t, err)
	a := authority{ca: write("ca.pem", "CERTIFICATE", caDER), cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	serial := int64(1)
	a.signs = func(name string) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		require.NoError(t, err)
		serial++
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "redis"}, NotAfter: until,
			DNSNames: []string{name},
		}
		if name == "redis.internal" {
			leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		}
		der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
		require.NoError(t, err)
		keyDER, err := x509.MarshalPKCS8PrivateKey(key)
		require.NoError(t, err)
		write("cert.pem", "CERTIFICATE", der)
		write("key.pem", "PRIVATE KEY", keyDER)
	}
	a.signs("redis.internal")
	return a
}

// tlsArgs has a server speak TLS alone.
func (a authority) tlsArgs(port string, clients string) []string {
	return []string{
		"--port", "0", "--tls-port", port, "--tls-cert-file", a.cert, "--tls-key-file", a.key, "--tls-ca-cert-file", a.ca,
		"--tls-auth-clients", clients, "--tls-replication", "yes", "--tls-cluster", "yes",
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// launchRedis runs a redis-server until the test's end and returns its folder.
func launchRedis(t *testing.T, port string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("NOT RUN: no redis-server on this machine (apt-get install redis-server)")
	}
	dir := t.TempDir()
	cmd := exec.Command(path, append(args, "--bind", "127.0.0.1", "--dir", dir, "--daemonize", "no")...)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}, 20*time.Second, 20*time.Millisecond, "redis-server does not listen")
	return dir
}

// readConfig reads settings as a pod does.
func readConfig(t *testing.T, environ ...string) config.Config {
	t.Helper()
	secret := func() string {
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		return hex.EncodeToString(b)
	}
	c, err := config.Load(append([]string{
		"JWT_SECRET=" + secret(), "ENCRYPTION_KEY=" + secret(), "MONGO_URI=mongodb://h", "CHATBOX_ENV=development", "POD_ID=p",
		"LLM_PROVIDER_1_ID=s", "LLM_PROVIDER_1_TYPE=scripted",
	}, environ...), "")
	require.NoError(t, err)
	return c
}

func openRedis(t *testing.T, c config.Config) *redisstate.Client {
	t.Helper()
	client, err := redisstate.Open(c.Redis.Client(redisstate.DefaultConfig()), conformance.RedisSealer(t))
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func probe(t *testing.T, c *redisstate.Client) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	return c.Probe(ctx)
}

// requireServes has a pod's way to Redis work in every respect that differs
// between topologies: writes on every master, and the bus.
func requireServes(t *testing.T, c *redisstate.Client) {
	t.Helper()
	require.Eventually(t, func() bool { return probe(t, c) == nil }, 20*time.Second, 100*time.Millisecond)
	bus := redisstate.NewBus(c, "p", slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); bus.Run(ctx, &counter{}) }()
	defer func() { cancel(); <-ended }()
	eventually(t, "health", bus.Healthy)
	servers, err := c.Examine(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, servers)
	for _, s := range servers {
		assert.Empty(t, s.Forgetful())
		assert.Empty(t, s.Outdated())
	}
}

func TestRedis_TLSAndPasswordsInEveryTopology(t *testing.T) {
	files := newAuthority(t, t.TempDir())
	ca := "REDIS_CA_FILE=" + files.ca
	t.Run("single", func(t *testing.T) {
		port := freePort(t)
		launchRedis(t, port, append(files.tlsArgs(port, "yes"), "--requirepass", "da/ta")...)
		own := []string{ca, "REDIS_CERT_FILE=" + files.cert, "REDIS_KEY_FILE=" + files.key}
		requireServes(t, openRedis(t, readConfig(t, append(own, "REDIS_URL=rediss://:da%2Fta@127.0.0.1:"+port)...)))
		requireServes(t, openRedis(t, readConfig(t, append(own, "REDIS_URL=redis://:da%2Fta@localhost:"+port+"?tls=on", "REDIS_SERVER_NAME=redis.internal")...)))
		for url, want := range map[string]outage.Kind{
			"rediss://:wrong@127.0.0.1:" + port:   outage.Authentication,
			"rediss://127.0.0.1:" + port:          outage.Authentication,
			"rediss://:da%2Fta@localhost:" + port: outage.Certificate,
		} {
			assert.Equal(t, want, redisstate.Kind(probe(t, openRedis(t, readConfig(t, append(own, "REDIS_URL="+url)...)))), url)
		}
		unknown := openRedis(t, readConfig(t, "REDIS_URL=rediss://:da%2Fta@127.0.0.1:"+port))
		assert.Equal(t, outage.Certificate, redisstate.Kind(probe(t, unknown)), "of an unknown authority")
		without := openRedis(t, readConfig(t, ca, "REDIS_URL=rediss://:da%2Fta@127.0.0.1:"+port))
		assert.Equal(t, outage.Certificate, redisstate.Kind(probe(t, without)), "it asks for a certificate")
		plain := openRedis(t, readConfig(t, "REDIS_URL=redis://:da%2Fta@127.0.0.1:"+port))
		assert.Equal(t, outage.NeedsTLS, redisstate.Kind(probe(t, plain)))
	})
	t.Run("sentinel", func(t *testing.T) {
		master, watcher := freePort(t), freePort(t)
		launchRedis(t, master, append(files.tlsArgs(master, "no"), "--requirepass", "data", "--masterauth", "data")...)
		conf := filepath.Join(t.TempDir(), "sentinel.conf")
		require.NoError(t, os.WriteFile(conf, fmt.Appendf(nil, "sentinel monitor m 127.0.0.1 %s 1\nsentinel auth-pass m data\n"+
			"user default off\nuser watch on >over ~* &* +@all\n", master), 0o600))
		launchRedis(t, watcher, append(append([]string{conf}, files.tlsArgs(watcher, "no")...), "--sentinel")...)
		url := "REDIS_URL=rediss+sentinel://:data@127.0.0.1:" + watcher + "/m"
		requireServes(t, openRedis(t, readConfig(t, ca, url, "REDIS_SENTINEL_USER=watch", "REDIS_SENTINEL_PASSWORD=over")))
		requireServes(t, openRedis(t, readConfig(t, ca, url+"?sentinel_user=watch&sentinel_password=over")))
		refused := openRedis(t, readConfig(t, ca, url, "REDIS_SENTINEL_USER=watch", "REDIS_SENTINEL_PASSWORD=wrong"))
		assert.Equal(t, outage.Authentication, redisstate.Kind(probe(t, refused)))
	})
	t.Run("cluster", func(t *testing.T) {
		port := freePort(t)
		launchRedis(t, port, append(files.tlsArgs(port, "no"), "--cluster-enabled", "yes", "--cluster-port", freePort(t),
			"--cluster-announce-ip", "127.0.0.1", "--requirepass", "data")...)
		c := readConfig(t, ca, "REDIS_URL=rediss+cluster://:data@127.0.0.1:"+port)
		cfg := c.Redis.Client(redisstate.DefaultConfig())
		conf, err := cfg.TLS()
		require.NoError(t, err)
		one := redis.NewClient(&redis.Options{Addr: cfg.Addrs[0], Password: "data", TLSConfig: conf})
		t.Cleanup(func() { _ = one.Close() })
		require.NoError(t, one.ClusterAddSlotsRange(t.Context(), 0, 16383).Err())
		requireServes(t, openRedis(t, c))
	})
}

func TestRedis_ThatRefusesWritesIsNotReady(t *testing.T) {
	open := func(t *testing.T, url string) *redisstate.Client {
		t.Helper()
		return openRedis(t, readConfig(t, "REDIS_URL="+url))
	}
	plain := []string{"--save", "", "--appendonly", "no"}
	start := func(t *testing.T, args ...string) (url, dir string, admin *redis.Client) {
		t.Helper()
		port := freePort(t)
		dir = launchRedis(t, port, append(append([]string{"--port", port}, plain...), args...)...)
		admin = redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
		t.Cleanup(func() { _ = admin.Close() })
		return "redis://127.0.0.1:" + port, dir, admin
	}
	t.Run("full", func(t *testing.T) {
		url, _, admin := start(t)
		c := open(t, url)
		require.NoError(t, probe(t, c))
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "1").Err())
		require.NoError(t, admin.Ping(t.Context()).Err())
		assert.Equal(t, outage.Memory, redisstate.Kind(probe(t, c)))
		require.NoError(t, admin.ConfigSet(t.Context(), "maxmemory", "0").Err())
		require.NoError(t, probe(t, c))
	})
	t.Run("replica", func(t *testing.T) {
		url, _, admin := start(t)
		c := open(t, url)
		require.NoError(t, probe(t, c))
		require.NoError(t, admin.ReplicaOf(t.Context(), "127.0.0.1", "1").Err())
		assert.Equal(t, outage.ReadOnly, redisstate.Kind(probe(t, c)))
	})
	t.Run("cannot save", func(t *testing.T) {
		url, dir, admin := start(t)
		c := open(t, url)
		require.NoError(t, admin.Set(t.Context(), "k", "v", 0).Err())
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, admin.ConfigSet(t.Context(), "save", "3600 1").Err())
		require.NoError(t, admin.BgSave(t.Context()).Err())
		require.Eventually(t, func() bool { return redisstate.Kind(probe(t, c)) == outage.Disk }, 20*time.Second, 50*time.Millisecond)
	})
	t.Run("too few replicas", func(t *testing.T) {
		url, _, admin := start(t)
		c := open(t, url)
		require.NoError(t, admin.ConfigSet(t.Context(), "min-replicas-to-write", "1").Err())
		assert.Equal(t, outage.Replicas, redisstate.Kind(probe(t, c)))
	})
	t.Run("permission", func(t *testing.T) {
		url, _, admin := start(t)
		require.NoError(t, admin.ACLSetUser(t.Context(), "app", "on", ">pw", "~*", "&*", "+@all", "-set").Err())
		assert.Equal(t, outage.Permission, redisstate.Kind(probe(t, open(t, "redis://app:pw@"+url[len("redis://"):]))))
	})
	t.Run("scripts", func(t *testing.T) {
		url, _, admin := start(t)
		for user, rights := range map[string][]string{"neither": {"-eval", "-evalsha"}, "byhash": {"-eval"}, "whole": {"-evalsha"}, "none": {"-@scripting"}} {
			require.NoError(t, admin.ACLSetUser(t.Context(), user, append([]string{"on", ">pw", "~*", "&*", "+@all"}, rights...)...).Err())
			err := probe(t, open(t, "redis://"+user+":pw@"+url[len("redis://"):]))
			assert.Equal(t, outage.Permission, redisstate.Kind(err), user)
			require.ErrorContains(t, err, "script")
		}
	})
	t.Run("renamed commands", func(t *testing.T) {
		for _, name := range []string{"EVAL", "EVALSHA", "SET"} {
			url, _, _ := start(t, "--rename-command", name, "")
			assert.Equal(t, outage.Command, redisstate.Kind(probe(t, open(t, url))), name)
		}
	})
}

func TestRedis_OfAnotherKindThanREDIS_URLSays(t *testing.T) {
	port := freePort(t)
	launchRedis(t, port, "--port", port, "--save", "")
	at := "://127.0.0.1:" + port
	for url, want := range map[string]outage.Kind{
		"redis" + at + "/99": outage.Database, "redis+cluster" + at: outage.NotCluster, "redis+sentinel" + at + "/m": outage.NotSentinel,
	} {
		c := openRedis(t, readConfig(t, "REDIS_URL="+url))
		err := probe(t, c)
		assert.Equal(t, want, redisstate.Kind(err), url)
		require.ErrorContains(t, err, "REDIS_URL", url)
		_, err = c.Examine(t.Context())
		assert.Equal(t, want, redisstate.Kind(err), "%s: %v", url, err)
	}
}

func TestRedis_SaysHowItIsSetUp(t *testing.T) {
	port := freePort(t)
	launchRedis(t, port, "--port", port, "--save", "", "--maxmemory-policy", "allkeys-lru")
	admin := redis.NewClient(&redis.Options{Addr: "127.0.0.1:" + port})
	t.Cleanup(func() { _ = admin.Close() })
	for user, rights := range map[string][]string{
		"all": {"+@all"}, "noconfig": {"+@all", "-config"}, "noinfo": {"+@all", "-info"}, "neither": {"+@all", "-config", "-info"},
	} {
		require.NoError(t, admin.ACLSetUser(t.Context(), user, append([]string{"on", ">pw", "~*", "&*"}, rights...)...).Err())
		c := openRedis(t, readConfig(t, "REDIS_URL=redis://"+user+":pw@127.0.0.1:"+port))
		servers, err := c.Examine(t.Context())
		require.NoError(t, err, user)
		require.Len(t, servers, 1)
		s := servers[0]
		assert.Equal(t, user != "neither", s.Policy == "allkeys-lru", "%s: %+v", user, s)
		assert.Equal(t, user != "neither", s.Forgetful() != "", user)
		assert.Equal(t, user == "noconfig" || user == "neither", s.Silent, user)
		assert.NotEmpty(t, s.Advice(), user)
	}
}
