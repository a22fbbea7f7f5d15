package architecture

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// composeScript is the only way in: it makes the secrets.
const composeScript = "../../scripts/compose.sh"

type composeService struct {
	Image, Restart string
	Profiles       []string
	Ports, Volumes []string
	Networks       []string
	Memory         string `yaml:"mem_limit"`
	Command        []string
	Entrypoint     []string
	Environment    any
	Healthcheck    struct{ Test []string }
	Build          any
}

// services are those of docker-compose.yml, anchors and merges resolved.
func services(t *testing.T) map[string]composeService {
	t.Helper()
	var document struct{ Services map[string]composeService }
	require.NoError(t, yaml.Unmarshal([]byte(text(t, composeFile)), &document))
	require.Len(t, document.Services, 13)
	return document.Services
}

// environment is a service's, whether it is written as a list or as a map.
func (s composeService) environment() map[string]string {
	found := map[string]string{}
	switch e := s.Environment.(type) {
	case []any:
		for _, line := range e {
			name, value, _ := strings.Cut(line.(string), "=")
			found[name] = value
		}
	case map[string]any:
		for name, value := range e {
			found[name], _ = value.(string)
		}
	}
	return found
}

// TestCompose_OnlyTheBalancerCanBePublished: every other port is at loopback, and databases have none. The balancer's address is loopback unless said.
func TestCompose_OnlyTheBalancerCanBePublished(t *testing.T) {
	t.Parallel()
	published := []string{}
	for name, s := range services(t) {
		for _, port := range s.Ports {
			if name == "balancer" {
				assert.True(t, strings.HasPrefix(port, "${CHATBOX_BIND:-127.0.0.1}:"), port)
				continue
			}
			published = append(published, name)
			assert.True(t, strings.HasPrefix(port, "127.0.0.1:"), "%s: %s", name, port)
			assert.NotContains(t, s.Networks, "data", "%s publishes a port and is in the network of the databases", name)
		}
	}
	slices.Sort(published)
	assert.Equal(t, []string{"grafana", "mail"}, published, "each asks for a password")
}

// TestCompose_HasNoSecretOfItsOwn: passwords and keys come from the environment, and scripts/compose.sh makes each at random. A service whose profile
// may be off cannot require its password of everybody, so its entry refuses to start without.
func TestCompose_HasNoSecretOfItsOwn(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`(?m)^for name in ([A-Z_ ]+); do`).FindStringSubmatch(text(t, composeScript))
	require.NotNil(t, made)
	secret := regexp.MustCompile(`PASSWORD|SECRET|KEY|_PASS$|_AUTH$|AUTH$`)
	seen := 0
	for name, s := range services(t) {
		for variable, value := range s.environment() {
			if !secret.MatchString(variable) {
				continue
			}
			seen++
			assert.Regexp(t, `^(admin:)?\$\{[A-Z0-9_]+:(\?[^}]*|-)\}$`, value, "%s: %s", name, variable)
			if m := regexp.MustCompile(`\$\{(\w+):-\}`).FindStringSubmatch(value); m != nil && strings.HasSuffix(m[1], "PASSWORD") {
				assert.Contains(t, strings.Join(s.Entrypoint, " ")+text(t, "../../deploy/minio/setup.sh"), m[1], "%s starts without %s", name, m[1])
			}
		}
	}
	require.Greater(t, seen, 10)
	for _, variable := range regexp.MustCompile(`\$\{(\w*(?:PASSWORD|MONGO_KEY|JWT_SECRET|ENCRYPTION_KEY))\b`).FindAllStringSubmatch(text(t, composeFile), -1) {
		assert.Contains(t, strings.Fields(made[1]), variable[1], "scripts/compose.sh does not make it")
	}
	assert.Contains(t, services(t)["redis"].Command, "${REDIS_PASSWORD:?}")
}

// TestCompose_EveryServiceIsBounded: in memory, and watched. Images without a shell or a probe of their own are named here.
func TestCompose_EveryServiceIsBounded(t *testing.T) {
	t.Parallel()
	unwatched := []string{"collector", "tempo", "minio-setup"} // the last ends when it is done
	for name, s := range services(t) {
		assert.NotEmpty(t, s.Memory, name)
		assert.NotEmpty(t, s.Restart, name)
		watched := len(s.Healthcheck.Test) > 0 || s.Build != nil // the pod's is in its image
		assert.Equal(t, !slices.Contains(unwatched, name), watched, "%s: health check", name)
		for _, volume := range s.Volumes {
			if source, _, _ := strings.Cut(volume, ":"); strings.HasPrefix(source, "./") {
				_, err := os.Stat(filepath.Join("../..", source))
				assert.NoError(t, err, "%s mounts it", name)
				assert.True(t, strings.HasSuffix(volume, ":ro"), "%s: %s", name, volume)
			}
		}
	}
}

