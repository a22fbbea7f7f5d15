package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// setting is a row of docs/operations/config.md, which is written from the table that the pod reads.
type setting struct {
	secret   bool
	required bool
	def      string
	text     string
}

// settings are all of them, by name. The number of a model is <n>.
func settings(t *testing.T) map[string]setting {
	t.Helper()
	row := regexp.MustCompile("(?m)^\\| `([A-Z][A-Z0-9_<n>]+)`( \\\\\\*)? \\| (.*?) \\| (.*) \\|$")
	known := map[string]setting{}
	for _, m := range row.FindAllStringSubmatch(string(read(t, root+"/docs/operations/config.md")), -1) {
		known[m[1]] = setting{secret: m[2] != "", required: m[3] == "required", def: strings.Trim(m[3], "`"), text: m[4]}
		if m[2] != "" {
			known[m[1]+"_FILE"] = setting{}
		}
	}
	require.Greater(t, len(known), 80)
	return known
}

func numbered(name string) string {
	return regexp.MustCompile(`^LLM_PROVIDER_\d+_`).ReplaceAllString(name, "LLM_PROVIDER_<n>_")
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.FromSlash(file))
	require.NoError(t, err)
	return text
}

// path is a program that scripts/check-deploy.sh has built.
func path(t *testing.T, variable string) string {
	t.Helper()
	tool := os.Getenv(variable)
	require.NotEmpty(t, tool, "%s is not set: run scripts/check-deploy.sh", variable)
	return tool
}
