package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written is a configuration file of its own.
func written(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestLoad_ASettingTwiceInAFile(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"the same key", "c.yaml", "rate_limit: 1\nlog_level: info\nrate_limit: 2\n", "RATE_LIMIT: is given twice in FILE, lines 1 and 3"},
		{"another case", "c.yaml", "rate_limit: 1\nRATE_LIMIT: 1\n", "RATE_LIMIT: is given twice in FILE, lines 1 and 2"},
		{"a dash", "c.yaml", "rate-limit: 1\nrate_limit: 1\n", "RATE_LIMIT: is given twice in FILE, lines 1 and 2"},
		{"nested and flat", "c.yaml", "jwt:\n  issuer: a\nJWT_ISSUER: b\n", "JWT_ISSUER: is given twice in FILE, lines 2 and 3"},
		{"nested in two ways", "c.yaml", "llm:\n  provider:\n    1: {id: a}\nllm_provider:\n  1:\n    id: b\n", "LLM_PROVIDER_1_ID: is given twice in FILE, lines 3 and 6"},
		{"a nested key", "c.yaml", "jwt:\n  issuer: a\n  audience: x\n  issuer: b\n", "JWT_ISSUER: is given twice in FILE, lines 2 and 4"},
		{"a whole table", "c.yaml", "jwt:\n  issuer: a\njwt:\n  audience: b\n", "JWT: is given twice in FILE, lines 1 and 3"},
		{"a table and a value", "c.yaml", "jwt: x\njwt:\n  audience: b\n", "JWT: is given twice in FILE, lines 1 and 2"},
		{"the alias", "c.yaml", "listen_addr: \":1\"\nserver_port: 2\n", "SERVER_PORT: says the same as LISTEN_ADDR in FILE, lines 2 and 1"},
		{"the same key", "c.toml", "rate_limit = 1\nlog_level = \"info\"\nrate_limit = 2\n", "RATE_LIMIT: is given twice in FILE, lines 1 and 3"},
		{"another case", "c.toml", "rate_limit = 1\nRATE_LIMIT = 1\n", "RATE_LIMIT: is given twice in FILE, lines 1 and 2"},
		{"nested and flat", "c.toml", "JWT_ISSUER = \"a\"\n[jwt]\nissuer = \"b\"\n", "JWT_ISSUER: is given twice in FILE, lines 1 and 3"},
		{"dotted and flat", "c.toml", "jwt.issuer = \"a\"\njwt_issuer = \"b\"\n", "JWT_ISSUER: is given twice in FILE, lines 1 and 2"},
		{"inline", "c.toml", "jwt = {issuer = \"a\"}\njwt_issuer = \"b\"\n", "JWT_ISSUER: is given twice in FILE, lines 1 and 2"},
		{"a whole table", "c.toml", "[jwt]\nissuer = \"a\"\n\n[jwt]\naudience = \"b\"\n", "JWT: is given twice in FILE, lines 1 and 4"},
	} {
		t.Run(filepath.Ext(c.file)+" "+c.name, func(t *testing.T) {
			path := written(t, c.file, c.text)
			_, err := Load(settings(), path)
			require.Error(t, err)
			assert.Contains(t, err.Error(), strings.Replace(c.want, "FILE", path, 1))
		})
	}
	c, err := Load(settings(), written(t, "c.yaml", "x: &x {issuer: a, audience: b}\njwt:\n  <<: *x\n  issuer: c\n"))
	require.ErrorContains(t, err, "X_ISSUER: is not a known variable", "an anchor is a setting like any other")
	assert.Equal(t, "c", c.JWT.Issuer, "what is merged gives way")
}

