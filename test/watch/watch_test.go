package watch_test

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/test/watch"
)

const root = "../.."

// targetLabels are those of every series: Prometheus sets the first two, a scrape configuration the others.
var targetLabels = []string{"job", "instance", "pod", "namespace"}

// metrics are those of the code, of Go, of the process, of Prometheus and of the recording rules.
func metrics(t *testing.T) watch.Metrics {
	t.Helper()
	all, err := watch.CodeMetrics(root)
	require.NoError(t, err)
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		all[f.GetName()] = nil
	}
	all["up"], all["ALERTS"] = nil, []string{"alertname", "alertstate", "severity"}
	for _, r := range rules(t) {
		if r.Record != "" {
			all[r.Record] = nil
		}
	}
	return all
}

func rules(t *testing.T) []watch.Rule {
	t.Helper()
	list, err := watch.Rules(root)
	require.NoError(t, err)
	require.NotEmpty(t, list)
	return list
}

func dashboards(t *testing.T) []watch.Dashboard {
	t.Helper()
	list, err := watch.Dashboards(root)
	require.NoError(t, err)
	require.Len(t, list, 2)
	return list
}

// TestCodeMetrics: the labels that are read from the code are those that the runbook has, for each metric.
func TestCodeMetrics(t *testing.T) {
	t.Parallel()
	code, err := watch.CodeMetrics(root)
	require.NoError(t, err)
	text, err := os.ReadFile(root + "/docs/operations/runbook.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(text), "| metric | kind | meaning |\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	told := watch.Metrics{}
	for row := range strings.Lines(table) {
		names, rest, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		kinds, _, _ := strings.Cut(rest, " | ")
		for i, m := range regexp.MustCompile("`(chat_[a-z_]+)(?:\\{([a-z,]+)\\})?`").FindAllStringSubmatch(names, -1) {
			var labels []string
			if m[2] != "" {
				labels = strings.Split(m[2], ",")
			}
			if strings.Split(kinds, ", ")[i] == "histogram" {
				told[m[1]+"_count"], told[m[1]+"_sum"], told[m[1]+"_bucket"] = labels, labels, append([]string{"le"}, labels...)
			} else {
				told[m[1]] = labels
			}
		}
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(told)), slices.Collect(maps.Keys(code)))
	for name, labels := range told {
		assert.ElementsMatch(t, labels, code[name], name)
	}
}

