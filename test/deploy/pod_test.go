package deploy

import (
	"crypto/rand"
	"encoding/hex"
	"net"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	security "k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// pod is what a rendering starts.
type pod struct {
	deployment apps.Deployment
	container  core.Container
	config     map[string]string
	ports      map[string]int32
}

func (r rendering) pod(t *testing.T) pod {
	t.Helper()
	var p pod
	r.one(t, "Deployment", &p.deployment)
	require.Len(t, p.deployment.Spec.Template.Spec.Containers, 1, r.name)
	p.container = p.deployment.Spec.Template.Spec.Containers[0]
	var config core.ConfigMap
	r.one(t, "ConfigMap", &config)
	p.config = config.Data
	p.ports = map[string]int32{}
	for _, port := range p.container.Ports {
		p.ports[port.Name] = port.ContainerPort
	}
	return p
}

// prefix is CHATBOX_PATH_PREFIX as paths have it.
func (p pod) prefix() string { return strings.TrimSuffix(p.config["CHATBOX_PATH_PREFIX"], "/") }

func (p pod) duration(t *testing.T, name string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(p.config[name])
	require.NoError(t, err, name)
	return d
}

// TestPod_MeetsTheRestrictedStandard by the program that Kubernetes itself asks.
func TestPod_MeetsTheRestrictedStandard(t *testing.T) {
	t.Parallel()
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	require.NoError(t, err)
	restricted := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	for _, r := range renderings(t) {
		template := r.pod(t).deployment.Spec.Template
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			assert.True(t, result.Allowed, "%s: %s: %s", r.name, result.ForbiddenReason, result.ForbiddenDetail)
		}
		template.Spec.SecurityContext.RunAsNonRoot = nil
		refused := 0
		for _, result := range evaluator.EvaluatePod(restricted, &template.ObjectMeta, &template.Spec) {
			if !result.Allowed {
				refused++
			}
		}
		assert.Equal(t, 1, refused, "the check does not notice a pod that may run as root")
	}
}

// TestPod_HasNoRights: of the standard above, and no token for Kubernetes, unless it tells the cost of its deletion: then it may patch pods and no more.
func TestPod_HasNoRights(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		spec := p.deployment.Spec.Template.Spec
		require.NotNil(t, spec.AutomountServiceAccountToken, r.name)
		tells := p.config["POD_DELETION_COST"] == "on"
		assert.Equal(t, tells, *spec.AutomountServiceAccountToken, r.name)
		assert.Equal(t, tells, len(r.of("Role")) == 1 && len(r.of("RoleBinding")) == 1, r.name)
		for _, d := range r.of("Role") {
			assert.Equal(t, []rbac.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"patch"}}}, as[rbac.Role](t, d).Rules)
			binding := as[rbac.RoleBinding](t, r.of("RoleBinding")[0])
			assert.Equal(t, d.Metadata.Name, binding.RoleRef.Name)
			assert.Equal(t, []rbac.Subject{{Kind: "ServiceAccount", Name: spec.ServiceAccountName, Namespace: namespace}}, binding.Subjects)
		}
		assert.True(t, *p.container.SecurityContext.ReadOnlyRootFilesystem, r.name)
		assert.False(t, *spec.EnableServiceLinks, r.name)
		for _, d := range r.of("ServiceAccount") {
			assert.Equal(t, spec.ServiceAccountName, d.Metadata.Name, r.name)
			assert.Contains(t, string(d.raw), `"automountServiceAccountToken":false`)
		}
	}
}

// TestPod_HasTimeToDrain: and a rollout never has fewer pods than before.
func TestPod_HasTimeToDrain(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		stop := p.container.Lifecycle.PreStop.Sleep
		require.NotNil(t, stop, r.name)
		shutdown := p.duration(t, "SHUTDOWN_TIMEOUT")
		needed := time.Duration(stop.Seconds)*time.Second + shutdown
		assert.Greater(t, time.Duration(*p.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds)*time.Second, needed, r.name)
		assert.LessOrEqual(t, p.duration(t, "DRAIN_FINISH")+p.duration(t, "DRAIN_WINDOW"), shutdown*4/5, r.name)
		probe := p.container.ReadinessProbe
		assert.Greater(t, stop.Seconds, int64(probe.PeriodSeconds*probe.FailureThreshold), "%s: a balancer that asks /readyz itself notices the pod's end in time", r.name)
		assert.Zero(t, p.deployment.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue(), r.name)
	}
}

