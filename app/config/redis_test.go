package config

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/redisstate"
)

func TestLoad_Redis(t *testing.T) {
	for url, want := range map[string]Redis{
		"redis://h":                         {Kind: RedisSingle, Addrs: []string{"h:6379"}},
		"rediss://ann:p%40ss@h:1/2":         {Kind: RedisSingle, Addrs: []string{"h:1"}, User: "ann", DB: 2, TLS: true},
		"redis://[::1]:7":                   {Kind: RedisSingle, Addrs: []string{"[::1]:7"}},
		"redis://h?db=3":                    {Kind: RedisSingle, Addrs: []string{"h:6379"}, DB: 3},
		"redis://h/3?db=3&tls=on":           {Kind: RedisSingle, Addrs: []string{"h:6379"}, DB: 3, TLS: true},
		"redis://h/?pool_size=9&protocol=2": {Kind: RedisSingle, Addrs: []string{"h:6379"}, PoolSize: 9, Protocol: 2},
		"redis+sentinel://a,b:5/main":       {Kind: RedisSentinel, Addrs: []string{"a:26379", "b:5"}, Master: "main"},
		"redis+sentinel://:pw@a,b:5/main/3": {Kind: RedisSentinel, Addrs: []string{"a:26379", "b:5"}, Master: "main", DB: 3},
		"rediss+sentinel://:pw@a,b/main":    {Kind: RedisSentinel, Addrs: []string{"a:26379", "b:26379"}, Master: "main", TLS: true},
		"redis+sentinel://a/m?sentinel_user=s&sentinel_password=p%26w": {
			Kind: RedisSentinel, Addrs: []string{"a:26379"}, Master: "m", SentinelUser: "s",
		},
		"redis+cluster://a:1,b:2,c:3":     {Kind: RedisCluster, Addrs: []string{"a:1", "b:2", "c:3"}},
		"rediss+cluster://u:pw@a:1,b/0":   {Kind: RedisCluster, Addrs: []string{"a:1", "b:6379"}, User: "u", TLS: true},
		"redis+cluster://:pw@a:1?tls=on":  {Kind: RedisCluster, Addrs: []string{"a:1"}, TLS: true},
		"rediss+cluster://a:1?tls=on":     {Kind: RedisCluster, Addrs: []string{"a:1"}, TLS: true},
		"redis://h?tls=off":               {Kind: RedisSingle, Addrs: []string{"h:6379"}},
		"redis://:a%3Fb%23c%2Fd@h:1/0?":   {Kind: RedisSingle, Addrs: []string{"h:1"}},
		"redis+cluster://[::1]:1,[::2]:2": {Kind: RedisCluster, Addrs: []string{"[::1]:1", "[::2]:2"}},
	} {
		c, err := Load(settings("REDIS_URL="+url), "")
		require.NoError(t, err, url)
		got := c.Redis
		assert.Equal(t, url, got.URL.Reveal())
		assert.Equal(t, strings.Contains(url, "@"), got.Password.Reveal() != "")
		assert.Equal(t, got.TLS, got.connectTLS != nil, url)
		if got.SentinelUser != "" {
			assert.Equal(t, "p&w", got.SentinelPassword.Reveal())
		}
		got.URL, got.Password, got.SentinelPassword, got.connectTLS = want.URL, want.Password, want.SentinelPassword, nil
		assert.Equal(t, want, got, url)
	}
}

