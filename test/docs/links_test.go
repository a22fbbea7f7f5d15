// Package docs tests that the documents speak of what is there: files, symbols,
// goroutines, keys, metrics and dependencies.
package docs

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const root = "../.."

// TestLinks: every relative link and picture of every document exists, every #heading it names, and every `file` of the tree it mentions.
func TestLinks(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, doc := range files(t, ".md") {
		text := read(t, doc)
		for _, m := range link.FindAllStringSubmatch(withoutCode(text), -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			path := filepath.Join(filepath.Dir(doc), target)
			switch {
			case strings.Contains(target, ":"): // another site's
			case target == "":
				assert.Contains(t, headings(t, doc), heading, "%s links to %s", doc, m[1])
			case strings.HasSuffix(target, ".png") && !exists(filepath.Dir(path)):
				t.Logf("NOT RUN: %s shows %s, and no pictures are there yet", doc, m[1])
			case assert.True(t, exists(path), "%s links to %s", doc, m[1]) && heading != "":
				assert.Contains(t, headings(t, path), heading, "%s links to %s", doc, m[1])
			}
		}
		for _, file := range found(text, "`([a-z][^` ]*/[^` ]+[.](?:go|lua|md|sh|yml|yaml|conf))`") {
			if !strings.ContainsAny(file, "*<…") {
				assert.True(t, exists(filepath.Join(root, file)), "%s speaks of %s", doc, file)
			}
		}
	}
}

// TestTests: every test that a document calls a proof exists.
func TestTests(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, file := range files(t, ".go") {
		for _, name := range found(read(t, file), `(?m)^func (Test\w+)\(`) {
			known[name] = true
		}
	}
	for _, doc := range files(t, ".md") {
		for _, name := range found(read(t, doc), "`(Test\\w+)`") {
			assert.True(t, known[name], "%s speaks of %s, and there is no such test", doc, name)
		}
	}
}

// TestSymbols: every `file · symbol` of any document is declared in that file.
func TestSymbols(t *testing.T) {
	t.Parallel()
	all := 0
	for _, doc := range files(t, ".md") {
		for _, place := range places(t, doc) {
			all++
			file, symbol, _ := strings.Cut(place, " · ")
			if !exists(filepath.Join(root, file)) {
				t.Errorf("%s names %s, which does not exist", doc, file)
				continue
			}
			assert.True(t, slices.Contains(declared(t, filepath.Join(root, file)), symbol), "%s: %s does not declare %s", doc, file, symbol)
		}
	}
	require.Greater(t, all, 50)
}

// TestReference_Goroutines: the table has a row for every function that starts a goroutine.
func TestReference_Goroutines(t *testing.T) {
	t.Parallel()
	known := places(t, root+"/docs/reference/goroutines.md")
	for _, file := range files(t, ".go") {
		name, err := filepath.Rel(root, file)
		require.NoError(t, err)
		built, err := build.Default.MatchFile(filepath.Split(file))
		require.NoError(t, err)
		if !built || strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "test/") || strings.HasPrefix(name, "scripts/") {
			continue
		}
		for _, f := range starters(t, file) {
			place := filepath.ToSlash(name) + " · " + f
			assert.True(t, slices.Contains(known, place), "%s starts a goroutine: who stops it, and who waits? docs/reference/goroutines.md has a table", place)
		}
	}
}

// TestReference_RedisKeys: the table of keys is that of redisstate/keys.go.
func TestReference_RedisKeys(t *testing.T) {
	t.Parallel()
	assert.Equal(t,
		found(read(t, root+"/redisstate/keys.go"), "(?m)^//\t(cb:\\S+)"),
		found(read(t, root+"/docs/reference/redis.md"), "(?m)^\\| `(cb:\\S+)`"))
}

