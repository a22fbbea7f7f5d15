package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/test/specs"
)

func TestDocuments_AreServedWithThePrefix(t *testing.T) {
	p := newPod(t, nil)
	status, h, body := p.call(http.MethodGet, "/docs", nil, nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "text/html; charset=UTF-8", h.Get("Content-Type"))
	for _, name := range []string{"openapi.yaml", "openapi.json", "asyncapi.yaml", "asyncapi.json"} {
		assert.Contains(t, string(body), `"/chatbox/docs/`+name+`"`)
		status, h, doc := p.call(http.MethodGet, "/docs/"+name, nil, nil)
		require.Equal(t, http.StatusOK, status)
		assert.Contains(t, string(doc), "/chatbox")
		if h.Get("Content-Type") == "application/json" {
			assert.True(t, json.Valid(doc), name)
		}
	}
	assert.NotContains(t, string(body), "//", "nothing is loaded from elsewhere")
	status, f := p.fails(http.MethodGet, "/docs/other.yaml", nil, nil)
	assert.Equal(t, http.StatusNotFound, status)
	assert.Equal(t, "NOT_FOUND", f.Code)
	status, f = p.fails(http.MethodPost, "/docs", nil, nil)
	assert.Equal(t, http.StatusMethodNotAllowed, status)
	assert.Equal(t, "INVALID_FORMAT", f.Code)
}

// Every route is in the document, and every operation in it is a route, so tests
// based on the document are complete.
func TestDocuments_NameExactlyTheRoutes(t *testing.T) {
	docs, err := specs.Load()
	require.NoError(t, err)
	var named, routed []string
	parameter := regexp.MustCompile(`[:{][a-z_]+}?|(open|async)api\.(yaml|json)`)
	for _, op := range docs.Operations {
		named = append(named, op.Method+" "+parameter.ReplaceAllString(op.Path, "*"))
	}
	for _, r := range New(Config{}, Deps{Files: noFiles{}, Speech: noSpeech{}, Registerer: prometheus.NewRegistry()}).edge.echo.Routes() {
		if r.Method == http.MethodHead || r.Method == "echo_route_not_found" || strings.Contains(r.Path, "*") {
			continue // of a probe, or what catches the rest
		}
		routed = append(routed, r.Method+" "+parameter.ReplaceAllString(r.Path, "*"))
	}
	slices.Sort(named)
	slices.Sort(routed)
	assert.Equal(t, named, slices.Compact(routed))
}
