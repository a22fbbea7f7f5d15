// Package architecture tests what no package can test about itself: who may import whom.
package architecture

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "chatbox"

// An edge is one import in one file, and whether the table of dependencies allows it.
type edge struct {
	file, imports string
	allowed       bool
}

// The edges plant at least one forbidden import against every depguard rule of .golangci.yml, in a file right in the package's folder: that is
// where a wrong pattern goes unnoticed.
var edges = []edge{
	{file: "x.go", imports: "chatbox/hub"},
	{file: "x.go", imports: "github.com/gorilla/websocket"},
	{file: "x.go", imports: "chatbox/helpdesk"},
	{file: "x.go", imports: "chatbox/cluster"},

	{file: "cluster/x.go", imports: "chatbox", allowed: true},
	{file: "cluster/x.go", imports: "chatbox/helpdesk"},
	{file: "cluster/x.go", imports: "chatbox/hub"},
	{file: "helpdesk/x.go", imports: "chatbox", allowed: true},
	{file: "helpdesk/x.go", imports: "chatbox/cluster"},
	{file: "helpdesk/x.go", imports: "chatbox/internal/sleep"},
	{file: "helpdesk/x.go", imports: "chatbox/app/desk"},
	{file: "helpdesk/x.go", imports: "github.com/gorilla/websocket"},

	{file: "internal/sleep/x.go", imports: "chatbox"},
	{file: "internal/sleep/x.go", imports: "chatbox/hub"},
	{file: "internal/sleep/x.go", imports: "code.dny.dev/ssrf"},
	{file: "internal/publicnet/x.go", imports: "chatbox"},
	{file: "internal/publicnet/x.go", imports: "code.dny.dev/ssrf", allowed: true},

	{file: "hub/x.go", imports: "chatbox", allowed: true},
	{file: "hub/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "hub/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "hub/x.go", imports: "github.com/gorilla/websocket", allowed: true},
	{file: "hub/x.go", imports: "chatbox/app"},
	{file: "hub/x.go", imports: "chatbox/redisstate"},
	{file: "hub/x.go", imports: "chatbox/persistence"},
	{file: "hub/x.go", imports: "github.com/redis/go-redis/v9"},
	{file: "hub/x.go", imports: "go.mongodb.org/mongo-driver/mongo"},

	{file: "redisstate/x.go", imports: "chatbox", allowed: true},
	{file: "redisstate/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "redisstate/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "redisstate/x.go", imports: "github.com/redis/go-redis/v9", allowed: true},
	{file: "redisstate/x.go", imports: "chatbox/app/conversation"},
	{file: "redisstate/x.go", imports: "chatbox/hub"},
	{file: "redisstate/x.go", imports: "chatbox/persistence"},
	{file: "redisstate/x.go", imports: "github.com/gorilla/websocket"},
	{file: "redisstate/x.go", imports: "go.mongodb.org/mongo-driver/mongo"},

	{file: "persistence/x.go", imports: "chatbox", allowed: true},
	{file: "persistence/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "persistence/x.go", imports: "go.mongodb.org/mongo-driver/mongo", allowed: true},
	{file: "persistence/x.go", imports: "chatbox/persistence/internal/record", allowed: true},
	{file: "persistence/x.go", imports: "chatbox/internal/sleep", allowed: true},
	{file: "persistence/x.go", imports: "chatbox/persistence/embedded"},
	{file: "persistence/internal/record/x.go", imports: "chatbox/hub"},
	{file: "persistence/x.go", imports: "chatbox/app/conversation"},
	{file: "persistence/x.go", imports: "chatbox/redisstate"},
	{file: "persistence/x.go", imports: "chatbox/cluster"},
	{file: "persistence/x.go", imports: "github.com/redis/go-redis/v9"},
	{file: "persistence/x.go", imports: "modernc.org/sqlite"},

	{file: "persistence/embedded/x.go", imports: "chatbox/persistence", allowed: true},
	{file: "persistence/embedded/x.go", imports: "modernc.org/sqlite", allowed: true},
	{file: "persistence/embedded/x.go", imports: "chatbox/app/conversation"},
	{file: "persistence/embedded/x.go", imports: "github.com/alicebob/miniredis/v2"},

	{file: "providers/llm/x.go", imports: "chatbox", allowed: true},
	{file: "providers/llm/x.go", imports: "github.com/sashabaranov/go-openai", allowed: true},
	{file: "providers/llm/x.go", imports: "chatbox/app/conversation"},
	{file: "providers/llm/x.go", imports: "chatbox/redisstate"},
	{file: "providers/llm/x.go", imports: "github.com/redis/go-redis/v9"},
	{file: "providers/x.go", imports: "chatbox/hub"},

	{file: "app/sessionlog/x.go", imports: "chatbox", allowed: true},
	{file: "app/sessionlog/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "app/sessionlog/x.go", imports: "chatbox/helpdesk"},
	{file: "app/sessionlog/x.go", imports: "chatbox/redisstate"},
	{file: "app/sessionlog/x.go", imports: "chatbox/app/answer"},
	{file: "app/sessionlog/x.go", imports: "chatbox/app/conversation"},
	{file: "app/answer/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "app/answer/x.go", imports: "chatbox/app/sessionlog", allowed: true},
	{file: "app/answer/x.go", imports: "chatbox/providers/llm"},
	{file: "app/answer/x.go", imports: "chatbox/app/live"},
	{file: "app/answer/x.go", imports: "chatbox/app/conversation"},
	{file: "app/live/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "app/live/x.go", imports: "chatbox/app/answer", allowed: true},
	{file: "app/live/x.go", imports: "chatbox/hub"},
	{file: "app/live/x.go", imports: "chatbox/app/conversation"},
	{file: "app/privacy/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/privacy/x.go", imports: "chatbox/app/answer", allowed: true},
	{file: "app/privacy/x.go", imports: "chatbox/app/live"},
	{file: "app/privacy/x.go", imports: "chatbox/persistence"},
	{file: "app/files/x.go", imports: "chatbox", allowed: true},
	{file: "app/files/x.go", imports: "golang.org/x/sync/semaphore", allowed: true},
	{file: "app/files/x.go", imports: "chatbox/app/sessionlog"},
	{file: "app/files/x.go", imports: "chatbox/providers/files"},
	{file: "app/files/x.go", imports: "chatbox/persistence"},
	{file: "app/files/x.go", imports: "gocloud.dev/blob"},
	{file: "app/speech/x.go", imports: "chatbox/internal/lanes", allowed: true},
	{file: "app/speech/x.go", imports: "chatbox/app/files"},
	{file: "app/speech/x.go", imports: "chatbox/providers/voice"},
	{file: "app/transcribe/x.go", imports: "chatbox/app/sessionlog", allowed: true},
	{file: "app/transcribe/x.go", imports: "chatbox/app/answer"},
	{file: "app/transcribe/x.go", imports: "chatbox/providers/voice"},
	{file: "app/history/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/history/x.go", imports: "chatbox/app/sessionlog", allowed: true},
	{file: "app/history/x.go", imports: "chatbox/app/answer"},
	{file: "app/conversation/x.go", imports: "chatbox", allowed: true},
	{file: "app/conversation/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "app/conversation/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/conversation/x.go", imports: "chatbox/app/live", allowed: true},
	{file: "app/conversation/x.go", imports: "chatbox/hub"},
	{file: "app/conversation/x.go", imports: "chatbox/redisstate"},
	{file: "app/conversation/x.go", imports: "chatbox/app/api"},
	{file: "app/conversation/x.go", imports: "github.com/labstack/echo/v4"},

	{file: "app/access/x.go", imports: "chatbox", allowed: true},
	{file: "app/access/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/access/x.go", imports: "chatbox/hub"},
	{file: "app/access/x.go", imports: "chatbox/redisstate"},
	{file: "app/access/x.go", imports: "chatbox/app/api"},

	{file: "app/alert/x.go", imports: "chatbox", allowed: true},
	{file: "app/alert/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/alert/x.go", imports: "chatbox/hub"},
	{file: "app/alert/x.go", imports: "chatbox/redisstate"},
	{file: "app/alert/x.go", imports: "chatbox/providers/notify"},

	{file: "app/door/x.go", imports: "github.com/prometheus/client_golang/prometheus", allowed: true},
	{file: "app/door/x.go", imports: "chatbox/hub"},
	{file: "app/door/x.go", imports: "chatbox/app/api"},
	{file: "app/door/x.go", imports: "github.com/labstack/echo/v4"},

	{file: "app/desk/x.go", imports: "chatbox", allowed: true},
	{file: "app/desk/x.go", imports: "chatbox/cluster", allowed: true},
	{file: "app/desk/x.go", imports: "chatbox/helpdesk", allowed: true},
	{file: "app/desk/x.go", imports: "chatbox/hub"},
	{file: "app/desk/x.go", imports: "chatbox/app/conversation"},
	{file: "app/desk/x.go", imports: "chatbox/persistence"},

	{file: "app/api/x.go", imports: "chatbox/hub", allowed: true},
	{file: "app/api/x.go", imports: "chatbox/app/conversation", allowed: true},
	{file: "app/api/x.go", imports: "github.com/labstack/echo/v4", allowed: true},
	{file: "app/api/x.go", imports: "chatbox/persistence"},
	{file: "app/api/x.go", imports: "chatbox/redisstate"},
	{file: "app/api/x.go", imports: "github.com/redis/go-redis/v9"},

	{file: "app/config/x.go", imports: "chatbox/redisstate", allowed: true},
	{file: "app/config/x.go", imports: "chatbox/app"},
	{file: "app/config/x.go", imports: "chatbox/app/conversation"},
	{file: "app/config/x.go", imports: "chatbox/hub"},

	{file: "app/x.go", imports: "chatbox/redisstate", allowed: true},
	{file: "app/x.go", imports: "chatbox/persistence", allowed: true},
	{file: "app/x.go", imports: "chatbox/persistence/embedded"},
	{file: "app/x.go", imports: "github.com/alicebob/miniredis/v2"},
	{file: "app/x.go", imports: "modernc.org/sqlite"},
	{file: "app/x.go", imports: "chatbox/app/devstack"},
	{file: "app/x.go", imports: "chatbox/test/fakes"},
	{file: "app/x.go", imports: "github.com/pkg/errors"},
	{file: "app/x.go", imports: "log"},

	{file: "app/devstack/x.go", imports: "chatbox/persistence/embedded", allowed: true},
	{file: "app/devstack/x.go", imports: "github.com/alicebob/miniredis/v2", allowed: true},
	{file: "app/devstack/x.go", imports: "modernc.org/sqlite"},

	{file: "cmd/chatbox/x.go", imports: "chatbox/app", allowed: true},
	{file: "cmd/chatbox/x.go", imports: "chatbox/app/devstack"},
	{file: "cmd/chatbox/x.go", imports: "chatbox/app/doctor", allowed: true},
	{file: "cmd/chatbox/x.go", imports: "chatbox/app/rotate", allowed: true},
	{file: "app/rotate/x.go", imports: "chatbox/persistence", allowed: true},
	{file: "app/rotate/x.go", imports: "chatbox/redisstate"},
	{file: "app/rotate/x.go", imports: "chatbox/app"},
	{file: "app/doctor/x.go", imports: "chatbox/app", allowed: true},
	{file: "app/doctor/x.go", imports: "chatbox/redisstate", allowed: true},
	{file: "app/doctor/x.go", imports: "chatbox/persistence", allowed: true},
	{file: "app/doctor/x.go", imports: "chatbox/app/conversation"},
	{file: "app/doctor/x.go", imports: "chatbox/hub"},
	{file: "app/doctor/x.go", imports: "chatbox/persistence/embedded"},
	{file: "app/doctor/x.go", imports: "github.com/redis/go-redis/v9"},
	{file: "cmd/chatbox/x.go", imports: "chatbox/hub"},
	{file: "cmd/chatbox-dev/x.go", imports: "chatbox/app/devstack", allowed: true},
	{file: "cmd/chatbox-dev/x.go", imports: "chatbox/redisstate"},
	{file: "cmd/chatload/x.go", imports: "chatbox", allowed: true},
	{file: "cmd/chatload/x.go", imports: "github.com/gorilla/websocket", allowed: true},
	{file: "cmd/chatload/x.go", imports: "chatbox/app"},
	{file: "cmd/chatload/ledger/x.go", imports: "chatbox/hub"},
	{file: "cmd/chatload/x_test.go", imports: "chatbox/app"},

	{file: "hub/x_test.go", imports: "chatbox/test/fakes", allowed: true},
	{file: "test/cluster/x.go", imports: "chatbox/test/fakes", allowed: true},
	{file: "test/cluster/x.go", imports: "github.com/alicebob/miniredis/v2", allowed: true},
}

// TestImports_EveryRuleBites gives golangci-lint, with this repository's configuration, small modules of this repository's folders that contain
// the edges, and expects a complaint about exactly the forbidden ones.
func TestImports_EveryRuleBites(t *testing.T) {
	t.Parallel()
	linter := golangciLint(t)
	byTarget := map[string][]edge{}
	for _, e := range edges {
		byTarget[e.imports] = append(byTarget[e.imports], e)
	}
	bitten := map[string]bool{}
	for target, group := range byTarget {
		// One module for each imported package: the edges into one package cannot form a cycle.
		complaints := lint(t, linter, plant(t, target, group))
		for _, e := range group {
			rules := complaints[e.file]
			require.Equal(t, e.allowed, len(rules) == 0, "%s imports %s, complaints: %v", e.file, e.imports, rules)
			for _, rule := range rules {
				bitten[rule] = true
			}
		}
	}
	require.ElementsMatch(t, configuredRules(t), slices.Collect(maps.Keys(bitten)), "each rule must have bitten once")
}

// plant writes a module in which only the edges' files import anything, and they import target.
func plant(t *testing.T, target string, group []edge) string {
	t.Helper()
	dir := t.TempDir()
	config, err := os.ReadFile("../../.golangci.yml")
	require.NoError(t, err)
	write(t, dir, ".golangci.yml", string(config))

	gomod := "module " + module + "\n\ngo 1.26.0\n"
	switch {
	case target == module:
		write(t, dir, "root.go", "package "+module+"\n")
	case strings.HasPrefix(target, module+"/"):
		write(t, dir, strings.TrimPrefix(target, module+"/")+"/target.go", "package "+packageName(target)+"\n")
	case strings.Contains(target, "."):
		// A stand-in for the library: depguard reads names only, and nothing is fetched.
		gomod += "\nrequire " + target + " " + versionFor(target) + "\nreplace " + target + " => ./lib\n"
		write(t, dir, "lib/go.mod", "module "+target+"\n")
		write(t, dir, "lib/lib.go", "package lib\n")
	}
	write(t, dir, "go.mod", gomod)
	for _, e := range group {
		name := packageName(module + "/" + filepath.Dir(e.file))
		body := "package " + name + "\n\nimport _ \"" + target + "\"\n"
		if name == "main" {
			body += "\nfunc main() {}\n"
		}
		if strings.HasSuffix(e.file, "_test.go") {
			body = strings.ReplaceAll(body, "\nfunc main() {}\n", "")
		}
		write(t, dir, e.file, body)
	}
	return dir
}

// packageName is main right under cmd, else the folder's name.
func packageName(path string) string {
	if filepath.Dir(path) == module+"/cmd" {
		return "main"
	}
	if path == module+"/." {
		return module
	}
	return filepath.Base(path)
}

// versionFor is any version that the module path admits.
func versionFor(path string) string {
	if major := regexp.MustCompile(`/v(\d+)$`).FindStringSubmatch(path); major != nil {
		return "v" + major[1] + ".0.0"
	}
	return "v1.0.0"
}

func write(t *testing.T, dir, name, content string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

var complaint = regexp.MustCompile(`(?m)^(\S+?):\d+:\d+: import .* is not allowed from list '([a-z-]+)'.*\(depguard\)$`)

// lint returns the rules that complained, by file.
func lint(t *testing.T, linter, dir string) map[string][]string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), linter, "run", "--enable-only", "depguard", "--allow-parallel-runners",
		"--output.text.path", "stdout", "--output.text.print-issued-lines=false", "--output.text.colors=false", "./...")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off")
	out, err := cmd.CombinedOutput()
	found := map[string][]string{}
	for _, m := range complaint.FindAllStringSubmatch(string(out), -1) {
		found[m[1]] = append(found[m[1]], m[2])
	}
	require.NotContains(t, string(out), "(typecheck)", "the planted module must compile")
	require.Equal(t, len(found) > 0, err != nil, "golangci-lint: %v\n%s", err, out)
	return found
}

// configuredRules are the names under depguard's rules.
func configuredRules(t *testing.T) []string {
	t.Helper()
	config, err := os.ReadFile("../../.golangci.yml")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(config), "    depguard:\n      rules:\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n    forbidigo:")
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^ {8}([a-z-]+):$`).FindAllStringSubmatch(section, -1) {
		names = append(names, m[1])
	}
	return names
}

// golangciLint is the pinned linter. CI builds it; elsewhere its absence is said and not waited for.
func golangciLint(t *testing.T) string {
	t.Helper()
	args := []string{"--find", "golangci-lint"}
	if os.Getenv("CI") != "" {
		args = args[1:]
	}
	out, err := exec.CommandContext(t.Context(), "../../scripts/tool.sh", args...).Output()
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("NOT RUN: import rules (make lint builds the linter that checks them)")
	}
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}
