package devstack

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Prometheus finds the pods that run, with their names, and can scrape them.
func TestStack_TargetsServeMetrics(t *testing.T) {
	s, err := oneStack(t, t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.WithoutCancel(t.Context()))) })
	get := func(url string) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		require.NoError(t, err)
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
		require.NoError(t, err)
		defer func() { require.NoError(t, res.Body.Close()) }()
		require.Equal(t, http.StatusOK, res.StatusCode, url)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return body
	}
	pods := func() []string {
		t.Helper()
		var list []target
		require.NoError(t, json.Unmarshal(get(s.URL()+"/dev/targets"), &list))
		var names []string
		for _, at := range list {
			require.Len(t, at.Targets, 1)
			assert.Contains(t, string(get("http://"+at.Targets[0]+at.Labels["__metrics_path__"])), "chat_build_info")
			names = append(names, at.Labels["pod"])
		}
		return names
	}
	assert.Equal(t, []string{"pod-1", "pod-2"}, pods())
	require.NoError(t, s.KillPod("pod-1"))
	assert.Equal(t, []string{"pod-2"}, pods())
}
