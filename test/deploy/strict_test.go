package deploy

import (
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	gateway "sigs.k8s.io/gateway-api/apis/v1"
	strictjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// types are the Go types of what may be rendered: Kubernetes' own, those that other projects publish, and those of crd_test.go.
func types() map[string]any {
	return map[string]any{
		"v1/ConfigMap":                             &core.ConfigMap{},
		"v1/Secret":                                &core.Secret{},
		"v1/Service":                               &core.Service{},
		"v1/ServiceAccount":                        &core.ServiceAccount{},
		"apps/v1/Deployment":                       &apps.Deployment{},
		"autoscaling/v2/HorizontalPodAutoscaler":   &autoscaling.HorizontalPodAutoscaler{},
		"networking.k8s.io/v1/Ingress":             &networking.Ingress{},
		"networking.k8s.io/v1/NetworkPolicy":       &networking.NetworkPolicy{},
		"policy/v1/PodDisruptionBudget":            &policy.PodDisruptionBudget{},
		"rbac.authorization.k8s.io/v1/Role":        &rbac.Role{},
		"rbac.authorization.k8s.io/v1/RoleBinding": &rbac.RoleBinding{},
		"gateway.networking.k8s.io/v1/HTTPRoute":   &gateway.HTTPRoute{},
		"monitoring.coreos.com/v1/PodMonitor":      &monitoring.PodMonitor{},
		"monitoring.coreos.com/v1/ServiceMonitor":  &monitoring.ServiceMonitor{},
		"monitoring.coreos.com/v1/PrometheusRule":  &monitoring.PrometheusRule{},
		"keda.sh/v1alpha1/ScaledObject":            &scaledObject{},
		"external-secrets.io/v1/ExternalSecret":    &externalSecret{},
	}
}

// decode is strict: an unknown field, one in other letters, and one that is there twice are errors.
func decode(raw []byte) error {
	var head struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}
	if err := yaml.Unmarshal(raw, &head); err != nil {
		return err
	}
	into, known := types()[head.APIVersion+"/"+head.Kind]
	if !known {
		return unknownKind(head.APIVersion + "/" + head.Kind)
	}
	faults, err := strictjson.UnmarshalStrict(raw, into)
	if err == nil && len(faults) > 0 {
		err = faults[0]
	}
	return err
}

type unknownKind string

func (u unknownKind) Error() string { return "no type for " + string(u) }

func TestRendered_DecodesStrictly(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range renderings(t) {
		ids := map[string]bool{}
		for _, d := range r.documents {
			seen[d.Kind] = true
			require.NoError(t, decode(d.raw), "%s: %s", r.name, d.id())
			assert.Equal(t, namespace, d.Metadata.Namespace, "%s: %s", r.name, d.id())
			assert.False(t, ids[d.id()], "%s: %s is there twice", r.name, d.id())
			ids[d.id()] = true
		}
	}
	for _, kind := range []string{
		"ConfigMap", "Deployment", "Service", "ServiceAccount", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy", "Ingress", "HTTPRoute",
		"PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject", "ExternalSecret", "Role", "RoleBinding",
	} {
		assert.True(t, seen[kind], "no values file renders a %s", kind)
	}
}

// TestDecode_Refuses: a check that accepts everything would not be noticed.
func TestDecode_Refuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"an unknown field":      `{"apiVersion": "v1", "kind": "Service", "spec": {"sessionAfinity": "None"}}`,
		"other letters":         `{"apiVersion": "v1", "kind": "Service", "spec": {"SessionAffinity": "None"}}`,
		"a wrong type":          `{"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": "3"}}`,
		"an unknown kind":       `{"apiVersion": "apps/v1beta1", "kind": "Deployment"}`,
		"a field there twice":   `{"apiVersion": "v1", "kind": "Service", "spec": {"type": "ClusterIP", "type": "NodePort"}}`,
		"a field of a resource": `{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": {"minReplicas": 3}}`,
	} {
		require.Error(t, decode([]byte(text)), name)
	}
}
