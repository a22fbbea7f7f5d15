package docs

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"chatbox/app/config"
	protocol "chatbox/docs/protocol"
)

// TestNoOutsidePapers: files refer only to documents of this repository.
func TestNoOutsidePapers(t *testing.T) {
	t.Parallel()
	outside := regexp.MustCompile(`\b(PROTOCOL|DESIGN|STYLE)( ?\.md|[ ,;:)]|\.$|$)|\.\./shared/|/work/|\bissue #?\d+`)
	for _, file := range tracked(t) {
		if strings.HasPrefix(file, "test/docs/") || filepath.Ext(file) == ".sum" {
			continue
		}
		for number, line := range strings.Split(read(t, filepath.Join(root, file)), "\n") {
			if m := outside.FindString(line); m != "" {
				assert.Fail(t, "a paper that is not here", "%s:%d names %q", file, number+1, m)
			}
		}
	}
}

// TestRoutes: every route that a document names is one that pods serve: openapi.yaml, which other tests hold against the router, or a page of the
// development stack, or a switch of its balancer, or one of the private listener.
func TestRoutes(t *testing.T) {
	t.Parallel()
	served := routes(t)
	for _, path := range found(read(t, root+"/app/private.go"), `"(?:GET|PUT) (/[^"]*)"`) {
		served = append(served, regexp.MustCompile("^"+regexp.QuoteMeta(path)+"$"))
	}
	for _, doc := range files(t, ".md") {
		for _, code := range found(read(t, doc), "`([^`\n]+)`") {
			for _, path := range pathsIn(code) {
				assert.True(t, slices.ContainsFunc(served, func(r *regexp.Regexp) bool { return r.MatchString(path) }), "%s names the route %s (%s)", doc, path, code)
			}
		}
	}
	named := 0
	url := regexp.MustCompile(`https?://(?:127\.0\.0\.1|localhost)(?::\d+)?/chatbox(/[a-z/.]*)`)
	for _, file := range []string{"docker-compose.yml", "README.md", "Makefile"} {
		for _, m := range url.FindAllStringSubmatch(read(t, filepath.Join(root, file)), -1) {
			named++
			assert.True(t, slices.ContainsFunc(served, func(r *regexp.Regexp) bool { return r.MatchString(m[1]) }), "%s names the address %s", file, m[0])
		}
	}
	assert.NotContains(t, read(t, root+"/docker-compose.yml"), "/console", "production pods serve no page")
}

// routes are the paths of openapi.yaml, and the pages'.
func routes(t *testing.T) []*regexp.Regexp {
	t.Helper()
	doc, err := protocol.OpenAPI("/")
	require.NoError(t, err)
	var spec struct{ Paths map[string]any }
	require.NoError(t, yaml.Unmarshal(doc.YAML, &spec))
	require.Greater(t, len(spec.Paths), 20)
	list := []*regexp.Regexp{regexp.MustCompile(`^/(console|staff)/?$`)}
	paths := slices.Collect(maps.Keys(spec.Paths))
	switches := found(read(t, filepath.Join(root, "app/devstack/balancer.go")), `HandleFunc\("[A-Z]+ (/dev/[^"]+)"`)
	require.NotEmpty(t, switches)
	for _, path := range append(paths, switches...) {
		pattern := regexp.MustCompile(`\\\{[^}]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/]+`)
		list = append(list, regexp.MustCompile("^"+pattern+"$"))
	}
	return list
}

// pathsIn are the routes in a piece of code: behind a method, behind the prefix, or alone.
func pathsIn(code string) []string {
	var list []string
	for _, m := range regexp.MustCompile(`^(?:(?:GET|HEAD|POST|PUT|PATCH|DELETE) (?:/chatbox|\{prefix\})?|\{prefix\}|/chatbox)(/[^ ?#]*)`).FindAllStringSubmatch(code, -1) {
		list = append(list, m[1])
	}
	if m := regexp.MustCompile(`^(/(?:healthz|readyz|ws|sessions|admin|shared|ticket|docs|metrics)(?:/[^ ?#]*)?)(?:$|[?])`).FindStringSubmatch(code); m != nil {
		list = append(list, m[1])
	}
	return list
}

