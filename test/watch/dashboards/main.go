// Command dashboards checks the expressions of deploy/grafana with tools for
// which a dashboard is no input.
//
//	dashboards rules        prints a file of rules with every expression, for promtool
//	dashboards query URL    evaluates every expression at the Prometheus there, and lists those without data
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"go.yaml.in/yaml/v3"

	"chatbox/test/watch"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	boards, err := watch.Dashboards(".")
	if err != nil {
		return err
	}
	var list []watch.Expression
	for _, b := range boards {
		list = append(list, b.Expressions()...)
	}
	if len(list) == 0 {
		return fmt.Errorf("no dashboard under deploy/grafana: start it in the root of the repository")
	}
	switch {
	case len(args) == 1 && args[0] == "rules":
		return rules(list, out)
	case len(args) == 2 && args[0] == "query":
		return query(ctx, args[1], list, out)
	default:
		return fmt.Errorf("usage: dashboards rules | dashboards query http://127.0.0.1:9090")
	}
}

type rule struct {
	Record string
	Expr   string
}

// rules writes a rule for each expression. Its name tells the place.
func rules(list []watch.Expression, out io.Writer) error {
	type group struct {
		Name  string
		Rules []rule
	}
	var g group
	g.Name = "dashboards"
	for i, e := range list {
		g.Rules = append(g.Rules, rule{Record: fmt.Sprintf("dashboards:%d", i), Expr: "# " + e.Where + "\n" + watch.PromQL(e.Text)})
	}
	if err := yaml.NewEncoder(out).Encode(map[string][]group{"groups": {g}}); err != nil {
		return fmt.Errorf("write the rules: %w", err)
	}
	return nil
}

// query evaluates each expression now.
func query(ctx context.Context, base string, list []watch.Expression, out io.Writer) error {
	client := &http.Client{Timeout: 10 * time.Second}
	empty := 0
	for _, e := range list {
		series, err := evaluate(ctx, client, base, watch.PromQL(e.Text))
		if err != nil {
			return fmt.Errorf("%s: %w", e.Where, err)
		}
		if series == 0 {
			empty++
			fmt.Fprintln(out, "no data:", e.Where)
		}
	}
	fmt.Fprintf(out, "%d expressions, %d without data\n", len(list), empty)
	return nil
}

// maxAnswer bounds an answer of Prometheus, in bytes.
const maxAnswer = 8 << 20

// evaluate returns the number of series in the result.
func evaluate(ctx context.Context, client *http.Client, base, expr string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		return 0, fmt.Errorf("the address of Prometheus: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("ask Prometheus: %w", err)
	}
	defer res.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil {
		return 0, fmt.Errorf("read the answer of Prometheus: %w", err)
	}
	if answer.Error != "" {
		return 0, fmt.Errorf("prometheus refuses %q: %s", expr, answer.Error)
	}
	return len(answer.Data.Result), nil
}
