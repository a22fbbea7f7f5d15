package architecture

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProductionBinary_HasNoEmbeddedStores: what serves from memory and one file must not be in the binary that is deployed.
func TestProductionBinary_HasNoEmbeddedStores(t *testing.T) {
	t.Parallel()
	for _, dep := range deps(t, "./cmd/chatbox") {
		for _, forbidden := range []string{"modernc.org/sqlite", "github.com/alicebob/miniredis", "chatbox/persistence/embedded", "chatbox/app/devstack", "chatbox/test"} {
			require.False(t, strings.HasPrefix(dep, forbidden), "cmd/chatbox contains %s", dep)
		}
	}
}

// TestDomain_StandsOnTheStandardLibrary: the root package has no other dependency, not even through a third; helpdesk and cluster have only the root.
func TestDomain_StandsOnTheStandardLibrary(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{module}, deps(t, "."))
	require.Equal(t, []string{module, module + "/helpdesk"}, deps(t, "./helpdesk"))
	require.Equal(t, []string{module, module + "/cluster"}, deps(t, "./cluster"))
}

// TestUseCases_StandOnTheDomain: the use cases reach Redis, MongoDB, sockets and models through their ports alone. Everything under internal but
// publicnet stands on the standard library.
func TestUseCases_StandOnTheDomain(t *testing.T) {
	t.Parallel()
	below := map[string][]string{
		"sessionlog":   nil,
		"answer":       {"sessionlog"},
		"live":         {"answer", "sessionlog"},
		"privacy":      {"answer", "sessionlog"},
		"history":      {"sessionlog"},
		"conversation": {"live", "answer", "sessionlog"},
	}
	for pkg, allowed := range below {
		for _, dep := range deps(t, "./app/"+pkg) {
			use, isUseCase := strings.CutPrefix(dep, "chatbox/app/")
			ok := dep == module || dep == module+"/helpdesk" || dep == module+"/cluster" || strings.HasPrefix(dep, "chatbox/internal/") || isUseCase && (use == pkg || slices.Contains(allowed, use))
			require.True(t, ok, "app/%s contains %s", pkg, dep)
		}
	}
}

// deps lists what a package is built from, the standard library left out.
func deps(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return strings.Fields(string(out))
}
