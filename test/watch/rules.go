package watch

import (
	"fmt"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// Rule is a recording or an alerting rule.
type Rule struct {
	Record, Alert, Expr string
	For                 string
	Labels, Annotations map[string]string
}

// Case is a case of rules_test.yaml.
type Case struct {
	Name        string
	InputSeries []struct{ Series, Values string } `yaml:"input_series"`
	Expressions []struct {
		Expr     string
		EvalTime string `yaml:"eval_time"`
		Samples  []struct {
			Labels string
			Value  float64
		} `yaml:"exp_samples"`
	} `yaml:"promql_expr_test"`
}

// Rules reads deploy/prometheus/rules.yaml under root.
func Rules(root string) ([]Rule, error) {
	var file struct{ Groups []struct{ Rules []Rule } }
	if err := unmarshal(filepath.Join(root, "deploy/prometheus/rules.yaml"), &file); err != nil {
		return nil, err
	}
	var list []Rule
	for _, g := range file.Groups {
		list = append(list, g.Rules...)
	}
	return list, nil
}

// Cases reads deploy/prometheus/rules_test.yaml under root.
func Cases(root string) ([]Case, error) {
	var file struct{ Tests []Case }
	err := unmarshal(filepath.Join(root, "deploy/prometheus/rules_test.yaml"), &file)
	return file.Tests, err
}

func unmarshal(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}
