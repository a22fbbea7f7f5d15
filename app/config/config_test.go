package config

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// settings are the least a pod needs, with changes; an empty one is removed.
func settings(change ...string) []string {
	m := map[string]string{
		"JWT_SECRET": random(32), "ENCRYPTION_KEY": random(32), "REDIS_URL": "redis://127.0.0.1:6379",
		"MONGO_URI": "mongodb://127.0.0.1:27017", "WS_ALLOWED_ORIGINS": "https://app.example.com",
		"LLM_PROVIDER_1_ID": "small", "LLM_PROVIDER_1_TYPE": "scripted",
	}
	for _, c := range change {
		name, v, _ := strings.Cut(c, "=")
		m[name] = v
	}
	var out []string
	for k, v := range m {
		out = append(out, k+"="+v)
	}
	slices.Sort(out)
	return out
}

func TestLoad_LeastSettingsAndDefaults(t *testing.T) {
	c, err := Load(settings(), "")
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Equal(t, host, string(c.Pod))
	assert.Equal(t, Production, c.Env)
	assert.Equal(t, ":8080", c.HTTP.Listen)
	assert.Equal(t, "/chatbox", c.HTTP.Prefix)
	assert.Equal(t, []string{"https://app.example.com"}, c.HTTP.Origins.List)
	assert.False(t, c.HTTP.Origins.Any)
	assert.True(t, c.HTTP.QueryToken)
	assert.Len(t, c.HTTP.MetricsNetworks, 2)
	assert.Equal(t, []string{"HS256", "HS384", "HS512"}, c.JWT.Algorithms)
	assert.True(t, c.JWT.RequireExpiry)
	assert.Len(t, c.Keys, 1)
	assert.Equal(t, "chat", c.Mongo.Database)
	assert.Equal(t, RedisSingle, c.Redis.Kind)
	assert.Equal(t, 120*time.Second, c.LLM.StreamTimeout)
	assert.Equal(t, 256<<10, c.Prompt.AnswerMax)
	assert.Equal(t, Limits{Frame: 256 << 10, RatePerMinute: 100, HelpPerMinute: 5, RESTPerMinute: 600, AdminPerMinute: 1200, Connections: 20000, Unknown: 4096, UnknownPerAddress: 128, ConnectionsPerUser: 10, ShedAbove: 100}, c.Limits)
	assert.Equal(t, Drain{Finish: 5 * time.Second, Window: 10 * time.Second, Shutdown: 30 * time.Second}, c.Drain)
	assert.Equal(t, 2*time.Minute, c.Admin.Grace)
	assert.Equal(t, Log{Level: slog.LevelInfo, Format: "json"}, c.Log)
}