// TestVariables: every variable that a document names is a setting of the pod, or is read by a script, a test or the Go runtime.
func TestVariables(t *testing.T) {
	t.Parallel()
	known := map[string]bool{"GOMEMLIMIT": true, "GOGC": true}
	for _, name := range found(config.Doc(), "(?m)^\\| `([A-Z][A-Z0-9_<n>]+)`") {
		known[name], known[name+"_FILE"] = true, true
	}
	known["SERVER_PORT"] = true
	for _, file := range tracked(t) {
		text := ""
		switch {
		case strings.HasPrefix(file, "app/api/") && strings.HasSuffix(file, ".go"), strings.HasPrefix(file, "docs/protocol/") && strings.HasSuffix(file, ".yaml"):
			text = read(t, filepath.Join(root, file)) // codes of errors
		case strings.HasPrefix(file, "scripts/"), strings.HasPrefix(file, ".ci/"), strings.HasPrefix(file, "app/devstack/"), file == "Makefile", file == "docker-compose.yml":
			text = read(t, filepath.Join(root, file))
		case strings.HasSuffix(file, ".go"):
			text = strings.Join(found(read(t, filepath.Join(root, file)), `(?:[Gg]etenv|LookupEnv|Setenv|env)\("([A-Z0-9_]+)"`), " ")
		}
		for _, name := range found(text, `\b([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\b`) {
			known[name] = true
		}
	}
	for _, name := range []string{"NAME_FILE", "LLM_PROVIDER_", "LLM_PROVIDER_<n>_", "RATE_LIMITS", "JWT_SECERT", "CHATBOX_", "MONGO_URI"} {
		known[name] = true // placeholders, and examples of slips
	}
	names := regexp.MustCompile(`\b[A-Z][A-Z0-9]*(?:_(?:[A-Z0-9]+|<n>))+\b_?`)
	for _, doc := range files(t, ".md") {
		if strings.HasSuffix(doc, "coverage.md") || strings.HasSuffix(doc, "CHANGELOG.md") {
			continue
		}
		for _, code := range found(read(t, doc), "`([^`\n]+)`") {
			for _, name := range names.FindAllString(code, -1) {
				name = regexp.MustCompile(`_[0-9n]+_`).ReplaceAllString(name, "_<n>_")
				assert.True(t, known[name], "%s names %s (%s), and nothing reads it", doc, name, code)
			}
		}
	}
}

// TestCommands: every option and command of chatbox that a document names is in its help.
func TestCommands(t *testing.T) {
	t.Parallel()
	for _, doc := range files(t, ".md") {
		for _, code := range found(read(t, doc), "`(?:bin/)?chatbox ([^`\n]+)`") {
			for _, word := range regexp.MustCompile(`^[a-z]+|--[a-z-]+`).FindAllString(code, -1) {
				assert.Contains(t, config.Usage, word, "%s speaks of `chatbox %s`", doc, code)
			}
		}
	}
}

// TestMissing: what a document calls missing is missing. Each entry of README's list has what would show that it is there; no other document has a list.
func TestMissing(t *testing.T) {
	t.Parallel()
	code := ""
	for _, file := range files(t, ".go") {
		if !strings.HasSuffix(file, "_test.go") {
			code += read(t, file)
		}
	}
	signs := map[string]bool{
		"Tracing.": regexp.MustCompile(`(?m)go\.opentelemetry\.io/otel/sdk v\S+$`).MatchString(read(t, root+"/go.mod")), // required directly
		"Re-encryption of files that an old key has sealed.": !strings.Contains(code, "in: s.files, stays: true"),
	}
	_, section, ok := strings.Cut(read(t, root+"/README.md"), "## Not supported yet\n")
	require.True(t, ok)
	section, _, _ = strings.Cut(section, "\n## ")
	listed := 0
	for line := range strings.Lines(section) {
		entry, isEntry := strings.CutPrefix(strings.TrimSpace(line), "- ")
		if !isEntry {
			assert.Empty(t, strings.TrimSpace(line), "an entry of the list begins with a dash")
			continue
		}
		there, known := signs[entry]
		assert.True(t, known, "README calls this missing, and no test would notice that it has come: %q", entry)
		assert.False(t, there, "README calls this missing, and it is there: %q", entry)
		listed++
	}
	assert.Len(t, signs, listed, "an entry was taken out: take its sign out here")
	for _, file := range files(t, ".md") {
		if strings.HasSuffix(file, "README.md") || strings.HasSuffix(file, "SECURITY.md") {
			continue
		}
		assert.NotRegexp(t, `(?i)(is|are) not there yet|(?m)^not there yet:|stays 0 so far`, read(t, file), "%s: the list of what is missing is README's", file)
	}
}

// TestGuarantees_BinarySizes: the sizes in docs/guarantees.md are those of the built binary.
func TestGuarantees_BinarySizes(t *testing.T) {
	t.Parallel()
	m := regexp.MustCompile("size of `chatbox`, as built by `make build`, and stripped as in the image \\| (\\d+) MB and (\\d+) MB").FindStringSubmatch(read(t, root+"/docs/guarantees.md"))
	require.NotNil(t, m)
	for i, flags := range []string{"", "-s -w"} {
		binary := filepath.Join(t.TempDir(), "chatbox")
		out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "-ldflags="+flags, root+"/cmd/chatbox").CombinedOutput()
		require.NoError(t, err, "%s", out)
		info, err := os.Stat(binary)
		require.NoError(t, err)
		told, err := strconv.ParseFloat(m[i+1], 64)
		require.NoError(t, err)
		is := float64(info.Size()) / 1e6
		assert.InEpsilon(t, is, told, 0.1, "the page says %v MB, and it is %.1f MB (%q)", told, is, flags)
	}
}

