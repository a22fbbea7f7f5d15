package deploy

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	podutil "k8s.io/kubernetes/pkg/api/pod"
	"k8s.io/kubernetes/pkg/apis/apps"
	_ "k8s.io/kubernetes/pkg/apis/apps/install"
	validapps "k8s.io/kubernetes/pkg/apis/apps/validation"
	"k8s.io/kubernetes/pkg/apis/autoscaling"
	_ "k8s.io/kubernetes/pkg/apis/autoscaling/install"
	validautoscaling "k8s.io/kubernetes/pkg/apis/autoscaling/validation"
	"k8s.io/kubernetes/pkg/apis/core"
	_ "k8s.io/kubernetes/pkg/apis/core/install"
	validcore "k8s.io/kubernetes/pkg/apis/core/validation"
	"k8s.io/kubernetes/pkg/apis/networking"
	_ "k8s.io/kubernetes/pkg/apis/networking/install"
	validnetworking "k8s.io/kubernetes/pkg/apis/networking/validation"
	"k8s.io/kubernetes/pkg/apis/policy"
	_ "k8s.io/kubernetes/pkg/apis/policy/install"
	validpolicy "k8s.io/kubernetes/pkg/apis/policy/validation"
	"k8s.io/kubernetes/pkg/apis/rbac"
	_ "k8s.io/kubernetes/pkg/apis/rbac/install"
	validrbac "k8s.io/kubernetes/pkg/apis/rbac/validation"
)

// foreign says that an object is of another project, whose rules are not Kubernetes'.
type foreign string

func (f foreign) Error() string { return string(f) + " is not a kind of Kubernetes" }

// valid does what the API server does with a new object before it stores it: it decodes, sets defaults, and applies Kubernetes' own rules. It does not
// check an object against others in the cluster, such as quotas.
func valid(raw []byte) error {
	object, kind, err := legacyscheme.Codecs.UniversalDecoder().Decode(raw, nil, nil)
	if runtime.IsNotRegisteredError(err) {
		return foreign(kind.String())
	}
	if err != nil {
		return err
	}
	return faults(object).ToAggregate()
}

func faults(object runtime.Object) field.ErrorList {
	switch o := object.(type) {
	case *core.ConfigMap:
		return validcore.ValidateConfigMap(o)
	case *core.ServiceAccount:
		return validcore.ValidateServiceAccount(o)
	case *core.Service:
		// The server writes the one address into the list before it looks.
		if o.Spec.ClusterIP != "" && len(o.Spec.ClusterIPs) == 0 {
			o.Spec.ClusterIPs = []string{o.Spec.ClusterIP}
		}
		return validcore.ValidateServiceCreate(o)
	case *apps.Deployment:
		podutil.DropDisabledTemplateFields(&o.Spec.Template, nil)
		return validapps.ValidateDeployment(o, podutil.GetValidationOptionsFromPodTemplate(&o.Spec.Template, nil))
	case *autoscaling.HorizontalPodAutoscaler:
		opts := validautoscaling.HorizontalPodAutoscalerSpecValidationOptions{MinReplicasLowerBound: 1}
		return validautoscaling.ValidateHorizontalPodAutoscaler(o, opts)
	case *networking.Ingress:
		return validnetworking.ValidateIngressCreate(o)
	case *networking.NetworkPolicy:
		return validnetworking.ValidateNetworkPolicy(o, validnetworking.ValidationOptionsForNetworking(o, nil))
	case *policy.PodDisruptionBudget:
		return validpolicy.ValidatePodDisruptionBudget(o, validpolicy.PodDisruptionBudgetValidationOptions{})
	case *rbac.Role:
		return validrbac.ValidateRole(o)
	case *rbac.RoleBinding:
		return validrbac.ValidateRoleBinding(o)
	default:
		return field.ErrorList{field.InternalError(field.NewPath("kind"), fmt.Errorf("no rules for %T", object))}
	}
}

func TestRendered_IsValidForKubernetes(t *testing.T) {
	t.Parallel()
	checked := map[string]bool{}
	for _, r := range renderings(t) {
		for _, d := range r.documents {
			err := valid(d.raw)
			if errors.As(err, new(foreign)) {
				continue
			}
			require.NoError(t, err, "%s: %s", r.name, d.id())
			checked[d.Kind] = true
		}
	}
	assert.Len(t, checked, 10, "%v", checked)
}

// TestValid_Refuses: what strict decoding lets through.
func TestValid_Refuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a port out of range":             `{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "x"}, "spec": {"ports": [{"port": 70000}]}}`,
		"a name in capitals":              `{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "X", "namespace": "x"}}`,
		"a budget with both bounds":       `{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "x", "namespace": "x"}, "spec": {"minAvailable": 1, "maxUnavailable": 1}}`,
		"a selector of other labels":      `{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": "x"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "c"}}, "spec": {"containers": [{"name": "x", "image": "x"}]}}}}`,
		"more pods at least than at most": `{"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "x", "namespace": "x"}, "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "x"}, "minReplicas": 3, "maxReplicas": 2}}`,
	} {
		err := valid([]byte(text))
		require.Error(t, err, name)
		require.NotErrorAs(t, err, new(foreign), name)
	}
}
