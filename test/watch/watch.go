// Package watch reads the dashboards, the rules of Prometheus and the metrics of
// this repository, so that tests and scripts can compare them.
package watch

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Dashboard is a dashboard of Grafana, as far as it is checked.
type Dashboard struct {
	File          string `json:"-"` // name of the file without its ending
	UID           string `json:"uid"`
	Title         string `json:"title"`
	SchemaVersion int    `json:"schemaVersion"`
	Panels        []Panel
	Templating    struct{ List []Variable }
	Annotations   struct{ List []struct{ Name, Expr string } }
}

// Variable is a variable of a dashboard.
type Variable struct {
	Name, Type, Definition string
}

// Panel is a panel of a dashboard.
type Panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	FieldConfig              struct {
		Defaults struct {
			Unit       string
			Thresholds struct{ Steps []struct{ Color string } }
		}
	}
	Targets []Target
}

// Target is a query of a panel.
type Target struct {
	RefID, Expr, LegendFormat string
}

// Expression is a query of a dashboard with its place.
type Expression struct {
	Where  string // such as "operators, Acks, A"
	Text   string // as the dashboard has it
	Legend string
}

// Dashboards reads all dashboards of the repository at root.
func Dashboards(root string) ([]Dashboard, error) {
	files, err := filepath.Glob(filepath.Join(root, "deploy/grafana/*.json"))
	if err != nil {
		return nil, fmt.Errorf("list the dashboards: %w", err)
	}
	list := make([]Dashboard, 0, len(files))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read a dashboard: %w", err)
		}
		d := Dashboard{File: strings.TrimSuffix(filepath.Base(file), ".json")}
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, d)
	}
	return list, nil
}

// Expressions returns the queries of the dashboard's panels and annotations.
func (d Dashboard) Expressions() []Expression {
	var list []Expression
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			list = append(list, Expression{Where: d.File + ", " + p.Title + ", " + t.RefID, Text: t.Expr, Legend: t.LegendFormat})
		}
	}
	for _, a := range d.Annotations.List {
		list = append(list, Expression{Where: d.File + ", annotation " + a.Name, Text: a.Expr})
	}
	return list
}

// PromQL returns an expression without the variables of Grafana, as if "All" were
// selected.
func PromQL(expr string) string {
	return strings.NewReplacer("$__rate_interval", "1m", "$__range", "1h", "$job", ".*", "$pod", ".*", "$model", ".*").Replace(expr)
}