func TestLoad_ReadsEveryKind(t *testing.T) {
	c, err := Load(settings(
		"SERVER_PORT=9000", "CHATBOX_PATH_PREFIX=/", "POD_ID=pod-7", "JWT_REQUIRE_EXP=off", "WS_QUERY_TOKEN=off",
		"JWT_ALGORITHMS=HS512", "JWT_ISSUER=https://id.example.com", "JWT_AUDIENCE=chat",
		"WS_ALLOWED_ORIGINS=https://a.example.com, https://*.b.example.com:8443", "CORS_ALLOWED_ORIGINS=https://c.example.com",
		"TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1", "METRICS_ALLOWED_NETWORKS=10.1.0.0/16", "MAX_MESSAGE_SIZE=65536", "ANSWER_MAX=64KiB",
		"RATE_LIMIT=7", "MAX_CONNECTIONS=8", "MAX_CONNECTIONS_PER_USER=9", "SHED_ABOVE=0", "SHUTDOWN_TIMEOUT=200", "DRAIN_FINISH=0s", "DRAIN_WINDOW=2m",
		"LOG_LEVEL=debug", "LOG_FORMAT=text", "MONGO_DATABASE=talks", "LLM_SYSTEM_PROMPT=Be brief.", "LLM_DEFAULT=large",
		"LLM_PROVIDER_5_ID=large", "LLM_PROVIDER_5_NAME=Large", "LLM_PROVIDER_5_TYPE=openai", "LLM_PROVIDER_5_MODEL=m",
		"LLM_PROVIDER_5_ENDPOINT=http://127.0.0.1:9/v1", "LLM_PROVIDER_5_API_KEY=dummy", "LLM_PROVIDER_5_CONTINUE=prefix",
	), "")
	require.NoError(t, err)
	assert.Equal(t, ":9000", c.HTTP.Listen)
	assert.Empty(t, c.HTTP.Prefix)
	assert.Equal(t, "pod-7", string(c.Pod))
	assert.False(t, c.JWT.RequireExpiry)
	assert.False(t, c.HTTP.QueryToken)
	assert.Equal(t, []string{"HS512"}, c.JWT.Algorithms)
	assert.Len(t, c.HTTP.Origins.List, 2)
	assert.Equal(t, "192.0.2.1/32", c.HTTP.TrustedProxies[1].String())
	assert.EqualValues(t, 65536, c.Limits.Frame)
	assert.Zero(t, c.Limits.ShedAbove)
	assert.Equal(t, 64<<10, c.Prompt.AnswerMax)
	assert.Equal(t, Drain{Window: 2 * time.Minute, Shutdown: 200 * time.Second}, c.Drain)
	assert.Equal(t, slog.LevelDebug, c.Log.Level)
	require.Len(t, c.LLM.Providers, 2)
	assert.Equal(t, "small", c.LLM.Providers[0].ID)
	assert.Equal(t, "large", c.LLM.Providers[1].ID)
	assert.Equal(t, "dummy", c.LLM.Providers[1].APIKey.Reveal())
	assert.Equal(t, "prefix", c.LLM.Providers[1].Continue)
}

func TestLoad_ListenAddressBeatsItsAlias(t *testing.T) {
	c, err := Load(settings("SERVER_PORT=9000", "LISTEN_ADDR=127.0.0.1:0"), "")
	require.NoError(t, err)
	assert.Equal(t, "127.0.0.1:0", c.HTTP.Listen)
	assert.Equal(t, []string{"SERVER_PORT is set and has no effect: LISTEN_ADDR is set too, to 127.0.0.1:0"}, c.Warnings)
	c, err = Load(settings("SERVER_PORT=9000", "LISTEN_ADDR=127.0.0.1:9000"), "")
	require.NoError(t, err)
	assert.Empty(t, c.Warnings, "they say the same")
}

// Of two settings that contradict each other none is silently ignored.
func TestLoad_ContradictionsAreFaults(t *testing.T) {
	one, other := base64.StdEncoding.EncodeToString([]byte(random(16))), base64.StdEncoding.EncodeToString([]byte(random(16)))
	sentinel := "REDIS_URL=redis+sentinel://a/m?sentinel_user=ann&sentinel_password=in-the-url"
	for about, given := range map[string][]string{
		`ENCRYPTION_KEY: is not the key "default" of ENCRYPTION_KEYS`:         {"ENCRYPTION_KEY=" + one, "ENCRYPTION_KEYS=k2:" + one + ",default:" + other},
		"REDIS_SENTINEL_USER: contradicts sentinel_user in REDIS_URL":         {sentinel, "REDIS_SENTINEL_USER=bob"},
		"REDIS_SENTINEL_PASSWORD: contradicts sentinel_password in REDIS_URL": {sentinel, "REDIS_SENTINEL_PASSWORD=in-a-variable"},
		"REDIS_URL: has sentinel_user and sentinel_username":                  {"REDIS_URL=redis+sentinel://a/m?sentinel_user=ann&sentinel_username=bob&sentinel_password=x"},
		"REDIS_URL: has the parameter db":                                     {"REDIS_URL=redis://h/0?db=1"},
		`MONGO_URI: has the parameter "w" twice`:                              {"MONGO_URI=mongodb://h/?w=majority&w=1"},
		`MONGO_URI: has the parameter "authsource" twice`:                     {"MONGO_URI=mongodb+srv://u:p@h.example.com/?authSource=a&authsource=b"},
	} {
		_, err := Load(settings(given...), "")
		require.ErrorContains(t, err, about)
		for _, secret := range []string{one, other, "in-the-url", "in-a-variable"} {
			assert.NotContains(t, err.Error(), secret)
		}
	}
	for _, given := range [][]string{
		{"ENCRYPTION_KEY=" + one, "ENCRYPTION_KEYS=k2:" + other},
		{"ENCRYPTION_KEY=" + one, "ENCRYPTION_KEYS=k2:" + other + ",default:" + one},
		{sentinel, "REDIS_SENTINEL_USER=ann", "REDIS_SENTINEL_PASSWORD=in-the-url"},
		{"REDIS_URL=redis://h/1?db=1"},
		{"MONGO_URI=mongodb://h/?readPreference=secondary&readPreferenceTags=dc:ny&readPreferenceTags=dc:sf"},
	} {
		_, err := Load(settings(given...), "")
		require.NoError(t, err)
	}
}

