package architecture

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// strayPrefix is the default prefix written down as part of a path, where the prefix of a pod's own settings belongs.
var strayPrefix = regexp.MustCompile(`(?m)(?:^|[\s"'=:(])/chatbox(?:/|["'\s]|$)`)

// TestDeploy_PathsFollowThePrefix: CHATBOX_PATH_PREFIX is said once per way of deploying, and nothing else knows it.
func TestDeploy_PathsFollowThePrefix(t *testing.T) {
	t.Parallel()
	for file, allowed := range map[string]int{
		"../../deploy/nginx/chatbox.conf": 0, k8sPod: 0, "../../deploy/k8s/kustomization.yaml": 0, "../../deploy/k8s/service.yaml": 0, "../../deploy/k8s/networkpolicy.yaml": 0, "../../deploy/k8s/hpa.yaml": 0,
		"../../deploy/Dockerfile": 0, "../../deploy/Dockerfile.local": 0, composeFile: 0, k8sConfig: 1,
	} {
		found := strayPrefix.FindAllString(uncommented(t, file), -1)
		assert.Len(t, found, allowed, "%s: %q", file, found)
	}
	assert.Contains(t, uncommented(t, composeFile), "CHATBOX_PATH_PREFIX: ${CHATBOX_PATH_PREFIX:-/chatbox}")
}

// TestDeploy_KubernetesRendersWithAnotherPrefix: after one line of config.env was changed.
func TestDeploy_KubernetesRendersWithAnotherPrefix(t *testing.T) {
	t.Parallel()
	kubectl, err := exec.LookPath("kubectl")
	if err != nil {
		t.Skip("NOT RUN: kubectl is not installed, whose kustomize renders the manifests")
	}
	for _, prefix := range []string{"/talk", "/eu/talk", "/chatbox"} {
		folder := filepath.Join(t.TempDir(), "k8s")
		require.NoError(t, os.CopyFS(folder, os.DirFS("../../deploy/k8s")))
		config := filepath.Join(folder, "config.env")
		text, err := os.ReadFile(config)
		require.NoError(t, err)
		changed := strings.Replace(string(text), "CHATBOX_PATH_PREFIX=/chatbox", "CHATBOX_PATH_PREFIX="+prefix, 1)
		require.NoError(t, os.WriteFile(config, []byte(changed), 0o600))

		out, err := exec.CommandContext(t.Context(), kubectl, "kustomize", folder).CombinedOutput()
		require.NoError(t, err, "%s", out)
		rendered := string(out)
		for path, times := range map[string]int{"path: " + prefix + "/healthz": 2, "path: " + prefix + "/readyz": 1} {
			assert.Equal(t, times, strings.Count(rendered, path), "%s in\n%s", path, rendered)
		}
		assert.Contains(t, rendered, "CHATBOX_PATH_PREFIX: "+prefix)
		if prefix != "/chatbox" {
			assert.Empty(t, strayPrefix.FindAllString(rendered, -1))
		}
	}
}

// TestDeploy_EveryProbedPathGetsThePrefix: what the renderer is told to change is every path that the manifest has.
func TestDeploy_EveryProbedPathGetsThePrefix(t *testing.T) {
	t.Parallel()
	var kustomization struct {
		Replacements []struct {
			Source struct {
				FieldPath string `yaml:"fieldPath"`
			}
			Targets []struct {
				FieldPaths []string `yaml:"fieldPaths"`
			}
		}
	}
	text, err := os.ReadFile("../../deploy/k8s/kustomization.yaml")
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &kustomization))
	require.Len(t, kustomization.Replacements, 1)
	require.Equal(t, "data.CHATBOX_PATH_PREFIX", kustomization.Replacements[0].Source.FieldPath)
	paths := regexp.MustCompile(`httpGet: \{path: (\S+?),`).FindAllStringSubmatch(uncommented(t, k8sPod), -1)
	require.Len(t, paths, 3)
	assert.Len(t, kustomization.Replacements[0].Targets[0].FieldPaths, len(paths))
	for _, p := range paths {
		assert.Contains(t, []string{"/healthz", "/readyz"}, p[1])
	}
	assert.Contains(t, uncommented(t, k8sPod), "prometheus.io/path: /metrics\n", "of the listener for operators, which has no prefix")
}

// TestDeploy_BalancerKnowsPathsByTheirEnd: with any prefix, or none.
func TestDeploy_BalancerKnowsPathsByTheirEnd(t *testing.T) {
	t.Parallel()
	found := regexp.MustCompile(`location ~ (\S+) \{`).FindAllStringSubmatch(uncommented(t, "../../deploy/nginx/chatbox.conf"), -1)
	require.Len(t, found, 2)
	socket, metrics := regexp.MustCompile(found[0][1]), regexp.MustCompile(found[1][1])
	for _, prefix := range []string{"", "/chatbox", "/talk", "/eu/talk"} {
		assert.True(t, socket.MatchString(prefix+"/ws"))
		assert.True(t, metrics.MatchString(prefix+"/metrics/prometheus"))
		for _, other := range []string{"/sessions", "/readyz", "/ws/x", "/wss", "/metrics", "/admin/metrics"} {
			assert.False(t, socket.MatchString(prefix+other) || metrics.MatchString(prefix+other), other)
		}
	}
}

// TestDeploy_HealthCheckIsThePodsOwn: a second program would read the settings in its own way.
func TestDeploy_HealthCheckIsThePodsOwn(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"../../deploy/Dockerfile", "../../deploy/Dockerfile.local"} {
		assert.Regexp(t, `(?m)^HEALTHCHECK .* CMD \["/bin/chatbox", "healthcheck"\]$`, uncommented(t, file))
	}
	_, err := os.Stat("../../deploy/healthcheck")
	require.ErrorIs(t, err, os.ErrNotExist)
}

// uncommented is a file without the lines that are comments.
func uncommented(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err, file)
	return regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(string(text), "")
}

// TestDeploy_NginxKeepsWhatAProxyInFrontSays: pods believe X-Forwarded-Proto, so the balancer passes it on where TLS ended before it.
func TestDeploy_NginxKeepsWhatAProxyInFrontSays(t *testing.T) {
	t.Parallel()
	text := uncommented(t, "../../deploy/nginx/chatbox.conf")
	assert.Regexp(t, `map \$http_x_forwarded_proto \$chatbox_proto \{\s+default\s+\$scheme;`, text)
	assert.Regexp(t, `proxy_set_header X-Forwarded-Proto\s+\$chatbox_proto;`, text)
}
