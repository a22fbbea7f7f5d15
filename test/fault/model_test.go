//go:build fault

package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"chatbox/test/fakeopenai"
)

// model is the fake vendor. Every pod has an address of its own there, so that
// the vendor, and nobody inside the cluster, says which pod asks for what.
type model struct {
	server *httptest.Server

	mu    sync.Mutex // guards following
	calls []*call
}

// call is one request for an answer.
type call struct {
	pod, question string
	began, ended  time.Time // ended zero: under way
}

func startModel(t *testing.T) *model {
	t.Helper()
	m := &model{}
	fake := fakeopenai.New(fakeopenai.Config{Delay: 10 * time.Millisecond}).Handler()
	mux := http.NewServeMux()
	mux.HandleFunc("/{pod}/v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		pod := r.PathValue("pod")
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		c := m.begin(pod, body)
		defer m.end(c)
		if body, err = varied(body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		http.StripPrefix("/"+pod, fake).ServeHTTP(w, r)
	})
	m.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		m.server.CloseClientConnections()
		m.server.Close()
	})
	return m
}

// endpoint is what a pod is configured with.
func (m *model) endpoint(pod string) string { return m.server.URL + "/" + pod + "/v1" }

func (m *model) begin(pod string, body []byte) *call {
	var req fakeopenai.Request
	_ = json.Unmarshal(body, &req) // the fake refuses what cannot be read
	c := &call{pod: pod, began: time.Now(), question: fakeopenai.Question(req.Messages)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, c)
	return c
}

// varied makes every call of the varied model another question: like a real
// model it answers one message in as many ways as it is asked, so that two
// generations that mix cannot go unnoticed.
func varied(body []byte) ([]byte, error) {
	var req map[string]any
	if err := json.Unmarshal(body, &req); err != nil {
		return nil, err
	}
	messages, ok := req["messages"].([]any)
	if req["model"] != modelVaried || !ok {
		return body, nil
	}
	for _, m := range slices.Backward(messages) {
		if msg, ok := m.(map[string]any); ok && msg["role"] == "user" {
			msg["content"] = fmt.Sprint(msg["content"], " ", random())
			break
		}
	}
	return json.Marshal(req)
}

func (m *model) end(c *call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.ended = time.Now()
}

// asked lists the requests for the answer to a question, oldest first.
func (m *model) asked(question string) []call {
	m.mu.Lock()
	defer m.mu.Unlock()
	var of []call
	for _, c := range m.calls {
		if c.question == question {
			of = append(of, *c)
		}
	}
	return of
}

// generating waits until one pod is giving the answer to the question.
func (c *cluster) generating(question string) *pod {
	c.t.Helper()
	var found *pod
	until(c.ctx, c.t, "a pod answers", longestWait, func(context.Context) bool {
		for _, asked := range c.model.asked(question) {
			if asked.ended.IsZero() {
				found = c.pod(asked.pod)
			}
		}
		return found != nil
	})
	return found
}
