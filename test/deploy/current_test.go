package deploy

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	autoscaling "k8s.io/api/autoscaling/v2"
	"sigs.k8s.io/yaml"
)

// TestKustomization_IsTheChart: both ways apply the same objects. They differ in how a changed setting becomes a rollout: a new name of the ConfigMap, or a
// checksum in the pods' annotations.
func TestKustomization_IsTheChart(t *testing.T) {
	t.Parallel()
	want, got := comparable(t, helm(t, "default")), comparable(t, kustomize(t, manifests))
	for id, object := range want {
		assert.Equal(t, object, got[id], id)
	}
	assert.Len(t, got, len(want))
}

// TestDocs_OverlayWorks: the one of docs/operations/kubernetes.md, beside a copy of the folder.
func TestDocs_OverlayWorks(t *testing.T) {
	t.Parallel()
	text := string(read(t, root+"/docs/operations/kubernetes.md"))
	overlay := regexp.MustCompile("(?s)```yaml\n(apiVersion: kustomize.*?)```").FindStringSubmatch(text)
	require.NotNil(t, overlay)
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(filepath.Join(folder, "deploy/k8s"), os.DirFS(manifests)))
	mine := filepath.Join(folder, "clusters/mine")
	require.NoError(t, os.MkdirAll(mine, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(mine, "kustomization.yaml"), []byte(overlay[1]), 0o600))
	p := kustomize(t, mine).pod(t)
	assert.Equal(t, "60", p.config["RATE_LIMIT"])
	assert.Equal(t, "/chatbox/readyz", p.container.ReadinessProbe.HTTPGet.Path)
	assert.Equal(t, "registry.example.com/chatbox:1.0.0", p.container.Image)
}

// TestDocs_ValuesWork: those of the same page.
func TestDocs_ValuesWork(t *testing.T) {
	t.Parallel()
	text := string(read(t, root+"/docs/operations/kubernetes.md"))
	values := regexp.MustCompile("(?s)```yaml\n(image: .*?)```").FindStringSubmatch(text)
	require.NotNil(t, values)
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte(values[1]), 0o600))
	r := helm(t, "of the page", "--values", file)
	assert.Len(t, r.of("Ingress"), 2)
	assert.Len(t, r.of("PodMonitor"), 1)
	assert.Equal(t, "60", r.pod(t).config["RATE_LIMIT"])
}

// comparable are the objects by kind and name, without what differs by intent.
func comparable(t *testing.T, r rendering) map[string]any {
	t.Helper()
	objects := map[string]any{}
	for _, d := range r.documents {
		text := regexp.MustCompile(`"chatbox-[a-z0-9]{10}"`).ReplaceAllString(string(d.raw), `"chatbox"`)
		var object map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &object))
		if d.Kind == "Deployment" {
			delete(object["spec"].(map[string]any)["template"].(map[string]any)["metadata"].(map[string]any)["annotations"].(map[string]any), "checksum/config")
		}
		name := object["metadata"].(map[string]any)["name"].(string)
		objects[d.Kind+"/"+name] = object
	}
	return objects
}

// TestChart_RollsOutAChangedSetting: pods read their settings at the start.
func TestChart_RollsOutAChangedSetting(t *testing.T) {
	t.Parallel()
	var before, after struct {
		Spec struct {
			Template struct {
				Metadata struct{ Annotations map[string]string }
			}
		}
	}
	helm(t, "default").one(t, "Deployment", &before)
	helm(t, "changed", "--set", "config.RATE_LIMIT=7").one(t, "Deployment", &after)
	assert.NotEqual(t, before.Spec.Template.Metadata.Annotations["checksum/config"], after.Spec.Template.Metadata.Annotations["checksum/config"])
}

