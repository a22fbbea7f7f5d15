package llm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTry_OneToken: an answer, an answer with reasoning only, and refusals in
// plain words.
func TestTry_OneToken(t *testing.T) {
	const word = "data: {\"choices\":[{\"delta\":{\"content\":\"OK\"}}]}\n\n"
	const end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n"
	for name, c := range map[string]struct {
		status int
		body   string
		says   string // "": it answers
	}{
		"answers":      {200, word + end, ""},
		"reasons only": {200, end, ""},
		"wrong key":    {401, `{"error":{"message":"bad key ` + canary + `","code":"invalid_api_key"}}`, "refuses the key: correct API_KEY (status 401, code invalid_api_key)"},
		"no model":     {404, `{"error":{"message":"no such model","code":"model_not_found"}}`, "does not have the model: correct MODEL"},
		"no money":     {429, `{"error":{"message":"pay","code":"insufficient_quota"}}`, "quota"},
		"odd":          {400, `{"error":{"message":"what?"}}`, "refuses the request"},
	} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				var body map[string]any
				raw, _ := io.ReadAll(r.Body)
				assert.NoError(t, json.Unmarshal(raw, &body))
				assert.Contains(t, string(raw), `:1`, "one token")
				w.Header().Set("Content-Type", "text/event-stream")
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer vendor.Close()
			p := Provider{ID: "m", Type: TypeOpenAI, Endpoint: vendor.URL, APIKey: NewSecret(canary), Model: "m"}
			err := Try(t.Context(), DefaultConfig(), p)
			assert.Positive(t, asked)
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
			assert.NotContains(t, err.Error(), canary)
		})
	}
	silent := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server notices that the client has gone
		<-r.Context().Done()
	}))
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := Try(ctx, DefaultConfig(), Provider{ID: "m", Type: TypeOpenAI, Endpoint: silent.URL, Model: "m", APIKey: NewSecret(canary)})
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, Try(t.Context(), DefaultConfig(), Provider{ID: "m", Type: TypeScripted}))
}

func TestProvider_Origin(t *testing.T) {
	for _, c := range []struct{ kind, endpoint, origin string }{
		{TypeScripted, "", ""},
		{TypeOpenAI, "", "https://api.openai.com"},
		{TypeAnthropic, "", "https://api.anthropic.com"},
		{TypeOpenAI, "http://GPU.internal:8000/v1?a=b", "http://gpu.internal:8000"},
	} {
		got, err := Provider{Type: c.kind, Endpoint: c.endpoint}.Origin()
		require.NoError(t, err)
		assert.Equal(t, c.origin, got)
	}
	_, err := Provider{Type: TypeOpenAI, Endpoint: "nowhere"}.Origin()
	require.ErrorContains(t, err, "endpoint")
}
