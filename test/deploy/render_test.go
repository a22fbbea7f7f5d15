// Package deploy holds the Helm chart and the kustomization to Kubernetes' own types and rules, to Pod Security and to the pod's settings. It is a module
// of its own, so that the program does not depend on Kubernetes. scripts/check-deploy.sh runs it.
package deploy

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

const (
	root      = "../.."
	chart     = root + "/deploy/helm/chatbox"
	manifests = root + "/deploy/k8s"
	release   = "chatbox"
	namespace = "chatbox"
	// A helm that is built from its module alone believes in Kubernetes 1.20.
	kubeVersion = "1.30.0"
)

// document is one rendered object, as JSON.
type document struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	raw []byte
}

func (d document) id() string { return d.Kind + "/" + d.Metadata.Name }

// rendering is what one way of deploying applies.
type rendering struct {
	name      string
	documents []document
}

// renderings are all variants that the tests look at: the chart with each values file, and the kustomization.
func renderings(t *testing.T) []rendering {
	t.Helper()
	list := []rendering{helm(t, "default"), kustomize(t, manifests)}
	for _, name := range []string{"all", "keda", "minimal"} {
		list = append(list, helm(t, name, "--values", filepath.Join(chart, "ci", name+".yaml")))
	}
	return list
}

// outputs remembers what a command printed: tests share renderings.
var outputs sync.Map

func output(t *testing.T, variable string, args ...string) []byte {
	t.Helper()
	tool := path(t, variable)
	key := variable + strings.Join(args, "\n")
	if out, ok := outputs.Load(key); ok {
		return out.([]byte)
	}
	var errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(t, err, "%s", errs.String())
	outputs.Store(key, out)
	return out
}

func helm(t *testing.T, name string, args ...string) rendering {
	t.Helper()
	return rendering{"helm " + name, split(t, output(t, "HELM", append([]string{"template", release, chart, "--namespace", namespace, "--kube-version", kubeVersion}, args...)...))}
}

func kustomize(t *testing.T, folder string) rendering {
	t.Helper()
	return rendering{"kustomize", split(t, output(t, "KUSTOMIZE", "build", folder))}
}

// split reads the documents of a stream. A key that an object has twice is an error.
func split(t *testing.T, stream []byte) []document {
	t.Helper()
	var list []document
	for text := range strings.SplitSeq("\n"+string(stream), "\n---") {
		raw, err := yaml.YAMLToJSONStrict([]byte(text))
		require.NoError(t, err, "%s", text)
		if string(raw) == "null" {
			continue
		}
		d := document{raw: raw}
		require.NoError(t, json.Unmarshal(raw, &d))
		list = append(list, d)
	}
	require.NotEmpty(t, list)
	return list
}

// one is the only object of a kind.
func (r rendering) one(t *testing.T, kind string, into any) document {
	t.Helper()
	list := r.of(kind)
	require.Len(t, list, 1, "%s: %s", r.name, kind)
	require.NoError(t, json.Unmarshal(list[0].raw, into))
	return list[0]
}

func (r rendering) of(kind string) []document {
	var list []document
	for _, d := range r.documents {
		if d.Kind == kind {
			list = append(list, d)
		}
	}
	return list
}
