package deploy

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
)

// TestSelectors_FindThePods: those of everything that selects.
func TestSelectors_FindThePods(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		labels := p.deployment.Spec.Template.Labels
		selectors := map[string]map[string]string{"Deployment": p.deployment.Spec.Selector.MatchLabels}
		for _, spread := range p.deployment.Spec.Template.Spec.TopologySpreadConstraints {
			selectors["spread over "+spread.TopologyKey] = spread.LabelSelector.MatchLabels
		}
		assert.Contains(t, selectors, "spread over topology.kubernetes.io/zone", r.name)
		assert.Contains(t, selectors, "spread over kubernetes.io/hostname", r.name)
		for _, d := range r.of("Service") {
			selectors[d.id()] = as[core.Service](t, d).Spec.Selector
		}
		for _, d := range r.of("PodDisruptionBudget") {
			selectors[d.id()] = as[policy.PodDisruptionBudget](t, d).Spec.Selector.MatchLabels
		}
		for _, d := range r.of("NetworkPolicy") {
			selectors[d.id()] = as[networking.NetworkPolicy](t, d).Spec.PodSelector.MatchLabels
		}
		for _, d := range r.of("PodMonitor") {
			selectors[d.id()] = as[monitoring.PodMonitor](t, d).Spec.Selector.MatchLabels
		}
		for of, selector := range selectors {
			assert.NotEmpty(t, selector, "%s: %s", r.name, of)
			assert.True(t, covers(labels, selector), "%s: %s selects %v, and pods have %v", r.name, of, selector, labels)
		}
	}
}

// TestServices_KeepTheMetricsPrivate: the Service of users has the public port only, and only the named peers reach the other one.
func TestServices_KeepTheMetricsPrivate(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		for _, d := range r.of("Service") {
			service := as[core.Service](t, d)
			assert.Equal(t, core.ServiceAffinityNone, orNone(service.Spec.SessionAffinity), "%s: %s", r.name, d.id())
			for _, port := range service.Spec.Ports {
				assert.Contains(t, p.ports, port.TargetPort.StrVal, "%s: %s", r.name, d.id())
				private := strings.HasSuffix(d.Metadata.Name, "-metrics")
				assert.Equal(t, private, port.TargetPort.StrVal == "metrics", "%s: %s", r.name, d.id())
			}
		}
		for _, d := range r.of("NetworkPolicy") {
			open := map[string]int{}
			for _, rule := range as[networking.NetworkPolicy](t, d).Spec.Ingress {
				require.NotEmpty(t, rule.Ports, "%s: all ports", r.name)
				for _, port := range rule.Ports {
					assert.Contains(t, p.ports, port.Port.StrVal, r.name)
					open[port.Port.StrVal] = len(rule.From)
				}
			}
			assert.Contains(t, open, "http", r.name)
			assert.NotZero(t, open["metrics"], "%s: everybody may read the metrics, or nobody", r.name)
		}
		for _, d := range r.of("PodMonitor") {
			for _, endpoint := range as[monitoring.PodMonitor](t, d).Spec.PodMetricsEndpoints {
				assert.Equal(t, "metrics /metrics", *endpoint.Port+" "+endpoint.Path, r.name)
				assert.Contains(t, p.ports, *endpoint.Port, r.name)
			}
		}
	}
}

// TestServiceMonitor_FindsItsServiceOnly: the Service of users has other labels.
func TestServiceMonitor_FindsItsServiceOnly(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, r := range renderings(t) {
		for _, d := range r.of("ServiceMonitor") {
			seen++
			monitor := as[monitoring.ServiceMonitor](t, d)
			require.Len(t, monitor.Spec.Endpoints, 1)
			assert.Equal(t, "metrics /metrics", monitor.Spec.Endpoints[0].Port+" "+monitor.Spec.Endpoints[0].Path)
			var found []string
			for _, s := range r.of("Service") {
				if !covers(s.Metadata.Labels, monitor.Spec.Selector.MatchLabels) {
					continue
				}
				found = append(found, s.Metadata.Name)
				for _, port := range as[core.Service](t, s).Spec.Ports {
					assert.Equal(t, "metrics", port.Name)
				}
			}
			assert.Len(t, found, 1, "%s: %v", r.name, found)
		}
	}
	assert.Equal(t, 1, seen)
}