// TestNames: every metric and every label of the dashboards and of the rules exists.
func TestNames(t *testing.T) {
	t.Parallel()
	exist := metrics(t)
	for _, d := range dashboards(t) {
		for _, e := range d.Expressions() {
			labels := checkNames(t, exist, e.Where, e.Text)
			for _, m := range regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`).FindAllStringSubmatch(e.Legend, -1) {
				assert.Contains(t, labels, m[1], "%s: the legend", e.Where)
			}
		}
		for _, v := range d.Templating.List {
			if m := regexp.MustCompile(`^label_values\((.+), (\w+)\)$`).FindStringSubmatch(v.Definition); v.Type == "query" && assert.NotNil(t, m, "%s: %s", d.File, v.Definition) {
				assert.Contains(t, checkNames(t, exist, d.File+", variable "+v.Name, m[1]), m[2])
			}
		}
	}
	for _, r := range rules(t) {
		labels := checkNames(t, exist, r.Record+r.Alert, r.Expr)
		for _, text := range r.Annotations {
			for _, m := range regexp.MustCompile(`\$labels\.(\w+)`).FindAllStringSubmatch(text, -1) {
				assert.Contains(t, labels, m[1], "%s: %s", r.Alert, text)
			}
		}
	}
}

// checkNames returns the labels that the expression's metrics have.
func checkNames(t *testing.T, exist watch.Metrics, where, expr string) []string {
	t.Helper()
	use := watch.Uses(expr)
	assert.NotEmpty(t, use.Matched, "%s: %s", where, expr)
	labels := slices.Clone(targetLabels)
	for name, compared := range use.Matched {
		has, ok := exist[name]
		assert.True(t, ok, "%s: there is no metric %s", where, name)
		labels = append(labels, has...)
		for _, label := range compared {
			assert.Contains(t, slices.Concat(targetLabels, has), label, "%s: %s has no such label", where, name)
		}
	}
	for _, label := range use.Named {
		assert.Contains(t, labels, label, "%s: no metric has this label", where)
	}
	return labels
}

// TestUses: names are found in each place of an expression.
func TestUses(t *testing.T) {
	t.Parallel()
	use := watch.Uses(`sum by (a, le) (rate(x_total{b=~"c{d=\"e", f!="g"}[$__rate_interval])) / 4e6 > 0.5 and on(h) y offset 5m or (z) unless max_over_time(rec:z[1h:5m])`)
	assert.Equal(t, []string{"a", "le", "h"}, use.Named)
	assert.ElementsMatch(t, []string{"x_total", "y", "z", "rec:z"}, slices.Collect(maps.Keys(use.Matched)))
	assert.Equal(t, []string{"b", "f"}, use.Matched["x_total"])
}

// TestDashboards: a person can read each panel, and Grafana can show it.
func TestDashboards(t *testing.T) {
	t.Parallel()
	uids := map[string]bool{}
	for _, d := range dashboards(t) {
		assert.GreaterOrEqual(t, d.SchemaVersion, 39, "%s: that of Grafana 11", d.File)
		assert.False(t, uids[d.UID], "%s: two dashboards with this uid", d.UID)
		uids[d.UID] = true
		var names []string
		for _, v := range d.Templating.List {
			names = append(names, v.Name)
		}
		assert.Equal(t, []string{"datasource", "job", "pod", "model"}, names)
		ids, titles, cells := map[int]bool{}, map[string]bool{}, map[[2]int]string{}
		for _, p := range d.Panels {
			where := d.File + ", " + p.Title
			assert.False(t, ids[p.ID], "%s: two panels have the id %d", where, p.ID)
			ids[p.ID] = true
			checkPlace(t, where, p, cells)
			if p.Type == "row" || p.Type == "text" {
				continue
			}
			assert.False(t, titles[p.Title+p.Type], "%s: two panels with this title", where)
			titles[p.Title+p.Type] = true
			checkPanel(t, where, p)
		}
	}
}

// checkPlace fails if the panel lies outside the grid or on another one.
func checkPlace(t *testing.T, where string, p watch.Panel, cells map[[2]int]string) {
	t.Helper()
	g := p.GridPos
	assert.True(t, g.W > 0 && g.H > 0 && g.X >= 0 && g.Y >= 0 && g.X+g.W <= 24, "%s: outside the 24 columns: %+v", where, g)
	for x := g.X; x < g.X+g.W; x++ {
		for y := g.Y; y < g.Y+g.H; y++ {
			if other := cells[[2]int{x, y}]; other != "" {
				require.Fail(t, "panels overlap", "%s lies on %s", where, other)
			}
			cells[[2]int{x, y}] = where
		}
	}
}

func checkPanel(t *testing.T, where string, p watch.Panel) {
	t.Helper()
	assert.NotEmpty(t, p.Description, where)
	assert.NotEmpty(t, p.FieldConfig.Defaults.Unit, where)
	assert.NotEmpty(t, p.FieldConfig.Defaults.Thresholds.Steps, where)
	assert.Equal(t, "${datasource}", p.Datasource.UID, where)
	assert.NotEmpty(t, p.Targets, where)
	refs := map[string]bool{}
	for _, target := range p.Targets {
		assert.False(t, refs[target.RefID], "%s: two queries %s", where, target.RefID)
		refs[target.RefID] = true
	}
}

// TestDashboards_ShowEveryMetric: a metric that no panel shows is one that nobody finds.
func TestDashboards_ShowEveryMetric(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{}
	for _, d := range dashboards(t) {
		for _, e := range d.Expressions() {
			for name := range watch.Uses(e.Text).Matched {
				shown[name] = true
			}
		}
	}
	code, err := watch.CodeMetrics(root)
	require.NoError(t, err)
	for name := range code {
		family := name
		for _, suffix := range []string{"_count", "_sum", "_bucket"} {
			family = strings.TrimSuffix(family, suffix)
		}
		assert.True(t, shown[name] || shown[family+"_count"] || shown[family+"_bucket"] || shown[family+"_sum"], "no panel shows %s", name)
	}
}

// TestAlerts_HaveASection: each alert names its section of the documents, and each section is one of an alert.
func TestAlerts_HaveASection(t *testing.T) {
	t.Parallel()
	const page = "docs/operations/alert-rules.md"
	text, err := os.ReadFile(root + "/" + page)
	require.NoError(t, err)
	sections := map[string]string{}
	for part := range strings.SplitSeq(string(text), "\n### ") {
		name, body, _ := strings.Cut(part, "\n")
		if strings.HasPrefix(name, "Chatbox") {
			sections[name] = body
		}
	}
	var alerts []string
	for _, r := range rules(t) {
		if r.Alert == "" {
			continue
		}
		alerts = append(alerts, r.Alert)
		assert.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], r.Alert)
		assert.NotEmpty(t, r.Annotations["summary"], r.Alert)
		assert.NotEmpty(t, r.Annotations["description"], r.Alert)
		assert.Equal(t, page+"#"+strings.ToLower(r.Alert), r.Annotations["runbook_url"], r.Alert)
		for _, part := range []string{"**Meaning**", "**Users**", "**Look at**", "**Do**"} {
			assert.Contains(t, sections[r.Alert], part, r.Alert)
		}
		assert.Contains(t, sections[r.Alert], r.Labels["severity"], "%s: its severity", r.Alert)
	}
	assert.ElementsMatch(t, alerts, slices.Collect(maps.Keys(sections)))
}

// TestAlerts_HaveACase: rules_test.yaml shows each alert firing, with its severity, and shows all silent in one case that has every metric of the rules.
func TestAlerts_HaveACase(t *testing.T) {
	t.Parallel()
	cases, err := watch.Cases(root)
	require.NoError(t, err)
	require.NotEmpty(t, cases)
	fires, healthy := map[string]bool{}, map[string]bool{}
	for _, s := range cases[0].InputSeries {
		name, _, _ := strings.Cut(s.Series, "{")
		healthy[name] = true
	}
	silent := 0
	for _, e := range cases[0].Expressions {
		if strings.Contains(e.Expr, "ALERTS") && len(e.Samples) == 0 {
			silent++
		}
	}
	assert.NotZero(t, silent, "the first case is the healthy one")
	for _, c := range cases[1:] {
		for _, e := range c.Expressions {
			for _, s := range e.Samples {
				if m := regexp.MustCompile(`alertname="(\w+)".*severity="(\w+)"`).FindStringSubmatch(s.Labels); m != nil && s.Value > 0 {
					fires[m[1]+" "+m[2]] = true
				}
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert != "" {
			assert.True(t, fires[r.Alert+" "+r.Labels["severity"]], "no case shows %s firing", r.Alert)
		}
		for name := range watch.Uses(r.Expr).Matched {
			assert.True(t, healthy[name] || strings.Contains(name, ":"), "%s: the healthy case lacks %s", r.Alert+r.Record, name)
		}
	}
}
