package api

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Clients choose methods and paths. Neither may make labels without bound.
func TestTimed_LabelsAreFew(t *testing.T) {
	p := newPod(t, nil)
	for n := range 50 {
		for _, path := range []string{"/sessions/s", fmt.Sprint("/nothing-", n), "/healthz"} {
			req, err := http.NewRequestWithContext(t.Context(), fmt.Sprint("BREW", n), p.url+path, http.NoBody)
			require.NoError(t, err)
			res, err := (&http.Client{Timeout: soon}).Do(req)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
		}
	}
	_, _, body := p.call(http.MethodGet, "/metrics/prometheus", nil, nil)
	series := regexp.MustCompile(`(?m)^chat_http_seconds_count\{.*\}`).FindAllString(string(body), -1)
	assert.NotEmpty(t, series)
	assert.LessOrEqual(t, len(series), 6, "%v", series)
}