func TestLoad_DevelopmentMayListNoOrigin(t *testing.T) {
	c, err := Load(settings("WS_ALLOWED_ORIGINS=", "CHATBOX_ENV=development"), "")
	require.NoError(t, err)
	assert.True(t, c.HTTP.Origins.Any)
	c, err = Load(settings("CHATBOX_ENV=development"), "")
	require.NoError(t, err)
	assert.False(t, c.HTTP.Origins.Any, "a list that is there counts")
}

func TestLoad_EachFaultNamesItsVariable(t *testing.T) {
	for setting, about := range map[string]string{
		"LISTEN_ADDR=8080": "host:port", "LISTEN_ADDR=:99999": "host:port", "LISTEN_ADDR=:+80": "host:port", "LISTEN_ADDR=:-0": "host:port",
		"LISTEN_ADDR=::1:8080": "host:port", "LISTEN_ADDR=user@h:80": "host", "LISTEN_ADDR=a b:80": "host", "LISTEN_ADDR=*:80": "every address", "LISTEN_ADDR=http://h": "host:port",
		"LISTEN_ADDR=999.1.1.1:80": "host", "LISTEN_ADDR=-h:80": "host", "LISTEN_ADDR=h..i:80": "host", "LISTEN_ADDR=[fe80::zz]:80": "host",
		"SERVER_PORT=http": "port", "SERVER_PORT=99999": "port", "SERVER_PORT=+80": "port", "CHATBOX_ENV=staging": "one of", "CHATBOX_PATH_PREFIX=chat box": "path",
		"POD_ID=a/b": "must be", "JWT_SECRET=": "required", "JWT_SECRET=short": "32 bytes", "JWT_ALGORITHMS=none": "none of",
		"JWT_ALGORITHMS=HS256,RS256": "JWT_JWKS_URL", "JWT_ALGORITHMS=HS256,PS256": "PS256",
		"JWT_JWKS_URL=ftp://id.example.com/keys": "https", "JWT_JWKS_URL=https://me:pw@id.example.com/keys": "without user",
		"JWT_JWKS_URL=http://id.example.com/keys": "must be https",
		"JWT_REQUIRE_EXP=maybe":                   "on or off", "WS_QUERY_TOKEN=2": "on or off",
		"JWT_SECRET=" + strings.Repeat("a", 64): "predictable", "JWT_SECRET=0123456789abcdef0123456789abcdef": "predictable",
		"JWT_SECRET=abcdefghijklmnopqrstuvwxyz0123456789": "predictable", "JWT_SECRET=ABABABABABABABABABABABABABABABABABAB": "predictable",
		"JWT_SECRET=-----BEGIN PUBLIC KEY-----MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9q7RkT2mXw":     "published form",
		`JWT_SECRET={"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"}`: "published form",
		"JWT_SECRET=please-Change-Me-before-you-go-to-production!":                                "placeholder",
		"JWT_SECRET=your-secret-key-must-be-32-characters-long":                                   "placeholder",
		"JWT_SECRET=your_super_secret_jwt_key_7Gh2kLp9Qz":                                         "placeholder",
		"ENCRYPTION_KEY=": "required", "ENCRYPTION_KEY=too short": "32", "ENCRYPTION_KEY=" + strings.Repeat("0", 64): "predictable",
		"ENCRYPTION_KEY=" + strings.Repeat("k", 32):                                 "predictable",
		"ENCRYPTION_KEY=0123456789abcdef0123456789abcdef":                           "predictable",
		"ENCRYPTION_KEY=" + base64.StdEncoding.EncodeToString(make([]byte, 32)):     "predictable",
		"ENCRYPTION_KEYS=k1:" + base64.StdEncoding.EncodeToString(make([]byte, 32)): "predictable",
		"ENCRYPTION_KEYS=k1:AAAA":                                                   "32 bytes", "ENCRYPTION_KEYS=nothing": "id:base64",
		"REDIS_URL=": "required", "REDIS_URL=http://x": "redis://", "REDIS_URL=redis://": "no host", "REDIS_URL=redis://a,b": "several hosts",
		"REDIS_URL=redis://a/x": "database", "REDIS_URL=redis+sentinel://a,b": "master", "REDIS_URL=redis+cluster://a/1": "database",
		"REDIS_URL=redis://:%zz@a": "escaped", "MONGO_URI=": "required", "MONGO_URI=postgres://x": "mongodb://",
		"MONGO_URI=mongodb://h/?directConnection=maybe": "directConnection", "MONGO_URI=mongodb://h/?w=majority&connectTimeoutMS=-5": "connectTimeoutMS",
		"MONGO_URI=mongodb://h/?authMechanism=EVIL": "authMechanism", "MONGO_URI=mongodb://u:p%ZZ@h/": "escaped",
		"MONGO_URI=mongodb://h/?foo=bar": "foo", "MONGO_URI=mongodb://h/?compressors=snappy,evil": "compressors",
		"MONGO_URI=mongodb+srv://h.example.com/?foo=bar": "foo", "MONGO_URI=mongodb+srv://h.example.com/?directConnection=maybe": "directConnection",
		"MONGO_URI=mongodb+srv://h.example.com:27017/": "port", "MONGO_URI=mongodb+srv://a.example.com,b.example.com/": "one host",
		"MONGO_URI=mongodb+srv://h.example.com/?directConnection=true": "directConnection",
		"MONGO_URI=mongodb://h/?tlsCAFile=/nowhere/ca.pem":             "/nowhere/ca.pem", "MONGO_URI=mongodb+srv://h.example.com/?tlsCertificateKeyFile=/nowhere/c.pem": "/nowhere/c.pem",
		"MONGO_URI=mongodb://h/?tls=true&tlsCAFile=config_test.go": "tlsCAFile", "MONGO_URI=mongodb://h/?tlsCertificateKeyFile=config_test.go": "tlsCertificateKeyFile",
		"MONGO_URI=mongodb://h/?maxPoolSize=1&minPoolSize=5": "minPoolSize",
		"MONGO_URI=mongodb://h/?appName=%zz":                 "escaped", "MONGO_URI=mongodb://h:port/": "host",
		"MONGO_DATABASE=admin": "server keeps", "MONGO_DATABASE=local": "server keeps", "MONGO_DATABASE=config": "server keeps",
		"MONGO_URI=mongodb://": "no host", "MONGO_URI=mongodb://u:p@/x": "no host", "MONGO_DATABASE=a/b": "database",
		"WS_ALLOWED_ORIGINS=": "required", "WS_ALLOWED_ORIGINS=*": "scheme", "WS_ALLOWED_ORIGINS=https://a.example.com/path": "scheme",
		"WS_ALLOWED_ORIGINS=wss://a.example.com": "https", "WS_ALLOWED_ORIGINS=ws://a.example.com": "http", "WS_ALLOWED_ORIGINS=https://a.example.com:0": "port",
		"WS_ALLOWED_ORIGINS=https://a.example.com:99999": "port", "CHATBOX_PATH_PREFIX=/..": "path", "CHATBOX_PATH_PREFIX=/a/./b": "path",
		"WS_ALLOWED_ORIGINS=https://your-domain.com": "placeholder", "WS_ALLOWED_ORIGINS=https://*.com": "top-level",
		"WS_ALLOWED_ORIGINS=https://a.*.com": "first label", "CORS_ALLOWED_ORIGINS=nowhere": "scheme", "TRUSTED_PROXIES=10.0.0.0/99": "network",
		"METRICS_ALLOWED_NETWORKS=everybody": "network", "MAX_MESSAGE_SIZE=0": "size", "MAX_MESSAGE_SIZE=-1": "size", "ANSWER_MAX=0": "size",
		"MAX_MESSAGE_SIZE=1GB": "size", "RATE_LIMIT=0": "at least 1", "MAX_CONNECTIONS=-5": "at least 1", "MAX_CONNECTIONS_PER_USER=x": "at least 1",
		"SHUTDOWN_TIMEOUT=0": "from 1s", "DRAIN_FINISH=-1s": "from 0s", "DRAIN_WINDOW=soon": "duration", "ADMIN_GRACE=0s": "from 1s",
		"LLM_STREAM_TIMEOUT=0s": "from 1s", "LLM_IDLE_TIMEOUT=-3s": "from 100ms", "LOG_LEVEL=loud": "debug", "LOG_FORMAT=xml": "one of",
		"LLM_DEFAULT=gone": "none of", "LLM_FALLBACK=gone": "none of", "LLM_PROVIDER_1_TYPE=oracle": "unknown", "LLM_PROVIDER_1_ID=": "ID",
		"LLM_PROVIDER_1_TYPE=": "unknown", "LLM_PROVIDER_1_TYPE=openai": "",
		"LLM_PROVIDER_1_CONTINUE=suffix": "unknown", "LLM_PROVIDER_X_ID=a": "not a known", "LLM_PROVIDER_1_COLOUR=red": "not a known",
	} {
		name, value, _ := strings.Cut(setting, "=")
		t.Run(setting[:min(60, len(setting))], func(t *testing.T) {
			_, err := Load(settings(setting), "")
			require.Error(t, err)
			lines := strings.Split(err.Error(), "\n")
			at := slices.IndexFunc(lines, func(l string) bool {
				return strings.HasPrefix(l, name) && strings.Contains(l, about) ||
					strings.HasPrefix(name, providerPrefix) && strings.HasPrefix(l, providerPrefix+"1_") && about == ""
			})
			assert.GreaterOrEqual(t, at, 0, "%s", err)
			if len(value) > 20 && strings.HasPrefix(name, "JWT") {
				assert.NotContains(t, err.Error(), value)
			}
		})
	}
}