func TestLoad_AFileAtFaultNamesTheLineAndNoSecret(t *testing.T) {
	const secret = "hunter2hunter2hunter2"
	for _, c := range []struct{ name, file, text, want string }{
		{"an open quote", "c.yaml", "log_level: info\njwt_secret: \"" + secret + "\n", "FILE:2 is not valid YAML: found unexpected end of stream"},
		{"a value with a colon", "c.yaml", "log_level: info\njwt_secret: " + secret + ": x\n", "FILE:2 is not valid YAML: mapping values are not allowed in this context"},
		{"a tab", "c.yaml", "jwt:\n\tsecret: " + secret + "\n", "FILE:2 is not valid YAML"},
		{"a star", "c.yaml", "log_level: info\njwt_secret: *" + secret + "\n", "is not valid YAML: a value that begins with * must stand in quotes"},
		{"a percent sign", "c.yaml", "log_level: info\njwt_secret: %" + secret + "\n", "FILE:2 is not valid YAML: found character that cannot start any token"},
		{"an open list", "c.yaml", "log_level: info\nx: [" + secret + "\n", "FILE:2 is not valid YAML: did not find expected"},
		{"no setting", "c.yaml", secret + "\n", "FILE:1 is not valid YAML for settings"},
		{"a list", "c.yaml", "# a comment\n- " + secret + "\n", "FILE:2 is not valid YAML for settings"},
		{"two documents", "c.yaml", "log_level: info\n---\njwt_secret: " + secret + "\n", "FILE:2 begins a second YAML document"},
		{"an indent", "c.yaml", "jwt:\n  issuer: a\n secret: " + secret + "\n", "FILE:3 is not valid YAML"},
		{"an open quote", "c.toml", "log_level = \"info\"\njwt_secret = \"" + secret + "\n", "FILE:2 is not valid TOML"},
		{"no quotes", "c.toml", "log_level = \"info\"\njwt_secret = " + secret + "\n", "FILE:2 is not valid TOML"},
		{"no value", "c.toml", "log_level = \"info\"\n\njwt_secret\n", "FILE:3 is not valid TOML"},
		{"a stranger", "c.toml", "log_level = \"info\"\n\n[jwt]\nsecert = \"" + secret + "\"\n", "JWT_SECERT: is not a known variable: is JWT_SECRET meant?, in FILE:4"},
		{"a stranger", "c.yaml", "log_level: info\njwt: {secert: " + secret + "}\n", "JWT_SECERT: is not a known variable: is JWT_SECRET meant?, in FILE:2"},
	} {
		t.Run(filepath.Ext(c.file)+" "+c.name, func(t *testing.T) {
			path := written(t, c.file, c.text)
			_, err := Load(settings(), path)
			require.Error(t, err)
			assert.NotContains(t, err.Error(), "hunter2")
			if c.want[:4] == "FILE" {
				assert.Contains(t, err.Error(), "--config: ")
			}
			before, after, named := strings.Cut(c.want, "FILE")
			assert.Contains(t, err.Error(), before)
			if named {
				assert.Regexp(t, path+`:\d`, err.Error())
				assert.Contains(t, err.Error(), path+after)
			}
		})
	}
}

func TestLoad_YAMLValuesStayAsWritten(t *testing.T) {
	digits := "98987345335380814961034686488816167005364025438677582175880220"
	path := written(t, "c.yaml", "pod_id: 007\nmongo_database: 1e3\nsupport_closed_days: [2026-12-25, 2027-01-01]\njwt_issuer: 0x1F\nrating_request: false\nlog_format: ~\n"+
		"jwt_secret: "+digits+"\nrate_limit: 7\n")
	c, err := Load(settings("JWT_SECRET="), path)
	require.NoError(t, err)
	assert.Equal(t, "007", string(c.Pod))
	assert.Equal(t, "1e3", c.Mongo.Database)
	assert.Equal(t, "0x1F", c.JWT.Issuer)
	assert.Equal(t, digits, c.JWT.Secret.Reveal())
	assert.Len(t, c.Support.ClosedDays, 2)
	assert.False(t, c.Admin.AskRating)
	assert.Equal(t, 7, c.Limits.RatePerMinute)
}

func TestLoad_TheFileMayBeNamedByTheEnvironment(t *testing.T) {
	path := written(t, "c.yaml", "rate_limit: 7\n")
	c, err := Load(settings("CHATBOX_CONFIG="+path), "")
	require.NoError(t, err)
	assert.Equal(t, 7, c.Limits.RatePerMinute)
	c, err = Load(settings("CHATBOX_CONFIG="+path), written(t, "d.yaml", "rate_limit: 8\n"))
	require.NoError(t, err)
	assert.Equal(t, 8, c.Limits.RatePerMinute)
	_, err = Load(settings(), written(t, "e.yaml", "chatbox: {config: x}\n"))
	require.ErrorContains(t, err, "CHATBOX_CONFIG: cannot be set in the file")
	_, err = Load(settings("CHATBOX_CONFIG=/nowhere/c.yaml"), "")
	require.ErrorContains(t, err, "/nowhere/c.yaml cannot be read")
	_, err = Load(settings(), written(t, "empty.yaml", "# nothing yet\n"))
	require.NoError(t, err)
	_, err = Load(settings(), written(t, "empty.toml", ""))
	require.NoError(t, err)
}
