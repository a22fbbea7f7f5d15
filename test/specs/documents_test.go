package specs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/docs/protocol"
)

const golden = "../golden"

// TestDocuments_Golden: every example is of the one kind of frame that names it, and every one is named.
func TestDocuments_Golden(t *testing.T) {
	t.Parallel()
	docs, err := Load()
	require.NoError(t, err)
	named := map[string]bool{}
	for side, kinds := range map[string][]*message{"client-": docs.Client, "server-": docs.Server} {
		for _, m := range kinds {
			for _, g := range m.Golden {
				named[g] = true
				b, err := os.ReadFile(filepath.Join(golden, g+".json"))
				require.NoError(t, err, "%s names it", m.Name)
				var f map[string]any
				require.NoError(t, json.Unmarshal(b, &f))
				got, why := match(kinds, f)
				if assert.NotNil(t, got, "%s: %s", g, why) {
					assert.Equal(t, m.Name, got.Name, g)
				}
				assert.True(t, strings.HasPrefix(g, side), g)
			}
		}
	}
	files, err := filepath.Glob(golden + "/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".json")
		assert.True(t, named[name], "no frame in asyncapi.yaml names %s", name)
	}
}

// TestDocuments_AreWellFormed: operations and tags are what OpenAPI wants of them.
func TestDocuments_AreWellFormed(t *testing.T) {
	t.Parallel()
	d, err := protocol.OpenAPI("/elsewhere")
	require.NoError(t, err)
	assert.Contains(t, string(d.YAML), `- url: "/elsewhere"`)
	var doc struct {
		Tags  []struct{ Name string }
		Paths map[string]map[string]json.RawMessage
	}
	require.NoError(t, json.Unmarshal(d.JSON, &doc))
	var tags, ids []string
	for _, tag := range doc.Tags {
		tags = append(tags, tag.Name)
	}
	for path, item := range doc.Paths {
		require.True(t, strings.HasPrefix(path, "/"))
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			assert.Contains(t, methods(), method, path)
			var op struct {
				OperationID, Summary string
				Tags                 []string
			}
			require.NoError(t, json.Unmarshal(raw, &op))
			assert.NotEmpty(t, op.Summary, path)
			assert.Subset(t, tags, op.Tags, path)
			assert.Len(t, op.Tags, 1, path)
			ids = append(ids, op.OperationID)
		}
	}
	slices.Sort(ids)
	assert.Len(t, slices.Compact(slices.Clone(ids)), len(ids), "an operationId is used twice")
	a, err := protocol.AsyncAPI("")
	require.NoError(t, err)
	assert.Contains(t, string(a.YAML), `pathname: "/"`)
}

// TestRecorder_Refuses: what is not described is told, so that silence means something.
func TestRecorder_Refuses(t *testing.T) {
	t.Parallel()
	good := `{"type":"pong","timestamp":"2026-03-04T05:06:07.080Z"}`
	for _, frame := range []string{
		`{"type":"pong"}`, `{"type":"pong","timestamp":"2026-03-04T05:06:07Z"}`, strings.Replace(good, `"pong"`, `"pang"`, 1),
		strings.Replace(good, `{`, `{"more":1,`, 1), `[]`, `{`, `{"type":"error","timestamp":"2026-03-04T05:06:07.080Z","error":{"code":"NEW","message":"m","recoverable":true}}`,
	} {
		r, err := NewRecorder()
		require.NoError(t, err)
		r.Received([]byte(good))
		assert.Empty(t, r.Faults())
		r.Received([]byte(frame))
		assert.Len(t, r.Faults(), 1, frame)
	}
	h := map[string][]string{"Content-Type": {"application/json"}, "Retry-After": {"1"}}
	for _, name := range secured() {
		h[name] = []string{"x"}
	}
	healthy, failed := `{"status":"healthy"}`, `{"error":"e","code":"NOT_FOUND","message":"e","request_id":"r"}`
	for _, c := range []struct {
		method, path string
		status       int
		body         string
		fine         bool
	}{
		{"GET", "/healthz", 200, healthy, true},
		{"GET", "/healthz", 201, healthy, false},
		{"GET", "/healthz", 200, `{"status":"healthy","x":1}`, false},
		{"POST", "/healthz", 405, failed, true},
		{"POST", "/healthz", 200, healthy, false},
		{"GET", "/new", 404, failed, true},
		{"GET", "/new", 200, `{}`, false},
		{"GET", "/sessions/s-1", 404, failed, true},
		{"GET", "/sessions/s-1", 401, failed, false},
		{"GET", "/sessions/s-1", 404, `{}`, false},
	} {
		r, err := NewRecorder()
		require.NoError(t, err)
		r.Response(c.method, prefix+c.path, c.status, h, []byte(c.body))
		assert.Equal(t, c.fine, len(r.Faults()) == 0, "%+v: %v", c, r.Faults())
	}
	r, err := NewRecorder()
	require.NoError(t, err)
	r.Response("GET", prefix+"/healthz", 200, map[string][]string{"Content-Type": {"application/json"}}, []byte(healthy))
	assert.Len(t, r.Faults(), len(secured()))
}
