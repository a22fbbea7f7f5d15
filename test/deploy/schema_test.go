package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const schemaFile = chart + "/values.schema.json"

// elsewhere are the settings that other values of the chart set.
func elsewhere() map[string]bool {
	return map[string]bool{"POD_ID": true, "POD_DELETION_COST": true, "LISTEN_ADDR": true, "METRICS_ADDR": true, "SHUTDOWN_TIMEOUT": true, "DRAIN_FINISH": true, "DRAIN_WINDOW": true}
}

// TestSchema_KnowsEverySetting: the part `config` of the chart's schema is written from the table that the pod reads.
func TestSchema_KnowsEverySetting(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	require.NoError(t, json.Unmarshal(read(t, schemaFile), &schema))
	schema["properties"].(map[string]any)["config"] = configSchema(t)
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(schema))
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(schemaFile, want.Bytes(), 0o600))
	}
	if !bytes.Equal(want.Bytes(), read(t, schemaFile)) { // both are too long to print
		t.Error("the schema is not current: UPDATE_DOCS=1 make check-deploy writes it")
	}
}

func configSchema(t *testing.T) map[string]any {
	t.Helper()
	properties, numbered := map[string]any{}, map[string]any{}
	for name, s := range settings(t) {
		switch {
		case s.secret || elsewhere()[name]:
		case strings.Contains(name, "<n>"):
			numbered["^"+strings.Replace(name, "<n>", "[1-9][0-9]*", 1)+"$"] = s.schema(name)
		default:
			properties[name] = s.schema(name)
		}
	}
	return map[string]any{
		"type": "object", "description": "Settings of docs/operations/config.md that are not secret.", "additionalProperties": false,
		"required": []string{"CHATBOX_PATH_PREFIX"}, "properties": properties, "patternProperties": numbered,
	}
}

// schema says which values the setting may have, as far as its default and its text tell. The pod checks the rest.
func (s setting) schema(name string) map[string]any {
	choice := regexp.MustCompile(`^([a-z]+(?:, [a-z]+)*) or ([a-z]+)\.`).FindStringSubmatch(s.text)
	rule := map[string]any{"type": "string"}
	number := func(pattern string) map[string]any {
		return map[string]any{"type": []string{"string", "integer"}, "pattern": pattern, "minimum": 0}
	}
	is := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(s.def) }
	switch {
	case name == "CHATBOX_PATH_PREFIX":
		rule["pattern"] = `^(/|(/[A-Za-z0-9._~-]+)+)$`
	case strings.HasSuffix(name, "_FILE"):
		rule["pattern"] = "^/"
	case choice != nil && choice[1] == "on":
		// YAML reads on and off without quotes as true and false.
		rule = map[string]any{"enum": []any{"on", "off", true, false}}
	case choice != nil:
		rule["enum"] = append(strings.Split(choice[1], ", "), choice[2])
	case is(`^\d+$`), strings.HasSuffix(name, "_CONTEXT"), strings.HasSuffix(name, "_MAX_TOKENS"):
		rule = number(`^[0-9]+$`)
	case is(`^\d+(s|m|h)$`), strings.HasSuffix(name, "_TIMEOUT"):
		rule = number(`^([0-9]+|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$`)
	case is(`^\d+[KMG]iB$`):
		rule = number(`^[0-9]+ ?([KMGT]i?)?B?$`)
	case strings.Contains(name, "_PRICE_"):
		rule = map[string]any{"type": []string{"string", "number"}, "pattern": `^[0-9]+(\.[0-9]+)?$`, "minimum": 0}
	}
	if s.text != "" {
		rule["description"] = s.text
	}
	return rule
}

// TestSchema_HasEveryValue: each value of values.yaml, and no other, so that none is unchecked.
func TestSchema_IsStrict(t *testing.T) {
	t.Parallel()
	var schema map[string]any
	require.NoError(t, json.Unmarshal(read(t, schemaFile), &schema))
	var walk func(string, any)
	walk = func(at string, node any) {
		object, is := node.(map[string]any)
		if !is {
			return
		}
		if _, is := object["properties"]; is {
			assert.Equal(t, false, object["additionalProperties"], "%s accepts unknown names", at)
		}
		for name, child := range object {
			walk(at+"/"+name, child)
		}
	}
	walk("", schema)
}

// TestSchema_Refuses: what it must not let through, with the field in the error.
func TestSchema_Refuses(t *testing.T) {
	t.Parallel()
	for set, says := range map[string]string{
		"replicaCount=3":                                        "replicaCount",
		"config.RATE_LIMITS=5":                                  "RATE_LIMITS",
		"config.RATE_LIMIT=-1":                                  "RATE_LIMIT",
		"config.RATE_LIMIT=many":                                "RATE_LIMIT",
		"config.JWT_SECRET=x":                                   "JWT_SECRET",
		"config.LISTEN_ADDR=:1":                                 "LISTEN_ADDR",
		"config.CHATBOX_ENV=prod":                               "CHATBOX_ENV",
		"config.CHATBOX_PATH_PREFIX=talk":                       "CHATBOX_PATH_PREFIX",
		"config.CHATBOX_PATH_PREFIX=null":                       "CHATBOX_PATH_PREFIX",
		"config.LLM_PROVIDER_1_API_KEY=x":                       "LLM_PROVIDER_1_API_KEY",
		"config.LLM_PROVIDER_1_COLOUR=x":                        "LLM_PROVIDER_1_COLOUR",
		"ports.http=70000":                                      "http",
		"ports.http=80":                                         "http",
		"drain.timeout=long":                                    "timeout",
		"drain.finish=40":                                       "drain",
		"drain.margin=0":                                        "margin",
		"drain.preStop=2":                                       "preStop",
		"autoscaling.kind=vpa":                                  "kind",
		"autoscaling.cpu=0":                                     "cpu",
		"image.digest=sha256:1":                                 "digest",
		"image.tag=latest":                                      "tag",
		"ingress.enabled=true":                                  "ingress.host",
		"httpRoute.enabled=true":                                "httpRoute.parentRefs",
		"networkPolicy.egress.enabled=true":                     "networkPolicy.egress.rules",
		"externalSecret.enabled=true":                           "externalSecret.store.name",
		"monitoring.kind=podMonitor,ports.metrics=0":            "ports.metrics",
		"deletionCost.apiServer={everywhere}":                   "apiServer",
		"config.POD_DELETION_COST=on":                           "POD_DELETION_COST",
		"deletionCost.enabled=true,serviceAccount.create=false": "serviceAccount",
		"deletionCost.enabled=true,networkPolicy.egress.enabled=true,networkPolicy.egress.rules[0].ports[0].port=6379": "deletionCost.apiServer",
		"existingSecret=":                  "existingSecret",
		"service.sessionAffinity=ClientIP": "sessionAffinity",
	} {
		out, err := exec.CommandContext(t.Context(), path(t, "HELM"), "template", release, chart, "--kube-version", kubeVersion, "--set", set).CombinedOutput()
		require.Error(t, err, set)
		assert.Contains(t, string(out), says, set)
	}
}

// TestChart_Lints with each values file: helm's own rules, warnings included.
func TestChart_Lints(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(chart + "/ci/*.yaml")
	require.NoError(t, err)
	require.Len(t, files, 3)
	for _, file := range append(files, chart+"/values.yaml") {
		out, err := exec.CommandContext(t.Context(), path(t, "HELM"), "lint", "--strict", "--kube-version", kubeVersion, "--values", file, chart).CombinedOutput()
		require.NoError(t, err, "%s: %s", file, out)
	}
}