func TestLoad_ListenAddressesOfEveryKindPass(t *testing.T) {
	for _, addr := range []string{":8080", ":0", "0.0.0.0:80", "[::]:80", "[::1]:8080", "[fe80::1%eth0]:80", "localhost:8080", "pod-7.chat_a.svc.cluster.local:80", "h.example.com.:80"} {
		c, err := Load(settings("LISTEN_ADDR="+addr), "")
		require.NoError(t, err, addr)
		assert.Equal(t, addr, c.HTTP.Listen)
	}
}

func TestLoad_AllFaultsAtOnce(t *testing.T) {
	_, err := Load([]string{"RATE_LIMIT=0", "LOG_LEVEL=loud", "LLM_PROVIDER_2_TYPE=oracle"}, "")
	require.Error(t, err)
	for _, name := range []string{
		"JWT_SECRET", "ENCRYPTION_KEY", "REDIS_URL", "MONGO_URI", "WS_ALLOWED_ORIGINS", "RATE_LIMIT", "LOG_LEVEL",
		"LLM_PROVIDER_2_TYPE", "LLM_PROVIDER_2_ID",
	} {
		assert.Regexp(t, `(?m)^`+name+`\b`, err.Error())
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		assert.Regexp(t, `^[A-Z][A-Z0-9_]+( or [A-Z_]+)?\b`, line, "every line begins with its variable")
	}
}