// A parameter that is not understood is a fault that names it. The fault shows no
// text that may be part of a password.
func TestLoad_RedisFaults(t *testing.T) {
	for url, about := range map[string]string{
		"redis://h?foo=1":                         "parameter foo, which is not understood",
		"rediss://h?x=1":                          "(not shown)",
		"redis+sentinel://a/m?dial_timeout=5s":    "parameter dial_timeout",
		"redis+cluster://a?foo=1":                 "parameter foo",
		"rediss://h?skip_verify=true":             "REDIS_CA_FILE",
		"redis://h?sentinel_user=x":               "parameter sentinel_user",
		"redis://h?db=1&db=2":                     "twice",
		"redis://h/1?db=2":                        "same as in the path",
		"redis://h?db=x":                          "number",
		"redis+cluster://a?db=1":                  "of a Cluster 0",
		"redis://h?tls=maybe":                     "on, or off",
		"rediss://h?tls=off":                      "rediss",
		"redis://h?pool_size=0":                   "pool_size",
		"redis://h?protocol=4":                    "2 or 3",
		"redis://h?%zz":                           "escaped",
		"redis://:hunter2?x@h":                    "%3F",
		"redis://:hunter2/x@h:6379":               "%2F",
		"redis://:hunter2#x@h:6379":               "%23",
		"redis://h/0#hunter2":                     "%23",
		"redis://hunter2@h":                       "without a password",
		"redis://h:0":                             "host[:port]",
		"redis://h:":                              "host[:port]",
		"redis+tls://h":                           "must begin with",
		"redis+://h":                              "must begin with",
		"tls://h":                                 "must begin with",
		"h:6379":                                  "must begin with",
		"redis+sentinel://a/m?sentinel_user=ann":  "REDIS_SENTINEL_PASSWORD",
		"redis+sentinel://a/m?hunter2hunter2=1":   "(not shown)",
		"redis+sentinel://a/m?sentinel_pass=hunt": "sentinel_pass,",
	} {
		t.Run(url, func(t *testing.T) {
			_, err := Load(settings("REDIS_URL="+url), "")
			require.ErrorContains(t, err, about)
			assert.Contains(t, err.Error(), "REDIS_")
			assert.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestLoad_RedisOverTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := writePair(t, dir)
	other := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(other, []byte("no certificate"), 0o600))
	c, err := Load(settings("REDIS_URL=rediss+sentinel://:data@a,b/m", "REDIS_SENTINEL_USER=watch", "REDIS_SENTINEL_PASSWORD=over",
		"REDIS_CA_FILE="+cert, "REDIS_CERT_FILE="+cert, "REDIS_KEY_FILE="+key, "REDIS_SERVER_NAME=redis.internal"), "")
	require.NoError(t, err)
	r := c.Redis.Client(redisstate.Config{})
	conf, err := r.TLS()
	require.NoError(t, err)
	assert.Equal(t, "redis.internal", conf.ServerName)
	assert.EqualValues(t, tls.VersionTLS12, conf.MinVersion)
	assert.False(t, conf.InsecureSkipVerify)
	assert.NotNil(t, conf.RootCAs)
	pair, err := conf.GetClientCertificate(nil)
	require.NoError(t, err)
	assert.Len(t, pair.Certificate, 1)
	assert.Equal(t, []string{"data", "watch", "over", "m"}, []string{r.Password, r.SentinelUsername, r.SentinelPassword, r.Master})

	for _, f := range []struct {
		about string
		given []string
	}{
		{"REDIS_CA_FILE: is for connections over TLS", []string{"REDIS_CA_FILE=" + cert}},
		{"REDIS_SERVER_NAME: is for connections over TLS", []string{"REDIS_SERVER_NAME=h"}},
		{"REDIS_CA_FILE: cannot be read", []string{"REDIS_URL=rediss://h", "REDIS_CA_FILE=" + filepath.Join(dir, "none")}},
		{"REDIS_CA_FILE: names a file that holds no certificate", []string{"REDIS_URL=rediss://h", "REDIS_CA_FILE=" + other}},
		{"REDIS_CERT_FILE: needs REDIS_KEY_FILE", []string{"REDIS_URL=rediss://h", "REDIS_CERT_FILE=" + cert}},
		{"REDIS_KEY_FILE: needs REDIS_CERT_FILE", []string{"REDIS_URL=rediss://h", "REDIS_KEY_FILE=" + key}},
		{"REDIS_CERT_FILE: and REDIS_KEY_FILE cannot be used", []string{"REDIS_URL=rediss://h", "REDIS_CERT_FILE=" + cert, "REDIS_KEY_FILE=" + other}},
		{"REDIS_SENTINEL_PASSWORD: is for", []string{"REDIS_URL=rediss://h", "REDIS_SENTINEL_PASSWORD=x"}},
		{"REDIS_SENTINEL_USER: is for", []string{"REDIS_URL=redis+cluster://h", "REDIS_SENTINEL_USER=x"}},
	} {
		_, err := Load(settings(f.given...), "")
		require.ErrorContains(t, err, f.about)
	}
}

// writePair writes a certificate that is its own authority, and its key.
func writePair(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, secret.Public(), secret)
	require.NoError(t, err)
	raw, err := x509.MarshalPKCS8PrivateKey(secret)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), 0o600))
	return cert, key
}