// TestPod_KnowsEverySetting: of the ConfigMap, the container and the example of the secret; and every required one is there.
func TestPod_KnowsEverySetting(t *testing.T) {
	t.Parallel()
	known := settings(t)
	var example struct {
		StringData map[string]string `json:"stringData"`
	}
	rendering{"secret.example.yaml", split(t, read(t, manifests+"/secret.example.yaml"))}.one(t, "Secret", &example)
	for _, r := range renderings(t) {
		p := r.pod(t)
		set := map[string]bool{}
		for name := range p.config {
			set[name] = true
			assert.False(t, known[numbered(name)].secret, "%s: %s is a secret and in the ConfigMap", r.name, name)
		}
		for name := range example.StringData {
			assert.False(t, set[name] && name != "WS_ALLOWED_ORIGINS", "%s: %s is in the secret too", r.name, name)
			set[name] = true
		}
		for _, variable := range p.container.Env {
			if variable.Name != "GOMEMLIMIT" {
				set[variable.Name] = true
			}
		}
		for name := range set {
			assert.Contains(t, known, numbered(name), "%s: the pod does not know %s", r.name, name)
		}
		for name, s := range known {
			assert.True(t, !s.required || set[name], "%s: %s is required", r.name, name)
		}
		for _, either := range []string{"JWT_SECRET JWT_JWKS_URL", "ENCRYPTION_KEY ENCRYPTION_KEYS", "WS_ALLOWED_ORIGINS", "LLM_PROVIDER_1_ID", "LLM_PROVIDER_1_TYPE", "POD_ID"} {
			there := false
			for name := range strings.FieldsSeq(either) {
				there = there || set[name]
			}
			assert.True(t, there, "%s: none of %s is set", r.name, either)
		}
	}
}

// TestPod_AcceptsItsSettings: the program itself reads the ConfigMap, beside plausible secrets, and finds no fault.
func TestPod_AcceptsItsSettings(t *testing.T) {
	t.Parallel()
	random := func() string {
		key := make([]byte, 32)
		_, err := rand.Read(key)
		require.NoError(t, err)
		return hex.EncodeToString(key)
	}
	secrets := []string{
		"JWT_SECRET=" + random(), "ENCRYPTION_KEY=" + random(), "REDIS_URL=redis://redis:6379/0", "MONGO_URI=mongodb://mongo:27017/", "WS_ALLOWED_ORIGINS=https://chat.example.com",
		"LLM_PROVIDER_1_ID=demo", "LLM_PROVIDER_1_TYPE=scripted", "LLM_PROVIDER_2_API_KEY=" + random(), "POD_ID=chatbox-0",
	}
	for _, r := range renderings(t) {
		environment := slices.Clone(secrets)
		for name, value := range r.pod(t).config {
			environment = append(environment, name+"="+value)
		}
		if r.name != "helm all" {
			environment = without(environment, "LLM_PROVIDER_2_")
		}
		cmd := exec.CommandContext(t.Context(), path(t, "CHATBOX"), "--print-config")
		cmd.Env = environment
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", r.name, out)
		cmd = exec.CommandContext(t.Context(), path(t, "CHATBOX"), "--print-config")
		cmd.Env = slices.Concat(environment, []string{"RATE_LIMITS=5"})
		require.Error(t, cmd.Run(), "%s: a pod that accepts everything proves nothing", r.name)
	}
}

func without(environment []string, prefix string) []string {
	return slices.DeleteFunc(environment, func(e string) bool { return strings.HasPrefix(e, prefix) })
}

// TestPod_ListensWhereItIsAsked: the listeners' settings and the container's ports are the same.
func TestPod_ListensWhereItIsAsked(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		for name, setting := range map[string]string{"http": "LISTEN_ADDR", "metrics": "METRICS_ADDR"} {
			address, is := p.config[setting]
			assert.Equal(t, is, p.ports[name] != 0, "%s: %s", r.name, setting)
			if !is {
				continue
			}
			_, port, err := net.SplitHostPort(address)
			require.NoError(t, err, r.name)
			assert.Equal(t, strconv.Itoa(int(p.ports[name])), port, "%s: %s", r.name, setting)
		}
		for _, probe := range []*core.Probe{p.container.StartupProbe, p.container.ReadinessProbe, p.container.LivenessProbe} {
			assert.Equal(t, "http", probe.HTTPGet.Port.StrVal, r.name)
		}
		assert.Equal(t, p.prefix()+"/healthz", p.container.StartupProbe.HTTPGet.Path, r.name)
		assert.Equal(t, p.prefix()+"/readyz", p.container.ReadinessProbe.HTTPGet.Path, r.name)
		assert.Equal(t, p.prefix()+"/healthz", p.container.LivenessProbe.HTTPGet.Path, r.name)
		scraped := p.deployment.Spec.Template.Annotations
		if scraped["prometheus.io/scrape"] != "true" {
			continue
		}
		if p.ports["metrics"] != 0 {
			assert.Equal(t, []string{strconv.Itoa(int(p.ports["metrics"])), "/metrics"}, []string{scraped["prometheus.io/port"], scraped["prometheus.io/path"]}, r.name)
			continue
		}
		assert.Equal(t, []string{strconv.Itoa(int(p.ports["http"])), p.prefix() + "/metrics/prometheus"}, []string{scraped["prometheus.io/port"], scraped["prometheus.io/path"]}, r.name)
		assert.Contains(t, p.config, "METRICS_ALLOWED_NETWORKS", "%s: only the pod itself may read the metrics", r.name)
	}
}