func TestLoad_NoModelAtAllIsAFault(t *testing.T) {
	_, err := Load(settings("LLM_PROVIDER_1_ID=", "LLM_PROVIDER_1_TYPE="), "")
	require.ErrorContains(t, err, "LLM_PROVIDER_1_TYPE: is required")
}

func TestLoad_TheVendorsOwnEndpointTakesARealKey(t *testing.T) {
	openai := []string{"LLM_PROVIDER_1_TYPE=openai", "LLM_PROVIDER_1_MODEL=m"}
	_, err := Load(settings(openai...), "")
	require.ErrorContains(t, err, "LLM_PROVIDER_1_API_KEY")
	_, err = Load(settings(append(openai, "LLM_PROVIDER_1_API_KEY=your-api-key-here")...), "")
	require.ErrorContains(t, err, "LLM_PROVIDER_1_API_KEY")
	_, err = Load(settings(append(openai, "LLM_PROVIDER_1_ENDPOINT=http://127.0.0.1:9")...), "")
	require.NoError(t, err, "a server of one's own may take none")
}

func TestLoad_RandomSecretsAreNeverRefused(t *testing.T) {
	for range 2000 {
		assert.Empty(t, weakness(random(16)))
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		assert.Empty(t, weakness(string(b)))
		assert.Empty(t, weakness(base64.StdEncoding.EncodeToString(b)))
	}
}

