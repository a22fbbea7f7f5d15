package api

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
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