// TestNames_AreThere: what an object refers to by its name is rendered, or is the operator's.
func TestNames_AreThere(t *testing.T) {
	t.Parallel()
	for _, r := range renderings(t) {
		p := r.pod(t)
		spec := p.deployment.Spec.Template.Spec
		assert.Equal(t, r.of("ConfigMap")[0].Metadata.Name, p.container.EnvFrom[0].ConfigMapRef.Name, r.name)
		if accounts := r.of("ServiceAccount"); len(accounts) > 0 {
			assert.Equal(t, accounts[0].Metadata.Name, spec.ServiceAccountName, r.name)
		}
		for _, d := range r.of("ExternalSecret") {
			assert.Equal(t, as[externalSecret](t, d).Spec.Target.Name, p.container.EnvFrom[1].SecretRef.Name, r.name)
		}
		for _, d := range r.of("HorizontalPodAutoscaler") {
			assert.Equal(t, p.deployment.Name, as[autoscaling.HorizontalPodAutoscaler](t, d).Spec.ScaleTargetRef.Name, r.name)
		}
		for _, d := range r.of("ScaledObject") {
			assert.Equal(t, p.deployment.Name, as[scaledObject](t, d).Spec.ScaleTargetRef.Name, r.name)
		}
		scaled := len(r.of("HorizontalPodAutoscaler")) + len(r.of("ScaledObject"))
		assert.LessOrEqual(t, scaled, 1, "%s: two autoscalers", r.name)
		assert.Equal(t, scaled == 0, p.deployment.Spec.Replicas != nil, "%s: a rollout would undo the autoscaler", r.name)
		volumes := map[string]bool{}
		for _, volume := range spec.Volumes {
			volumes[volume.Name] = true
		}
		for _, mount := range p.container.VolumeMounts {
			assert.True(t, volumes[mount.Name], "%s: no volume %s", r.name, mount.Name)
		}
		if folder, is := strings.CutPrefix(p.config["FILES_URL"], "file://"); is {
			mounted := false
			for _, mount := range p.container.VolumeMounts {
				mounted = mounted || mount.MountPath == folder
			}
			assert.True(t, mounted, "%s: nothing is mounted at %s", r.name, folder)
		}
	}
}

// TestDoors_KeepThePathsAndTheSockets: Ingress and HTTPRoute.
func TestDoors_KeepThePathsAndTheSockets(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, r := range renderings(t) {
		p := r.pod(t)
		whole, socket := p.prefix(), p.prefix()+"/ws"
		if whole == "" {
			whole = "/"
		}
		service := core.Service{}
		for _, d := range r.of("Service") {
			if d.Metadata.Name == p.deployment.Name {
				service = as[core.Service](t, d)
			}
		}
		require.Len(t, service.Spec.Ports, 1, r.name)
		paths := map[string]map[string]string{}
		for _, d := range r.of("Ingress") {
			seen++
			ingress := as[networking.Ingress](t, d)
			for _, path := range ingress.Spec.Rules[0].HTTP.Paths {
				paths[string(*path.PathType)+" "+path.Path] = ingress.Annotations
				assert.Equal(t, service.Name, path.Backend.Service.Name, r.name)
				assert.Equal(t, service.Spec.Ports[0].Name, path.Backend.Service.Port.Name, r.name)
			}
			for name := range ingress.Annotations {
				assert.NotRegexp(t, "affinity|session-cookie|upstream-hash|rewrite-target|use-regex", name, r.name)
			}
		}
		if len(paths) > 0 {
			const nginx = "nginx.ingress.kubernetes.io/"
			require.Contains(t, paths, "Exact "+socket, r.name)
			require.Contains(t, paths, "Prefix "+whole, r.name)
			assert.Equal(t, "3600", paths["Exact "+socket][nginx+"proxy-read-timeout"], r.name)
			assert.Equal(t, "3600", paths["Exact "+socket][nginx+"proxy-send-timeout"], r.name)
			assert.Equal(t, "101m", paths["Prefix "+whole][nginx+"proxy-body-size"], "%s: FILE_MAX and 32 KiB", r.name)
			assert.Equal(t, "off", paths["Prefix "+whole][nginx+"proxy-request-buffering"], r.name)
		}
		for _, d := range r.of("HTTPRoute") {
			route := as[gateway.HTTPRoute](t, d)
			require.Len(t, route.Spec.Rules, 2, r.name)
			got := map[string]string{}
			for _, rule := range route.Spec.Rules {
				assert.Nil(t, rule.SessionPersistence, r.name)
				assert.Empty(t, rule.Filters, "%s: a filter could rewrite the path", r.name)
				got[string(*rule.Matches[0].Path.Type)+" "+*rule.Matches[0].Path.Value] = string(*rule.Timeouts.Request)
				assert.Equal(t, service.Name, string(rule.BackendRefs[0].Name), r.name)
				assert.Equal(t, service.Spec.Ports[0].Port, *rule.BackendRefs[0].Port, r.name)
			}
			assert.Equal(t, map[string]string{"Exact " + socket: "0s", "PathPrefix " + whole: "1h"}, got, r.name)
		}
	}
	assert.Equal(t, 4, seen)
}

func as[T any](t *testing.T, d document) T {
	t.Helper()
	var v T
	require.NoError(t, json.Unmarshal(d.raw, &v), d.id())
	return v
}

func covers(labels, selector map[string]string) bool {
	merged := maps.Clone(labels)
	maps.Copy(merged, selector)
	return len(selector) > 0 && maps.Equal(labels, merged)
}

func orNone(a core.ServiceAffinity) core.ServiceAffinity {
	if a == "" {
		return core.ServiceAffinityNone
	}
	return a
}