// TestCompose_ProfilesSetWhatTheyStart: with a profile, scripts/compose.sh gives pods the address of a service of that profile, and nothing without.
// A store elsewhere takes precedence. The first `docker compose` in PATH is one that prints its environment.
func TestCompose_ProfilesSetWhatTheyStart(t *testing.T) {
	t.Parallel()
	bin := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(bin, "docker"), []byte("#!/bin/sh\n[ \"$2\" = version ] || { env; echo \"ARGUMENTS=$*\"; }\n"), 0o700))
	run := func(environment []string, arguments ...string) map[string]string {
		cmd := exec.CommandContext(t.Context(), "bash", append([]string{composeScript}, arguments...)...)
		cmd.Env = append([]string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CHATBOX_VERSION=v1"}, environment...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		found := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			found[name] = value
		}
		return found
	}
	bare := run(nil, "up")
	for _, name := range []string{"FILES_URL", "SMTP_HOST", "OTEL_EXPORTER_OTLP_ENDPOINT", "AWS_SECRET_ACCESS_KEY", "COMPOSE_PROFILES"} {
		assert.Empty(t, bare[name], name)
	}
	assert.Regexp(t, `^mongodb://chatbox:[0-9a-f]{64}@mongo:27017/`, bare["MONGO_URI"])

	all := run(nil, "--profile", "all", "up", "--detach")
	assert.Equal(t, "files,mail,watch,traces", all["COMPOSE_PROFILES"])
	assert.Regexp(t, `^[0-9a-f]{64}$`, all["AWS_SECRET_ACCESS_KEY"])
	assert.Contains(t, all["ARGUMENTS"], "up --detach")
	started := services(t)
	for setting, profile := range map[string]string{"FILES_URL": "files", "SMTP_HOST": "mail", "OTEL_EXPORTER_OTLP_ENDPOINT": "traces"} {
		host := regexp.MustCompile(`http://(\w+):|^(\w+)$`).FindStringSubmatch(all[setting])
		require.NotNil(t, host, "%s=%s", setting, all[setting])
		assert.Contains(t, started[host[1]+host[2]].Profiles, profile, setting)
	}
	assert.Equal(t, all["COMPOSE_PROFILES"], run(nil, "down", "--volumes")["COMPOSE_PROFILES"], "down ends all")
	assert.Equal(t, "files,mail", run([]string{"PROFILES=files mail"}, "up")["COMPOSE_PROFILES"])

	elsewhere := run([]string{"FILES_URL=s3://b?region=eu", "AWS_ACCESS_KEY_ID=k", "AWS_SECRET_ACCESS_KEY=s", "SMTP_HOST=smtp.example.com"}, "--profile=files", "--profile", "mail", "up")
	assert.Equal(t, "s3://b?region=eu", elsewhere["FILES_URL"])
	assert.Equal(t, "s", elsewhere["AWS_SECRET_ACCESS_KEY"])
	assert.Equal(t, "smtp.example.com", elsewhere["SMTP_HOST"])
	assert.Empty(t, elsewhere["SMTP_TLS"])
}

// TestCompose_PodsAcceptTheSettings: of the stack without profiles, where most settings are empty, and with all of them.
func TestCompose_PodsAcceptTheSettings(t *testing.T) {
	t.Parallel()
	binary := pod(t)
	secret := func() string { return fmt.Sprintf("%x", sha256.Sum256([]byte(rand.Text()))) }
	values := map[string]string{
		"JWT_SECRET": secret(), "ENCRYPTION_KEY": secret(), "REDIS_PASSWORD": secret(),
		"MONGO_URI": "mongodb://chatbox:" + secret() + "@mongo:27017/?replicaSet=rs0&authSource=admin",
	}
	all := map[string]string{
		"FILES_URL": "s3://chatbox?endpoint=http://minio:9000&region=us-east-1", "AWS_ACCESS_KEY_ID": "chatbox", "AWS_SECRET_ACCESS_KEY": secret(),
		"SMTP_HOST": "mail", "SMTP_PORT": "1025", "SMTP_TLS": "off", "EMAIL_FROM": "Chatbox <chatbox@chatbox.invalid>", "ADMIN_EMAILS": "support@chatbox.invalid",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
	}
	for name, more := range map[string]map[string]string{"no profile": nil, "all profiles": all} {
		cmd := exec.CommandContext(t.Context(), binary, "--print-config")
		cmd.Env = []string{"PATH=" + os.Getenv("PATH")}
		for variable, value := range services(t)["pod-1"].environment() {
			value = os.Expand(value, func(reference string) string {
				variable, fallback, _ := strings.Cut(reference, ":-")
				variable, _, _ = strings.Cut(variable, ":?")
				if v := values[variable] + more[variable]; v != "" {
					return v
				}
				return fallback
			})
			cmd.Env = append(cmd.Env, variable+"="+value)
		}
		out, err := cmd.CombinedOutput()
		assert.NoError(t, err, "%s: %s", name, out)
	}
}