// TestChart_KeepsLargeNumbers: YAML's numbers are floating in templates, and a pod does not read 1e+06.
func TestChart_KeepsLargeNumbers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "values.yaml")
	require.NoError(t, os.WriteFile(file, []byte("config: {FILES_PER_DAY: 1000000, SEARCH_INDEX: off, LLM_PROVIDER_1_PRICE_IN: 2.5}\nautoscaling: {connections: 1000000}\n"), 0o600))
	r := helm(t, "numbers", "--values", file)
	config := r.pod(t).config
	assert.Equal(t, []string{"1000000", "false", "2.5"}, []string{config["FILES_PER_DAY"], config["SEARCH_INDEX"], config["LLM_PROVIDER_1_PRICE_IN"]})
	assert.Contains(t, string(r.of("HorizontalPodAutoscaler")[0].raw), `"averageValue":"1000000"`)
}

// TestChart_TwoReleasesOfANamespace select different pods.
func TestChart_TwoReleasesOfANamespace(t *testing.T) {
	t.Parallel()
	other := rendering{"eu", split(t, output(t, "HELM", "template", "eu", chart, "--namespace", namespace, "--kube-version", kubeVersion))}.pod(t)
	ours := helm(t, "default").pod(t)
	assert.Equal(t, "eu-chatbox", other.deployment.Name)
	assert.NotEqual(t, ours.deployment.Spec.Selector.MatchLabels, other.deployment.Spec.Selector.MatchLabels)
}

// TestMetrics_Exist: by which pods are scaled, in the chart and in the adapter's rules.
func TestMetrics_Exist(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	scaledBy := map[string]bool{"chat_connections": true, "chat_generations_running": true}
	for _, r := range renderings(t) {
		named := map[string]bool{}
		for _, d := range r.of("HorizontalPodAutoscaler") {
			for _, metric := range as[autoscaling.HorizontalPodAutoscaler](t, d).Spec.Metrics {
				if metric.Pods != nil {
					named[metric.Pods.Metric.Name] = true
				}
			}
			assert.Equal(t, scaledBy, named, r.name)
		}
		for _, d := range r.of("ScaledObject") {
			for _, trigger := range as[scaledObject](t, d).Spec.Triggers {
				for _, name := range regexp.MustCompile(`chat_[a-z_]+`).FindAllString(trigger.Metadata["query"], -1) {
					named[name] = true
				}
			}
			assert.Equal(t, scaledBy, named, r.name)
		}
		for name := range named {
			assert.True(t, known[name], "%s: no code has the metric %s", r.name, name)
		}
	}
	var adapter struct {
		Rules struct {
			Custom []struct{ SeriesQuery, MetricsQuery string } `json:"custom"`
		} `json:"rules"`
	}
	require.NoError(t, yaml.Unmarshal(read(t, root+"/deploy/prometheus/adapter.yaml"), &adapter))
	served := map[string]bool{}
	for _, rule := range adapter.Rules.Custom {
		name, _, _ := strings.Cut(rule.SeriesQuery, "{")
		served[name] = true
		assert.Contains(t, rule.MetricsQuery, "<<.Series>>")
	}
	assert.Equal(t, scaledBy, served, "what the adapter serves is what the autoscaler asks for")
}

// metrics are the names that the code has in its literals.
func metrics(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	literal := regexp.MustCompile(`Name: "(chat_[a-z_]+)"`)
	require.NoError(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules" || entry.Name() == "test") {
			return fs.SkipDir
		}
		if filepath.Ext(file) == ".go" && !strings.HasSuffix(file, "_test.go") {
			for _, m := range literal.FindAllStringSubmatch(string(read(t, file)), -1) {
				known[m[1]] = true
			}
		}
		return nil
	}))
	require.Greater(t, len(known), 30)
	return known
}

// TestRules_AreTheOnesOfPrometheus: the chart has a copy, because a chart has no files outside its folder.
func TestRules_AreTheOnesOfPrometheus(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile(root + "/deploy/prometheus/rules.yaml")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("NOT RUN: deploy/prometheus/rules.yaml is not there")
	}
	require.NoError(t, err)
	assert.Equal(t, string(rules), string(read(t, chart+"/files/rules.yaml")), "make deploy-manifests copies it")
}