// TestRunbook_Metrics: the runbook names the metrics that exist, and all of them.
func TestRunbook_Metrics(t *testing.T) {
	t.Parallel()
	exist := map[string]bool{}
	for _, file := range files(t, ".go") {
		if !strings.HasSuffix(file, "_test.go") {
			for _, name := range found(read(t, file), `Name:\s+"(chat_[a-z_]+)"`) {
				exist[name] = true
			}
		}
	}
	require.NotEmpty(t, exist)
	told := found(read(t, root+"/docs/operations/runbook.md"), "`(chat_[a-z_]+)[`{]")
	assert.Equal(t, slices.Sorted(maps.Keys(exist)), told)
}

// TestDependencies_AllHaveAReason: each direct requirement of go.mod is in the decision about dependencies.
func TestDependencies_AllHaveAReason(t *testing.T) {
	t.Parallel()
	reasons := read(t, root+"/docs/adr/0011-dependencies.md")
	for line := range strings.Lines(read(t, root+"/go.mod")) {
		fields := strings.Fields(line)
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && !strings.Contains(line, "// indirect") {
			assert.Contains(t, reasons, "`"+fields[0]+"`", "why is it here, and what was rejected?")
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

// files lists the tree's files of one kind, without what is built or fetched.
func files(t *testing.T, ext string) []string {
	t.Helper()
	skipped := []string{".git", ".cache", "bin", "data", "out", "tools", "node_modules", "testdata"}
	var list []string
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && slices.Contains(skipped, d.Name()) {
			return filepath.SkipDir
		}
		if err == nil && filepath.Ext(path) == ext {
			list = append(list, path)
		}
		return err
	}))
	require.NotEmpty(t, list)
	return list
}

// found are the first groups of all matches, sorted, each once.
func found(text, pattern string) []string {
	var list []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		list = append(list, m[1])
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func withoutCode(text string) string {
	return regexp.MustCompile("(?s)```.*?```|`[^`\n]*`").ReplaceAllString(text, "")
}

// headings are the names by which a page's headings can be linked to.
func headings(t *testing.T, file string) []string {
	t.Helper()
	list := found(read(t, file), `(?m)^#+ +(.+)$`)
	for i, heading := range list {
		list[i] = strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, heading)
	}
	return list
}

// places are all `file · symbol` of a document.
func places(t *testing.T, doc string) []string {
	t.Helper()
	return found(read(t, doc), "`([^` ]+[.]go · [^` ]+)`")
}

// declared are the names that a Go file declares: F, T, T.Method, Interface.Method, const and var.
func declared(t *testing.T, file string) []string {
	t.Helper()
	var names []string
	for _, d := range parse(t, file).Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			names = append(names, nameOf(d))
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				names = append(names, namesOf(spec)...)
			}
		}
	}
	return names
}

func namesOf(spec ast.Spec) []string {
	var names []string
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, n := range s.Names {
			names = append(names, n.Name)
		}
	case *ast.TypeSpec:
		names = append(names, s.Name.Name)
		if i, ok := s.Type.(*ast.InterfaceType); ok {
			for _, m := range i.Methods.List {
				for _, n := range m.Names {
					names = append(names, s.Name.Name+"."+n.Name)
				}
			}
		}
	}
	return names
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	recv := f.Recv.List[0].Type
	for {
		switch r := recv.(type) {
		case *ast.StarExpr:
			recv = r.X
		case *ast.IndexExpr:
			recv = r.X
		case *ast.Ident:
			return r.Name + "." + f.Name.Name
		default:
			return f.Name.Name
		}
	}
}

// starters are the functions of a file that start goroutines, by a go statement or a group's Go.
func starters(t *testing.T, file string) []string {
	t.Helper()
	var list []string
	for _, d := range parse(t, file).Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				list = append(list, nameOf(f))
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" {
					list = append(list, nameOf(f))
				}
			}
			return true
		})
	}
	return list
}

func parse(t *testing.T, file string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	require.NoError(t, err)
	return f
}