func TestLoad_SecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	secret, key := random(32), random(20)
	for name, text := range map[string]string{"jwt": secret + "\n", "key": key, "empty": "\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	c, err := Load(settings("JWT_SECRET=", "JWT_SECRET_FILE="+dir+"/jwt", "LLM_PROVIDER_1_API_KEY_FILE="+dir+"/key"), "")
	require.NoError(t, err)
	assert.Equal(t, secret, c.JWT.Secret.Reveal())
	assert.Equal(t, key, c.LLM.Providers[0].APIKey.Reveal())

	_, err = Load(settings("JWT_SECRET=", "JWT_SECRET_FILE="+dir+"/none"), "")
	require.ErrorContains(t, err, "JWT_SECRET_FILE: cannot be read")
	_, err = Load(settings("JWT_SECRET=", "JWT_SECRET_FILE="+dir+"/empty"), "")
	require.ErrorContains(t, err, "JWT_SECRET_FILE: names an empty file")
	_, err = Load(settings("JWT_SECRET_FILE="+dir+"/jwt"), "")
	require.ErrorContains(t, err, "JWT_SECRET: is given twice")
}

func TestLoad_FileThenEnvironment(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "chatbox.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "jwt"), []byte(random(32)), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(`
jwt:
  secret_file: `+dir+`/jwt
  require-exp: off
LOG_LEVEL: debug
rate_limit: 5
max_connections: 6
ws_allowed_origins: [https://a.example.com, https://b.example.com]
llm:
  provider:
    2: {id: second, type: scripted}
`), 0o600))
	mine := random(32)
	c, err := Load(settings("WS_ALLOWED_ORIGINS=", "RATE_LIMIT=9", "JWT_SECRET="+mine), path)
	require.NoError(t, err)
	assert.Equal(t, mine, c.JWT.Secret.Reveal(), "the environment's secret beats the file's file")
	assert.False(t, c.JWT.RequireExpiry)
	assert.Equal(t, slog.LevelDebug, c.Log.Level)
	assert.Equal(t, 9, c.Limits.RatePerMinute)
	assert.Equal(t, 6, c.Limits.Connections)
	assert.Len(t, c.HTTP.Origins.List, 2)
	assert.Len(t, c.LLM.Providers, 2)
}

func TestLoad_TOMLFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chatbox.toml")
	require.NoError(t, os.WriteFile(path, []byte("rate_limit = 7\n[jwt]\nrequire-exp = \"off\"\n"), 0o600))
	c, err := Load(settings(), path)
	require.NoError(t, err)
	assert.Equal(t, 7, c.Limits.RatePerMinute)
	assert.False(t, c.JWT.RequireExpiry)
	require.NoError(t, os.WriteFile(path, []byte("rate_limit = "), 0o600))
	_, err = Load(settings(), path)
	require.ErrorContains(t, err, "is not valid TOML")
}

func TestLoad_FaultsOfTheFile(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"LOG_LEVELS: debug":            "LOG_LEVELS: is not a known variable",
		"jwt: {secrte: x}":             "JWT_SECRTE: is not a known variable",
		"llm: {provider: {1: {x: y}}}": "LLM_PROVIDER_1_X: is not a known variable",
		"a: [":                         "--config",
		"- a":                          "--config",
	} {
		path := filepath.Join(dir, "c.yml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(settings(), path)
		require.ErrorContains(t, err, want)
	}
	_, err := Load(settings(), filepath.Join(dir, "none.yaml"))
	require.ErrorContains(t, err, "--config")
}

func TestConfig_ShowsNoSecretHoweverPrinted(t *testing.T) {
	jwt, key := random(32), random(32)
	c, err := Load(settings("JWT_SECRET="+jwt, "ENCRYPTION_KEY="+key, "REDIS_URL=redis://:hunter2hunter2@h", "MONGO_URI=mongodb://u:hunter2hunter2@h",
		"LLM_PROVIDER_1_API_KEY=hunter2hunter2"), "")
	require.NoError(t, err)
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "config", c)
	j, err := json.Marshal(c)
	require.NoError(t, err)
	raw, err := hex.DecodeString(key)
	require.NoError(t, err)
	for _, printed := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), logged.String(), string(j)} {
		for _, secret := range []string{jwt, key, "hunter2hunter2", string(raw), hex.EncodeToString([]byte(jwt)), hex.EncodeToString([]byte("hunter2hunter2"))} {
			assert.NotContains(t, printed, secret)
		}
	}
}

func TestHelp_ListsEveryVariable(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Help(&b))
	for _, v := range documented() {
		assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(v.name)+`( \*)?( \(.*\))?$`, b.String())
		assert.True(t, strings.HasSuffix(v.doc, "."), v.name)
		if v.def != "" {
			assert.NoError(t, v.set(v.def), v.name)
		}
	}
}

func TestDoc_IsCurrent(t *testing.T) {
	const path = "../../docs/operations/config.md"
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(path, []byte(Doc()), 0o600))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err, "UPDATE_DOCS=1 go test ./app/config -run TestDoc writes it")
	assert.Equal(t, Doc(), string(b))
}

func TestLoad_TokensMayComeFromAnIssuer(t *testing.T) {
	const url = "JWT_JWKS_URL=https://id.example.com/keys"
	c, err := Load(settings("JWT_SECRET=", url), "")
	require.NoError(t, err)
	assert.Equal(t, issuerAlgorithms(), c.JWT.Algorithms)
	c, err = Load(settings(url), "")
	require.NoError(t, err)
	assert.Equal(t, append(secretAlgorithms(), issuerAlgorithms()...), c.JWT.Algorithms)
	c, err = Load(settings(url, "JWT_ALGORITHMS=ES256,HS512"), "")
	require.NoError(t, err)
	assert.Equal(t, []string{"ES256", "HS512"}, c.JWT.Algorithms)
	_, err = Load(settings("JWT_JWKS_URL=http://127.0.0.1:9/keys"), "")
	require.NoError(t, err, "nobody stands between on loopback")
	_, err = Load(settings("JWT_SECRET=", url, "JWT_ALGORITHMS=HS256"), "")
	require.ErrorContains(t, err, "JWT_ALGORITHMS: names algorithms that need JWT_SECRET")
	require.ErrorContains(t, err, "JWT_ALGORITHMS: names no algorithm for JWT_JWKS_URL")
}

func TestLoad_MongoURIsOfEveryKindPass(t *testing.T) {
	for _, uri := range []string{
		"mongodb://h", "mongodb://h:27017,i:27018/?replicaSet=rs0&w=majority&readPreference=primary&tls=true", "mongodb://u:p%40w@h/?authSource=admin",
		"mongodb+srv://u:p@cluster0.example.com/?retryWrites=true&w=majority&appName=Cluster0", "mongodb+srv://h.example.com/?srvMaxHosts=2&srvServiceName=x",
		"mongodb://h/?compressors=zstd,snappy,zlib&maxPoolSize=20&waitQueueTimeoutMS=5", "mongodb://u:p@h/?ssl=true&authMechanism=SCRAM-SHA-256&authSource=x",
	} {
		_, err := Load(settings("MONGO_URI="+uri), "")
		assert.NoError(t, err, uri)
	}
}
