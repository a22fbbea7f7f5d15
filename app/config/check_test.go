package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/llm"
)

func TestLoad_EveryDurationHasARange(t *testing.T) {
	durations := 0
	for _, v := range append(variables(&Config{}), providerVariables(&llm.Provider{})...) {
		if _, err := time.ParseDuration(v.def); err != nil {
			continue
		}
		durations++
		for _, absurd := range []string{"1ns", "-1s", "1000000h", "2562047h47m16s", "9223372036854775807"} {
			err := v.set(absurd)
			require.Error(t, err, "%s=%s", v.name, absurd)
			assert.Regexp(t, ` to \d+(h|m|s)`, err.Error(), "%s: the fault names the range", v.name)
		}
		require.NoError(t, v.set(v.def), v.name)
	}
	require.GreaterOrEqual(t, durations, 7)
}

func TestLoad_AbsurdDurations(t *testing.T) {
	for setting, want := range map[string]string{
		"ADMIN_GRACE=1ns":           "ADMIN_GRACE: must be from 1s to 24h",
		"ADMIN_GRACE=20ms":          "ADMIN_GRACE: must be from 1s to 24h",
		"LLM_STREAM_TIMEOUT=1000h":  "LLM_STREAM_TIMEOUT: must be from 1s to 1h",
		"LLM_IDLE_TIMEOUT=7200":     "LLM_IDLE_TIMEOUT: must be from 100ms to 1h",
		"SHUTDOWN_TIMEOUT=10ms":     "SHUTDOWN_TIMEOUT: must be from 1s to 12h",
		"DRAIN_WINDOW=1us":          "DRAIN_WINDOW: must be 0s, or from 1ms to 12h",
		"DRAIN_FINISH=13h":          "DRAIN_FINISH: must be from 0s to 12h",
		"TOKEN_MAX_LIFE=1000000h":   "TOKEN_MAX_LIFE: must be from 1m to 87600h",
		"TOKEN_MAX_LIFE=1h30":       "TOKEN_MAX_LIFE: must be a duration such as 30s or 2m, from 1m to 87600h",
		"LLM_STREAM_TIMEOUT=10 min": "LLM_STREAM_TIMEOUT: must be a duration",
	} {
		_, err := Load(settings(setting), "")
		require.ErrorContains(t, err, want, setting)
	}
}

func TestLoad_TimesFitOneAnother(t *testing.T) {
	for _, c := range []struct {
		name  string
		given []string
		want  Drain
		fault string
	}{
		{"both too long", []string{"DRAIN_FINISH=20s", "DRAIN_WINDOW=20s"}, Drain{}, "DRAIN_FINISH (20s) and DRAIN_WINDOW (20s) together must be below SHUTDOWN_TIMEOUT (30s)"},
		{"one too long", []string{"DRAIN_WINDOW=2m"}, Drain{}, "DRAIN_WINDOW: does not fit"},
		{"the other too long", []string{"DRAIN_FINISH=31s"}, Drain{}, "DRAIN_FINISH: does not fit"},
		{"too short a shutdown for both", []string{"SHUTDOWN_TIMEOUT=10s", "DRAIN_FINISH=5s", "DRAIN_WINDOW=10s"}, Drain{}, "SHUTDOWN_TIMEOUT (10s)"},
		{"a short shutdown alone", []string{"SHUTDOWN_TIMEOUT=10s"}, Drain{Finish: 5 * time.Second, Window: 10 * time.Second, Shutdown: 10 * time.Second}, ""},
		{"what is given stands", []string{"DRAIN_FINISH=20s"}, Drain{Finish: 20 * time.Second, Window: 4 * time.Second, Shutdown: 30 * time.Second}, ""},
		{"the same the other way", []string{"SHUTDOWN_TIMEOUT=10s", "DRAIN_WINDOW=6s"}, Drain{Finish: 2 * time.Second, Window: 6 * time.Second, Shutdown: 10 * time.Second}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := Load(settings(c.given...), "")
			if c.fault != "" {
				require.ErrorContains(t, err, c.fault)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, cfg.Drain)
			assert.Empty(t, cfg.Warnings)
		})
	}
	_, err := Load(settings("LLM_IDLE_TIMEOUT=5m"), "")
	require.ErrorContains(t, err, "LLM_IDLE_TIMEOUT: is 5m, longer than the whole answer may take: LLM_STREAM_TIMEOUT is 2m")
	c, err := Load(settings("LLM_STREAM_TIMEOUT=10s"), "")
	require.NoError(t, err, "the default gives way")
	assert.Equal(t, 10*time.Second, c.LLM.IdleTimeout)
}

func TestLoad_Warnings(t *testing.T) {
	for _, c := range []struct {
		setting string
		want    []string // of one warning; nothing: none
	}{
		{"TRUSTED_PROXIES=0.0.0.0/0", []string{"TRUSTED_PROXIES", "0.0.0.0/0", "any client may claim any address"}},
		{"TRUSTED_PROXIES=10.0.0.0/8,::/0", []string{"TRUSTED_PROXIES", "::/0"}},
		{"TRUSTED_PROXIES=128.0.0.0/1", []string{"TRUSTED_PROXIES", "128.0.0.0/1"}},
		{"TRUSTED_PROXIES=::ffff:0.0.0.0/96", []string{"TRUSTED_PROXIES", "/96"}},
		{"METRICS_ALLOWED_NETWORKS=0.0.0.0/0", []string{"METRICS_ALLOWED_NETWORKS", "anybody may read"}},
		{"TRUSTED_PROXIES=10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,203.0.113.9", nil},
		{"SHED_ABOVE=30000", []string{"SHED_ABOVE (30000)", "MAX_CONNECTIONS (20000)"}},
		{"SHED_ABOVE=0", nil},
		{"DRAIN_FINISH=28s", []string{"DRAIN_FINISH", "cut to"}},
		{"LLM_FALLBACK=small", []string{"LLM_FALLBACK", "only model"}},
		{"WS_ALLOWED_ORIGINS=capacitor://localhost,https://a.example.com", []string{"WS_ALLOWED_ORIGINS", "capacitor://localhost"}},
		{"JWT_EXPIRES_IN=1h", []string{"JWT_EXPIRES_IN", "no effect"}},
		{"LLM_TIMEOUT=1m", []string{"LLM_TIMEOUT", "no effect"}},
	} {
		cfg, err := Load(settings(c.setting), "")
		require.NoError(t, err, c.setting)
		if c.want == nil {
			assert.Empty(t, cfg.Warnings, c.setting)
			continue
		}
		require.Len(t, cfg.Warnings, 1, c.setting)
		for _, part := range c.want {
			assert.Contains(t, cfg.Warnings[0], part)
		}
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 2 * time.Minute: "2m", time.Hour: "1h", 90 * time.Minute: "1h30m", 100 * time.Hour: "100h",
		10 * time.Hour: "10h", 10 * time.Minute: "10m", 100 * time.Millisecond: "100ms",
	} {
		assert.Equal(t, want, span(d))
		back, err := time.ParseDuration(span(d))
		require.NoError(t, err)
		assert.Equal(t, d, back, strings.TrimSpace(want))
	}
}

func TestLoad_OneSecretForTwoThingsIsDoubted(t *testing.T) {
	secret := random(32)
	cfg, err := Load(settings("JWT_SECRET="+secret, "ENCRYPTION_KEY="+secret), "")
	require.NoError(t, err)
	require.Len(t, cfg.Warnings, 1)
	assert.Contains(t, cfg.Warnings[0], "JWT_SECRET")
	assert.NotContains(t, cfg.Warnings[0], secret)
}
