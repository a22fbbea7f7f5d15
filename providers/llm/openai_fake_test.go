package llm

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/test/fakeopenai"
)

// The vendor that cluster tests and the load generator use must look to this
// provider like any other.
func TestOpenAI_AgainstTheFakeVendor(t *testing.T) {
	fake := httptest.NewServer(fakeopenai.New(fakeopenai.Config{APIKey: canary}).Handler())
	t.Cleanup(fake.Close)
	r, log := newTestRouter(t, TypeOpenAI, fake.URL, nil)

	whole := fakeopenai.Expected("Hi [[words=50]]")
	a := collect(t, r.Stream(t.Context(), prompt("Hi [[words=50]]")))
	require.NoError(t, a.err)
	assert.Equal(t, whole, a.text)
	assert.Equal(t, chatbox.FinishStop, a.last.Finish)
	require.NotNil(t, a.last.Usage)
	assert.Positive(t, a.last.Usage.Completion)

	p := prompt("Hi [[words=50]]")
	p.Prefix = whole[:len(whole)/2]
	a = collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	assert.Equal(t, whole, p.Prefix+a.text)

	a = collect(t, r.Stream(t.Context(), prompt("[[truncate=3]]")))
	requireCode(t, chatbox.ModelFailed, a.err, log)
	assert.NotEmpty(t, a.text)

	a = collect(t, r.Stream(t.Context(), prompt("[[fail=429 times=1]]")))
	require.NoError(t, a.err)
}
