package config

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/providers/llm"
)

// printed is what --print-config prints.
func printed(t *testing.T, file string, environ ...string) (string, error) {
	t.Helper()
	var b bytes.Buffer
	err := Print(&b, environ, file)
	return b.String(), err
}

// row matches one variable's line.
func row(name, value, from string) string {
	return `(?m)^` + regexp.QuoteMeta(name+"="+value) + ` +# ` + regexp.QuoteMeta(from) + `$`
}

func TestPrintConfig_SaysWhereEachValueComesFrom(t *testing.T) {
	key := written(t, "key", random(32))
	file := written(t, "c.yaml", "rate_limit: 7\nllm:\n  provider:\n    2:\n      id: second\n      type: scripted\nhelp_rate_limit: 3\n")
	out, err := printed(t, file, settings("ENCRYPTION_KEY=", "ENCRYPTION_KEY_FILE="+key, "SERVER_PORT=9000", "HELP_RATE_LIMIT=4", "LLM_SYSTEM_PROMPT=a\nb")...)
	require.NoError(t, err)
	host, err := os.Hostname()
	require.NoError(t, err)
	assert.Regexp(t, row("RATE_LIMIT", "7", file+":1"), out)
	assert.Regexp(t, row("LLM_PROVIDER_2_ID", "second", file+":5"), out)
	assert.Regexp(t, row("HELP_RATE_LIMIT", "4", "environment"), out)
	assert.Regexp(t, row("LISTEN_ADDR", "9000", "environment, SERVER_PORT"), out)
	assert.Regexp(t, row("ENCRYPTION_KEY", "(redacted)", "ENCRYPTION_KEY_FILE "+key), out)
	assert.Regexp(t, row("JWT_SECRET", "(redacted)", "environment"), out)
	assert.Regexp(t, row("DRAIN_WINDOW", "10s", "default"), out)
	assert.Regexp(t, row("POD_ID", host, "the host's name"), out)
	assert.Regexp(t, row("JWT_ISSUER", "", "not set"), out)
	assert.Regexp(t, row("LLM_SYSTEM_PROMPT", `"a\nb"`, "environment"), out)
	for _, v := range append(variables(&Config{}), providerVariables(&llm.Provider{})...) {
		assert.Contains(t, out, v.name+"=")
	}
}

func TestPrintConfig_ShowsNoSecret(t *testing.T) {
	environ := settings("REDIS_URL=rediss://ann:hunter2@h:1/2", "MONGO_URI=mongodb://ann:hunter2@h/?authSource=admin&tlsCertificateKeyFilePassword=hunter2")
	for _, v := range append(variables(&Config{}), providerVariables(&llm.Provider{})...) {
		if v.secret && v.name != "REDIS_URL" && v.name != "MONGO_URI" {
			environ = append(environ, v.name+"=hunter2")
			if !strings.Contains(v.name, "_") || v.name == "API_KEY" || v.name == "HEADERS" {
				environ = append(environ, providerName(1, v.name)+"=hunter2")
			}
		}
	}
	environ = append(environ, "LLM_PROVIDER_1_ENDPOINT=https://ann:hunter2@h/v1?key=hunter2", "CHATBOX_COLOUR=hunter2", "JWT_SECERT=hunter2", "LLM_PROVIDER_1_KEY=hunter2")
	out, err := printed(t, "", environ...)
	require.Error(t, err, "hunter2 is no secret")
	assert.NotContains(t, out+err.Error(), "hunter2")
	assert.Regexp(t, row("REDIS_URL", "rediss://(redacted)@h:1/2", "environment"), out)
	assert.Regexp(t, row("MONGO_URI", "mongodb://(redacted)@h/?(redacted)", "environment"), out)
	assert.Regexp(t, row("LLM_PROVIDER_1_ENDPOINT", "https://(redacted)@h/v1?(redacted)", "environment"), out)
}

func TestReadable_LeavesOutWhatCouldBeASecret(t *testing.T) {
	for value, want := range map[string]string{
		"redis://h:6379/0": "redis://h:6379/0", "redis+sentinel://:hunter2@a,b/main": "redis+sentinel://(redacted)@a,b/main",
		"redis+cluster://a:1,b:2": "redis+cluster://a:1,b:2", "redis://hunter2:@h": "redis://(redacted)@h", "redis://h?password=hunter2": "redis://h?(redacted)",
		"redis://u:hun@ter2@h": redacted, "redis://u:hun?ter2@h": redacted, "redis://u:hun#ter2@h": "redis://(redacted)@h", "redis://h/0#hunter2": redacted,
		"hunter2": redacted, "u:hunter2@h:6379": redacted, "Hunter2://x": redacted, "mongodb://h/?authMechanismProperties=T:hunter2@x": redacted,
		"mongodb+srv://u:p@h.example.com/?w=majority": "mongodb+srv://(redacted)@h.example.com/?(redacted)", "redis://u:hun/ter2@h": "redis://(redacted)@h",
	} {
		assert.Equal(t, want, readable(variable{name: "REDIS_URL", secret: true}, value), "%q", value)
	}
	endpoint := variable{name: "SMS_ENDPOINT"}
	assert.Equal(t, "https://h/v1", readable(endpoint, "https://h/v1"))
	assert.Equal(t, "https://(redacted)@h/v1", readable(endpoint, "https://u,v:p@h/v1"))
	assert.Equal(t, redacted, readable(variable{name: "X", secret: true}, "https://h"))
}

func TestPrintConfig_AlsoWhereTheConfigurationIsAtFault(t *testing.T) {
	out, err := printed(t, "", "RATE_LIMIT=0", "TRUSTED_PROXIES=0.0.0.0/0")
	require.ErrorContains(t, err, "RATE_LIMIT: must be")
	assert.Regexp(t, row("RATE_LIMIT", "0", "environment"), out)
	assert.Contains(t, out, "# warning: TRUSTED_PROXIES has 0.0.0.0/0")
}
