package watch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Metrics are the labels of metrics by name. A histogram's series have their own
// names, as in Prometheus.
type Metrics map[string][]string

// CodeMetrics finds the metrics of the program under root with the labels that
// the code gives them.
func CodeMetrics(root string) (Metrics, error) {
	found := Metrics{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && slices.Contains([]string{".git", ".cache", "bin", "data", "docs", "out", "test", "testdata", "tools", "node_modules"}, d.Name()) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		found.collect(file)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look for metrics: %w", err)
	}
	return found, nil
}

// collect adds the metrics that the file makes. A call has the options of a
// metric among its arguments. Its labels are another argument, or, if the call is
// one of a function in the file, are in that function.
func (m Metrics) collect(file *ast.File) {
	functions := map[string]*ast.FuncDecl{}
	for _, d := range file.Decls {
		if f, ok := d.(*ast.FuncDecl); ok {
			functions[f.Name.Name] = f
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		labels := stringLists(call.Args...)
		if name, ok := call.Fun.(*ast.Ident); ok && functions[name.Name] != nil {
			labels = stringLists(functions[name.Name].Body)
		}
		for _, arg := range call.Args {
			if opts, ok := arg.(*ast.CompositeLit); ok {
				m.add(opts, labels)
			}
		}
		return true
	})
}

// add adds the metric of a literal of options.
func (m Metrics) add(opts *ast.CompositeLit, labels []string) {
	kind, ok := opts.Type.(*ast.SelectorExpr)
	if !ok || !strings.HasSuffix(kind.Sel.Name, "Opts") {
		return
	}
	name := ""
	labels = slices.Compact(slices.Sorted(slices.Values(labels)))
	for _, e := range opts.Elts {
		field, ok := e.(*ast.KeyValueExpr)
		if !ok {
			continue
		}
		switch field.Key.(*ast.Ident).Name { // the fields of a struct
		case "Name":
			name = text(field.Value)
		case "ConstLabels":
			for _, l := range field.Value.(*ast.CompositeLit).Elts { // a literal everywhere
				labels = append(labels, text(l.(*ast.KeyValueExpr).Key))
			}
		}
	}
	switch {
	case name == "":
	case kind.Sel.Name == "HistogramOpts":
		m[name+"_count"], m[name+"_sum"] = labels, labels
		m[name+"_bucket"] = append([]string{"le"}, labels...)
	default:
		m[name] = labels
	}
}

// stringLists returns the elements of all []string literals in the nodes.
func stringLists[N ast.Node](nodes ...N) []string {
	var list []string
	for _, n := range nodes {
		ast.Inspect(n, func(n ast.Node) bool {
			lit, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			array, ok := lit.Type.(*ast.ArrayType)
			if !ok {
				return true
			}
			if of, ok := array.Elt.(*ast.Ident); ok && of.Name == "string" {
				for _, e := range lit.Elts {
					list = append(list, text(e))
				}
			}
			return true
		})
	}
	return list
}

// text is the value of a literal string, or "" of another expression.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}
