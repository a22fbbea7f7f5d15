package doctor

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/config"
	"chatbox/redisstate"
)

// fakeRedis is a Redis without faults until fields say otherwise.
type fakeRedis struct {
	probe, echo, examine, time error
	servers                    []redisstate.Server
	behind                     time.Duration
}

func (f *fakeRedis) Probe(context.Context) error { return f.probe }
func (f *fakeRedis) Echo(context.Context) error  { return f.echo }
func (f *fakeRedis) Close() error                { return nil }

func (f *fakeRedis) Examine(context.Context) ([]redisstate.Server, error) {
	return f.servers, f.examine
}

func (f *fakeRedis) Time(context.Context) (time.Time, error) {
	return time.Now().Add(-f.behind), f.time
}

func good() redisstate.Server {
	return redisstate.Server{Addr: "r:6379", Version: "7.0.15", Policy: "noeviction", AOF: true}
}

func TestRedis_Findings(t *testing.T) {
	at := place{what: "Redis", at: "r:6379", setting: "REDIS_URL"}
	of := func(change func(*redisstate.Server)) []redisstate.Server {
		s := good()
		change(&s)
		return []redisstate.Server{s}
	}
	evicts := of(func(s *redisstate.Server) { s.Policy = "allkeys-lru" })
	for name, c := range map[string]struct {
		redis fakeRedis
		trial bool
		level Level
		parts []string
	}{
		"good":               {redis: fakeRedis{servers: []redisstate.Server{good()}}, level: OK, parts: []string{"r:6379 answers", "version 7.0.15, noeviction, appendonly"}},
		"a Cluster":          {redis: fakeRedis{servers: []redisstate.Server{{Cluster: true, Version: "7.0", Policy: "noeviction", AOF: true}, {Cluster: true, Version: "7.0", Policy: "noeviction", AOF: true}}}, level: OK, parts: []string{"2 masters"}},
		"broken":             {redis: fakeRedis{probe: errBroken}, level: Fail, parts: []string{"r:6379", "it is broken", "REDIS_URL"}},
		"no channels":        {redis: fakeRedis{echo: errBroken, servers: []redisstate.Server{good()}}, level: Fail, parts: []string{"delivers no messages", "allchannels"}},
		"old":                {redis: fakeRedis{servers: of(func(s *redisstate.Server) { s.Version = "6.0.16" })}, level: Fail, parts: []string{"version 6.0.16; 6.2 or newer"}},
		"evicts":             {redis: fakeRedis{servers: evicts}, level: Fail, parts: []string{"maxmemory-policy", "noeviction"}},
		"evicts, in a trial": {redis: fakeRedis{servers: evicts}, trial: true, level: Warn, parts: []string{"noeviction"}},
		"keeps nothing":      {redis: fakeRedis{servers: of(func(s *redisstate.Server) { s.AOF = false })}, level: Warn, parts: []string{"set appendonly yes"}},
		"says nothing":       {redis: fakeRedis{examine: errBroken}, level: Warn, parts: []string{"settings", "cannot be read"}},
		"no time":            {redis: fakeRedis{time: errBroken, servers: []redisstate.Server{good()}}, level: Warn, parts: []string{"time cannot be asked"}},
		"clock off":          {redis: fakeRedis{behind: 20 * time.Second, servers: []redisstate.Server{good()}}, level: Warn, parts: []string{"20s ahead of Redis'", "NTP"}},
		"clock far off":      {redis: fakeRedis{behind: -time.Hour, servers: []redisstate.Server{good()}}, level: Fail, parts: []string{"1h0m0s behind Redis'"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := lookAtRedis(t.Context(), at, &c.redis, !c.trial)
			require.Len(t, found, 1)
			requireLine(t, found, c.level, "redis", c.parts...)
		})
	}
}

func redisConfig(t *testing.T, url string) config.Config {
	t.Helper()
	cfg, err := config.Load([]string{"REDIS_URL=" + url}, "")
	require.Error(t, err, "other settings are missing")
	return cfg
}

func TestRedis_OfTheTests(t *testing.T) {
	m := miniredis.RunT(t)
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "redis://"+m.Addr())), Warn, "redis", "does not say what its maxmemory-policy is")
	assert.Equal(t, []string{"cb:{0}:probe"}, m.Keys(), "the key of the readiness check, which expires")
	m.FastForward(time.Minute)
	assert.Empty(t, m.Keys())

	m.RequireAuth("right-password")
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "redis://"+m.Addr())), Fail, "redis", "authentication failed", "Correct the user and the password in REDIS_URL")
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "redis://:wrong-password@"+m.Addr())), Fail, "redis", "authentication failed")
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "redis://"+closed(t))), Fail, "redis", "cannot connect to 127.0.0.1:", "(connection refused). Start Redis or correct REDIS_URL.")
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "redis://"+hung(t))), Fail, "redis", "no answer in time", "firewall")
	requireLine(t, visitRedis(t.Context(), redisConfig(t, "rediss://"+m.Addr())), Fail, "redis", "TLS")
}

func TestRedis_PlaceNamesNoPassword(t *testing.T) {
	for url, at := range map[string]string{
		"redis://u:password-of-redis@h:1/2":          "h:1",
		"redis+sentinel://:password-of-redis@a,b/mm": `the master "mm" of the sentinels a:26379,b:26379`,
		"rediss+cluster://:password-of-redis@a:1":    "the Cluster of a:1",
	} {
		assert.Equal(t, at, redisPlace(redisConfig(t, url).Redis).at)
	}
}
