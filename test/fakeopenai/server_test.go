package fakeopenai

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A caller received this of one streamed answer.
type heard struct {
	status int
	text   string
	chunks int
	finish string
	usage  *usage
	done   bool
	err    error
}

// ask streams one answer; more extends the request's JSON.
func ask(ctx context.Context, url, message, more string) heard {
	body := fmt.Sprintf(`{"model":"m","stream":true,"messages":[{"role":"system","content":"be brief"},{"role":"user","content":%q}%s}`, message, more)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		return heard{err: err}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return heard{err: err}
	}
	defer res.Body.Close()
	h := heard{status: res.StatusCode}
	if res.StatusCode != http.StatusOK {
		_, h.err = io.Copy(io.Discard, res.Body)
		return h
	}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if err := h.line(lines.Text()); err != nil {
			h.err = err
			return h
		}
	}
	h.err = lines.Err()
	return h
}

// line takes one line of the stream; one that is no event and not empty is an error.
func (h *heard) line(line string) error {
	if line == "" {
		return nil
	}
	data, _ := strings.CutPrefix(line, "data: ")
	if data == "[DONE]" {
		h.done = true
		return nil
	}
	var c chunk
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return err
	}
	if c.Usage != nil {
		h.usage = c.Usage
	}
	for _, choice := range c.Choices {
		if choice.Delta.Content != "" {
			h.chunks++
			h.text += choice.Delta.Content
		}
		if choice.FinishReason != nil {
			h.finish = *choice.FinishReason
		}
	}
	return nil
}

func TestServer_StreamsTheExpectedText(t *testing.T) {
	t.Parallel()
	fake := New(Config{})
	srv := fake.Start()
	defer srv.Close()
	h := ask(t.Context(), srv.URL, "hello [[words=9]]", `],"stream_options":{"include_usage":true}`)
	require.NoError(t, h.err)
	assert.Equal(t, Expected("hello [[words=9]]"), h.text)
	assert.Equal(t, 9, h.chunks)
	assert.Equal(t, "stop", h.finish)
	assert.Equal(t, &usage{Prompt: 4, Completion: 9, Total: 13}, h.usage)
	assert.True(t, h.done)
	assert.Equal(t, Stats{Started: 1, Finished: 1, Pieces: 9}, fake.Stats())
	assert.Equal(t, "hello [[words=9]]", fake.Requests()[0].Messages[1].Content)
	assert.Nil(t, ask(t.Context(), srv.URL, "no usage", `]`).usage)
}

func TestServer_ContinuesAfterAPrefix(t *testing.T) {
	t.Parallel()
	srv := New(Config{}).Start()
	defer srv.Close()
	whole := Expected("go on")
	prefix := whole[:strings.Index(whole, " ")+3]
	quoted, err := json.Marshal(prefix)
	require.NoError(t, err)
	h := ask(t.Context(), srv.URL, "go on", `,{"role":"assistant","content":`+string(quoted)+`}]`)
	assert.Equal(t, whole, prefix+h.text)
	h = ask(t.Context(), srv.URL, "go on", `,{"role":"assistant","content":"something else"}]`)
	assert.Equal(t, whole, h.text)
}

func TestServer_FaultsOnWish(t *testing.T) {
	t.Parallel()
	srv := New(Config{}).Start()
	defer srv.Close()

	h := ask(t.Context(), srv.URL, "[[fail=503 times=1]]", `]`)
	assert.Equal(t, http.StatusServiceUnavailable, h.status)
	assert.Equal(t, http.StatusOK, ask(t.Context(), srv.URL, "[[fail=503 times=1]]", `]`).status)

	h = ask(t.Context(), srv.URL, "[[truncate=10]]", `]`)
	require.Error(t, h.err)
	assert.Equal(t, 10, h.chunks)
	assert.False(t, h.done)

	h = ask(t.Context(), srv.URL, "[[finish=length words=2]]", `]`)
	assert.Equal(t, "length", h.finish)
}

func TestServer_CountsCallersThatWentAway(t *testing.T) {
	t.Parallel()
	fake := New(Config{Delay: time.Millisecond})
	srv := fake.Start()
	defer srv.Close()
	for n, message := range []string{"[[stall=2]]", "[[slowheader=1h]]", "[[words=100 delay=1h]]"} {
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan heard, 1)
		go func() { gone <- ask(ctx, srv.URL, message, `]`) }()
		require.NoError(t, fake.Await(t.Context(), func(s Stats) bool { return s.Running == 1 }))
		cancel()
		require.Error(t, (<-gone).err)
		require.NoError(t, fake.Await(t.Context(), func(s Stats) bool { return s.Running == 0 && s.Cancelled == n+1 }))
	}
}

func TestServer_WholeAnswerKeyAndLists(t *testing.T) {
	t.Parallel()
	fake := New(Config{APIKey: "k"})
	srv := fake.Start()
	defer srv.Close()
	post := func(key string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/v1/chat/completions",
			strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"q"}]}`))
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+key)
		res, err := srv.Client().Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		var body struct {
			Choices []struct{ Message Message }
		}
		require.NoError(t, json.NewDecoder(res.Body).Decode(&body))
		if len(body.Choices) == 0 {
			return res.StatusCode, ""
		}
		return res.StatusCode, body.Choices[0].Message.Content
	}
	status, text := post("k")
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, Expected("q"), text)
	status, _ = post("other")
	assert.Equal(t, http.StatusUnauthorized, status)
	for _, path := range []string{"/v1/models", "/stats"} {
		res, err := srv.Client().Get(srv.URL + path)
		require.NoError(t, err)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		require.NoError(t, res.Body.Close())
	}
}