// TestContributing_SaysWhatCIRuns: each target that CI calls, and each that it does not.
func TestContributing_SaysWhatCIRuns(t *testing.T) {
	t.Parallel()
	row := regexp.MustCompile("(?m)^\\| `make ci` \\| ([^|]+) \\|").FindStringSubmatch(read(t, root+"/CONTRIBUTING.md"))
	require.NotNil(t, row)
	does, doesNot, ok := strings.Cut(row[1], "Not in it:")
	require.True(t, ok)
	runs := found(read(t, root+"/.ci/run"), `make --no-print-directory ([a-z-]+)`)
	require.NotEmpty(t, runs)
	for _, target := range runs {
		assert.Contains(t, does, "`make "+target+"`")
		assert.NotContains(t, doesNot, "`make "+target+"`")
	}
	assert.Equal(t, runs, found(does, "`make ([a-z-]+)`"))
}

// TestTour_SaysThatItsPagesAreForDevelopment: readers of the tour must not look for its pages in production.
func TestTour_SaysThatItsPagesAreForDevelopment(t *testing.T) {
	t.Parallel()
	_, tour, ok := strings.Cut(read(t, root+"/docs/tour.md"), "# The tour\n")
	require.True(t, ok)
	first, _, _ := strings.Cut(strings.TrimSpace(tour), "\n\n")
	assert.Contains(t, first, "development")
	assert.Contains(t, first, "production")
}

// TestReadme_Licence: the README says under which licence the code is.
func TestReadme_Licence(t *testing.T) {
	t.Parallel()
	readme := read(t, root+"/README.md")
	licences, err := filepath.Glob(root + "/LICEN[CS]E*")
	require.NoError(t, err)
	assert.Equal(t, len(licences) == 0, strings.Contains(readme, "has not chosen a licence yet"))
}

// TestContract_NamesEveryClaim: what is read of a token is in the contract, and nothing else.
func TestContract_NamesEveryClaim(t *testing.T) {
	t.Parallel()
	_, table, ok := strings.Cut(read(t, root+"/docs/protocol/contract.md"), "### Claims of a token\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n### ")
	assert.Equal(t, []string{"aud", "exp", "iat", "iss", "name", "nbf", "roles", "sub", "tenant", "user_id"}, found(table, "(?m)^\\| `([a-z_]+)` \\|"))
	for _, role := range found(read(t, root+"/identity.go"), `Role\w+\s+= "([a-z_]+)"`) {
		assert.Contains(t, table, "`"+role+"`")
	}
}

// tracked are the repository's files, as git knows them.
func tracked(t *testing.T) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Skipf("NOT RUN: git does not list the files: %v", err)
	}
	var list []string
	for file := range strings.FieldsSeq(string(out)) {
		switch filepath.Ext(file) {
		case ".png", ".json":
			continue
		}
		if exists(filepath.Join(root, file)) {
			list = append(list, file)
		}
	}
	require.Greater(t, len(list), 100)
	return list
}

// TestContributing_WordListIsTheStyle: the list that people read and the rules that Vale checks name the same words.
func TestContributing_WordListIsTheStyle(t *testing.T) {
	t.Parallel()
	var style struct{ Swap map[string]string }
	require.NoError(t, yaml.Unmarshal([]byte(read(t, root+"/.vale/Chatbox/Words.yml")), &style))
	require.NotEmpty(t, style.Swap)
	_, table, ok := strings.Cut(read(t, root+"/CONTRIBUTING.md"), "| avoid | write |\n|---|---|\n")
	require.True(t, ok)
	table, _, _ = strings.Cut(table, "\n\n")
	used := map[string]bool{}
	for row := range strings.Lines(table) {
		avoid, write, _ := strings.Cut(strings.Trim(row, "| \n"), " | ")
		avoid = regexp.MustCompile(`\s*\([^)]*\)`).ReplaceAllString(avoid, "")
		for phrase := range strings.SplitSeq(avoid, ", ") {
			rule := ""
			for pattern := range style.Swap {
				if regexp.MustCompile("(?i)^(?:" + pattern + ")$").MatchString(phrase) {
					rule = pattern
				}
			}
			if assert.NotEmpty(t, rule, "no rule of .vale/Chatbox/Words.yml finds %q", phrase) {
				used[rule] = true
				assert.Equal(t, write, style.Swap[rule], "what to write instead of %q", phrase)
			}
		}
	}
	for pattern := range style.Swap {
		assert.True(t, used[pattern], "CONTRIBUTING.md does not list %q", pattern)
	}
}
