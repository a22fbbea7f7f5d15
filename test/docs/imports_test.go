package docs

import (
	"fmt"
	"go/build"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const importsPage = root + "/docs/reference/imports.md"

// TestImports_PageIsTheCode compares docs/reference/imports.md with the imports of all packages that are shipped. UPDATE_DOCS=1 writes the page.
func TestImports_PageIsTheCode(t *testing.T) {
	t.Parallel()
	page := importsDoc(importGraph(t))
	if os.Getenv("UPDATE_DOCS") != "" {
		require.NoError(t, os.WriteFile(importsPage, []byte(page), 0o600))
	}
	assert.Equal(t, page, read(t, importsPage), "UPDATE_DOCS=1 go test ./test/docs -run TestImports writes this page")
}

// importGraph maps each package of the module, test packages excepted, to the packages of the module that it imports.
func importGraph(t *testing.T) map[string][]string {
	t.Helper()
	graph := map[string][]string{}
	for _, file := range files(t, ".go") {
		name, err := filepath.Rel(root, file)
		require.NoError(t, err)
		name = filepath.ToSlash(name)
		built, err := build.Default.MatchFile(filepath.Split(file))
		require.NoError(t, err)
		if !built || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "scripts/") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		require.NoError(t, err)
		from := path.Join("chatbox", path.Dir(name))
		graph[from] = append(graph[from], []string{}...)
		for _, spec := range f.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			require.NoError(t, err)
			if (to == "chatbox" || strings.HasPrefix(to, "chatbox/")) && !slices.Contains(graph[from], to) {
				graph[from] = append(graph[from], to)
			}
		}
	}
	require.Greater(t, len(graph), 20)
	return graph
}

// importsDoc is the page: a drawing of the packages under app and their neighbours, and the whole graph as a table.
func importsDoc(graph map[string][]string) string {
	var b strings.Builder
	b.WriteString("# Imports\n\nThe packages of the module and what they import of each other, made from the code by\n" +
		"`UPDATE_DOCS=1 go test ./test/docs -run TestImports`; do not edit. The rules are in `.golangci.yml`.\n\n" +
		"The packages under `app`, without the root package, `helpdesk`, `cluster` and `internal`, which use next to nothing but the standard library:\n\n```mermaid\nflowchart TD\n")
	short := func(pkg string) string { return strings.TrimPrefix(pkg, "chatbox/") }
	node := func(pkg string) string { return strings.NewReplacer("/", "_", "-", "_").Replace(short(pkg)) }
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		if from != "chatbox/app" && !strings.HasPrefix(from, "chatbox/app/") || from == "chatbox/app/devstack" {
			continue
		}
		fmt.Fprintf(&b, "    %s[%q]\n", node(from), short(from))
		for _, to := range slices.Sorted(slices.Values(graph[from])) {
			if to != "chatbox" && to != "chatbox/helpdesk" && to != "chatbox/cluster" && !strings.HasPrefix(to, "chatbox/internal/") {
				fmt.Fprintf(&b, "    %s --> %s\n", node(from), node(to))
			}
		}
	}
	b.WriteString("```\n\nAll packages:\n\n| package | imports |\n|---|---|\n")
	for _, from := range slices.Sorted(maps.Keys(graph)) {
		var imports []string
		for _, to := range slices.Sorted(slices.Values(graph[from])) {
			imports = append(imports, "`"+short(to)+"`")
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", short(from), strings.Join(imports, ", "))
	}
	return b.String()
}
