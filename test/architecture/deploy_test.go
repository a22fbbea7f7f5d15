package architecture

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	composeFile = "../../docker-compose.yml"
	k8sConfig   = "../../deploy/k8s/config.env"
	k8sSecret   = "../../deploy/k8s/secret.example.yaml"
	k8sPod      = "../../deploy/k8s/deployment.yaml"
)

// setting is one NAME: value or NAME=value line; both styles are in use, and neither file has other lines that look so.
var setting = regexp.MustCompile(`(?m)^\s*([A-Z][A-Z0-9_]{3,})(?::\s+|=)(.*?)(?:\s+#.*)?$`)

// TestDeploy_SetsOnlyVariablesThatExist: a misspelt variable would be a default in production.
func TestDeploy_SetsOnlyVariablesThatExist(t *testing.T) {
	t.Parallel()
	help, err := exec.CommandContext(t.Context(), pod(t), "--help").CombinedOutput()
	require.NoError(t, err, "%s", help)
	// Providers are numbered; the help shows one number or a placeholder for it.
	number := regexp.MustCompile(`_(\d+|<n>|n|N)_`)
	known := number.ReplaceAllString(string(help), "_#_")
	for _, file := range []string{composeFile, k8sConfig, k8sSecret} {
		names := settings(t, file)
		if file == composeFile { // other services have variables of their own
			names = services(t)["pod-1"].environment()
		}
		require.NotEmpty(t, names, file)
		for name := range names {
			if name == "GOMEMLIMIT" || strings.HasPrefix(name, "OTEL_") { // the Go runtime's, and the standard of OpenTelemetry
				continue
			}
			if !strings.Contains(known, number.ReplaceAllString(name, "_#_")) {
				assert.Fail(t, "unknown variable", "%s sets %s, which bin/chatbox --help does not name", file, name)
			}
		}
	}
}

// TestDeploy_ExampleSecretsAreRefused: a pod with the unchanged example reports all its faults at once and does not start.
func TestDeploy_ExampleSecretsAreRefused(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), pod(t))
	for _, file := range []string{k8sConfig, k8sSecret} {
		for name, value := range settings(t, file) {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
	}
	cmd.Env = append(cmd.Env, "LISTEN_ADDR=127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, 2, exit.ExitCode(), "%s", out)
	for _, name := range []string{"JWT_SECRET", "ENCRYPTION_KEY", "REDIS_URL", "MONGO_URI", "WS_ALLOWED_ORIGINS", "LLM_PROVIDER_1_TYPE"} {
		assert.Contains(t, string(out), name)
	}
}

// TestDeploy_LeavesTimeToDrain: orchestrators that stop a pod wait longer than its drain may take.
func TestDeploy_LeavesTimeToDrain(t *testing.T) {
	t.Parallel()
	grace := find(t, k8sPod, `terminationGracePeriodSeconds: (\d+)`)
	preStop := find(t, k8sPod, `sleep: \{seconds: (\d+)\}`)
	shutdown, err := time.ParseDuration(settings(t, k8sConfig)["SHUTDOWN_TIMEOUT"])
	require.NoError(t, err)
	require.Greater(t, grace, preStop+int(shutdown.Seconds()))

	shutdown, err = time.ParseDuration(settings(t, composeFile)["SHUTDOWN_TIMEOUT"])
	require.NoError(t, err)
	require.Greater(t, find(t, composeFile, `stop_grace_period: (\d+)s`), int(shutdown.Seconds()))
}

// TestDeploy_ImagesAreImmutable: a tag that moves makes two pods of one deployment differ.
func TestDeploy_ImagesAreImmutable(t *testing.T) {
	t.Parallel()
	image := regexp.MustCompile(`(?m)^\s*(?:image:|FROM) ([^\s$]+)(\S*)`)
	for _, file := range []string{composeFile, "../../deploy/Dockerfile"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range image.FindAllStringSubmatch(string(text), -1) {
			name, variable := m[1], m[2]
			if name == "scratch" || variable != "" { // the second: the tag is required from outside
				continue
			}
			assert.Regexp(t, `:(v?\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT)`, name, "%s: a full version", file)
		}
	}
}

// pod builds the production binary.
func pod(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "chatbox")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/chatbox").CombinedOutput()
	require.NoError(t, err, "%s", out)
	return binary
}

func settings(t *testing.T, file string) map[string]string {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	found := map[string]string{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := setting.FindStringSubmatch(lines.Text()); m != nil && !strings.HasPrefix(strings.TrimSpace(lines.Text()), "#") {
			found[m[1]] = m[2]
		}
	}
	return found
}

// find is the number that the pattern's group matches in the file.
func find(t *testing.T, file, pattern string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	m := regexp.MustCompile(pattern).FindSubmatch(text)
	require.NotNil(t, m, "%s: %s", file, pattern)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n
}
