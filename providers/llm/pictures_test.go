package llm

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func pictured(name, data string) chatbox.PromptPicture {
	return chatbox.PromptPicture{Name: name, ContentType: "image/jpeg", Width: 10, Height: 10, Data: []byte(data)}
}

func withVision(c *Config) { c.Providers[0].Vision, c.Providers[0].Continue = true, "" }

// album is a talk with pictures: two in one message, one by staff, and one whose
// message is joined with the next.
func album() chatbox.Prompt {
	user, staff := chatbox.RoleUser, chatbox.RoleAssistant
	return chatbox.Prompt{Messages: []chatbox.PromptMessage{
		{Role: chatbox.RoleSystem, Content: "Be brief."},
		{Role: user, Content: "[a] [b]\n\nWhich?", Pictures: []chatbox.PromptPicture{pictured("a.jpg", "A"), pictured("b.jpg", "B")}},
		{Role: staff, Content: "Ana (support): [c]", Pictures: []chatbox.PromptPicture{pictured("c.jpg", "C")}},
		{Role: user, Content: "Thanks."},
		{Role: user, Content: "[d]", Pictures: []chatbox.PromptPicture{pictured("d.jpg", "D")}},
		{Role: user, Content: "And this?"},
	}}
}

// body answers like the vendor and keeps the request.
func body(t *testing.T, kind string, change func(*Config), p chatbox.Prompt) (request map[string]any) {
	t.Helper()
	answers := map[string]string{
		TypeOpenAI:    event(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}`) + event("[DONE]"),
		TypeAnthropic: dialects()[0].begin + dialects()[0].hello + dialects()[0].end,
	}
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil {
			t.Error(err)
		}
		say(w, answers[kind])
	})
	r, _ := newTestRouter(t, kind, v.URL, change)
	a := collect(t, r.Stream(t.Context(), p))
	require.NoError(t, a.err)
	require.Equal(t, "Hello", a.text)
	return request
}

type fields = map[string]any

func TestPictures_OpenAI(t *testing.T) {
	text := func(s string) any { return fields{"type": "text", "text": s} }
	picture := func(s string) any {
		return fields{"type": "image_url", "image_url": fields{"url": "data:image/jpeg;base64," + base64.StdEncoding.EncodeToString([]byte(s))}}
	}
	got := body(t, TypeOpenAI, withVision, album())
	assert.Equal(t, []any{
		fields{"role": "system", "content": "Be brief."},
		fields{"role": "user", "content": []any{picture("A"), picture("B"), text("[a] [b]\n\nWhich?")}},
		fields{"role": "assistant", "content": "Ana (support): [c]"},
		fields{"role": "user", "content": []any{
			picture("C"), text(carriedText + "\n\nThanks."), picture("D"), text("[d]\n\nAnd this?"),
		}},
	}, got["messages"])
}

func TestPictures_Anthropic(t *testing.T) {
	text := func(s string) any { return fields{"type": "text", "text": s} }
	picture := func(s string) any {
		return fields{"type": "image", "source": fields{
			"type": "base64", "media_type": "image/jpeg", "data": base64.StdEncoding.EncodeToString([]byte(s)),
		}}
	}
	got := body(t, TypeAnthropic, withVision, album())
	assert.Equal(t, "Be brief.", got["system"])
	assert.Equal(t, []any{
		fields{"role": "user", "content": []any{picture("A"), picture("B"), text("[a] [b]\n\nWhich?")}},
		fields{"role": "assistant", "content": "Ana (support): [c]"},
		fields{"role": "user", "content": []any{
			picture("C"), text(carriedText + "\n\nThanks."), picture("D"), text("[d]\n\nAnd this?"),
		}},
	}, got["messages"])
}

// A model without a system role gets its text before the first picture's place.
func TestPictures_MergedSystemPrompt(t *testing.T) {
	p := chatbox.Prompt{Messages: []chatbox.PromptMessage{
		{Role: chatbox.RoleSystem, Content: "Be brief."},
		{Role: chatbox.RoleUser, Content: "Hi"},
		{Role: chatbox.RoleUser, Content: "[a]", Pictures: []chatbox.PromptPicture{pictured("a.jpg", "A")}},
	}}
	got := body(t, TypeAnthropic, func(c *Config) { withVision(c); c.Providers[0].Roles = RolesMerged }, p)
	messages, _ := got["messages"].([]any)
	require.Len(t, messages, 1)
	message, _ := messages[0].(fields)
	parts, _ := message["content"].([]any)
	require.Len(t, parts, 3)
	assert.Equal(t, fields{"type": "text", "text": "Be brief.\n\nHi"}, parts[0])
	assert.Equal(t, fields{"type": "text", "text": "[a]"}, parts[2])
}

// A picture alone is a message.
func TestPictures_WithoutText(t *testing.T) {
	p := chatbox.Prompt{Messages: []chatbox.PromptMessage{{Role: chatbox.RoleUser, Pictures: []chatbox.PromptPicture{pictured("a.jpg", "A")}}}}
	got := body(t, TypeAnthropic, withVision, p)
	messages, _ := got["messages"].([]any)
	require.Len(t, messages, 1)
	message, _ := messages[0].(fields)
	assert.Len(t, message["content"], 1)
}

// difyApp is a Dify application with its files API.
type difyApp struct {
	*vendor
	mu      sync.Mutex // guards following
	uploads []string   // name, type, user and content
	queries []difyRequest
	refuse  bool
}

func newDifyApp(t *testing.T) *difyApp {
	t.Helper()
	app := &difyApp{}
	d := difyDialect()
	app.vendor = newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		app.mu.Lock()
		defer app.mu.Unlock()
		assert.Equal(t, "Bearer "+canary, r.Header.Get("Authorization"))
		if r.URL.Path == "/v1/files/upload" {
			if app.refuse {
				http.Error(w, `{"code":"unsupported_file_type","message":"File type not allowed.","status":415}`, http.StatusUnsupportedMediaType)
				return
			}
			part, header, err := r.FormFile("file")
			if err != nil {
				t.Error(err)
				return
			}
			data, _ := io.ReadAll(part)
			app.uploads = append(app.uploads, strings.Join([]string{
				header.Filename, header.Header.Get("Content-Type"), r.FormValue("user"), string(data),
			}, " "))
			w.WriteHeader(http.StatusCreated)
			_, _ = io.WriteString(w, `{"id":"72fa9618-`+string(data)+`","name":"x","size":1}`)
			return
		}
		var q difyRequest
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		app.queries = append(app.queries, q)
		say(w, d.hello, d.end)
	})
	return app
}

func TestPictures_Dify(t *testing.T) {
	app := newDifyApp(t)
	r, _ := newTestRouter(t, TypeDify, app.URL, withVision)
	a := collect(t, r.Stream(t.Context(), album()))
	require.NoError(t, a.err)
	assert.Equal(t, []string{
		"picture1.jpeg image/jpeg chatbox A", "picture2.jpeg image/jpeg chatbox B",
		"picture3.jpeg image/jpeg chatbox C", "picture4.jpeg image/jpeg chatbox D",
	}, app.uploads)
	require.Len(t, app.queries, 1)
	assert.Equal(t, []difyFile{
		{"image", "local_file", "72fa9618-A"},
		{"image", "local_file", "72fa9618-B"},
		{"image", "local_file", "72fa9618-C"},
		{"image", "local_file", "72fa9618-D"},
	}, app.queries[0].Files)
	assert.Contains(t, app.queries[0].Query, "User: [a] [b]\n\nWhich?")
}

// Uploads go to the same API for every spelling of the endpoint.
func TestEndpoint_Beside(t *testing.T) {
	for given, want := range map[string]string{
		"https://dify.test":                      "https://dify.test/v1/files/upload",
		"https://dify.test/api/v1":               "https://dify.test/api/v1/files/upload",
		"https://dify.test/v1/chat-messages":     "https://dify.test/v1/files/upload",
		"https://dify.test/v1/?region=eu":        "https://dify.test/v1/files/upload?region=eu",
		"https://dify.test/a/b/v1/chat-messages": "https://dify.test/a/b/v1/files/upload",
	} {
		e, err := resolveAnswers(TypeDify, given)
		require.NoError(t, err)
		assert.Equal(t, want, e.Beside("files", "upload"), given)
	}
}

func TestPictures_AFailedUploadIsAskedWithoutThem(t *testing.T) {
	app := newDifyApp(t)
	app.refuse = true
	r, log := newTestRouter(t, TypeDify, app.URL, withVision)
	a := collect(t, r.Stream(t.Context(), album()))
	require.NoError(t, a.err)
	require.Len(t, app.queries, 1)
	assert.Empty(t, app.queries[0].Files)
	assert.Contains(t, app.queries[0].Query, "You cannot see the pictures")
	assert.NotContains(t, log.String(), canary)
}

// Without VISION no picture is sent; the message keeps its text and says so.
func TestPictures_AModelThatDoesNotSee(t *testing.T) {
	for _, kind := range []string{TypeOpenAI, TypeAnthropic} {
		got := body(t, kind, withoutContinue, album())
		raw, err := json.Marshal(got)
		require.NoError(t, err)
		assert.NotContains(t, string(raw), "image")
		assert.Contains(t, string(raw), `[a] [b]\n\nWhich?\n[You cannot see the pictures of this message.]`)
	}
	app := newDifyApp(t)
	r, _ := newTestRouter(t, TypeDify, app.URL, withoutContinue)
	require.NoError(t, collect(t, r.Stream(t.Context(), album())).err)
	assert.Empty(t, app.uploads)
	assert.False(t, r.Sees("m1"))
}

func TestPictures_AFallbackThatDoesNotSee(t *testing.T) {
	var bodies []string
	v := newVendor(t, func(w http.ResponseWriter, r *http.Request, _ int) {
		raw, _ := io.ReadAll(r.Body)
		bodies = append(bodies, string(raw))
		if strings.Contains(string(raw), `"seeing"`) {
			http.Error(w, `{"error":{"code":"invalid_api_key","message":"no"}}`, http.StatusUnauthorized)
			return
		}
		say(w, event(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}`), event("[DONE]"))
	})
	r, _ := newTestRouter(t, TypeOpenAI, v.URL, func(c *Config) {
		withVision(c)
		c.Providers[0].Model = "seeing"
		c.Providers = append(c.Providers, Provider{ID: "m2", Type: TypeOpenAI, Endpoint: v.URL, Model: "blind", APIKey: NewSecret(canary)})
		c.Fallback = "m2"
	})
	assert.True(t, r.Sees("m1"))
	assert.True(t, r.Sees(""))
	assert.False(t, r.Sees("m2"))
	a := collect(t, r.Stream(t.Context(), album()))
	require.NoError(t, a.err)
	require.Len(t, bodies, 2)
	assert.Contains(t, bodies[0], "image_url")
	assert.NotContains(t, bodies[1], "image_url")
	assert.Contains(t, bodies[1], "You cannot see the pictures")
}

// A vendor that refuses a picture answers the rest; other refusals stand, and a
// passing failure is retried with the pictures.
func TestPictures_WhatTheVendorRefuses(t *testing.T) {
	hello := event(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}`) + event("[DONE]")
	status := func(code int, text string) func(w http.ResponseWriter) {
		return func(w http.ResponseWriter) { http.Error(w, text, code) }
	}
	for name, c := range map[string]struct {
		refuse   func(w http.ResponseWriter)
		times    int // requests that are refused; 0: all with pictures
		requests int
		seen     bool // the answered request has the pictures
		code     chatbox.Code
	}{
		"a bad picture": {status(400, `{"error":{"message":"Could not process image","type":"invalid_request_error"}}`), 0, 2, false, ""},
		"no such input": {status(404, `{"error":{"message":"No endpoints found that support image input","code":404}}`), 0, 2, false, ""},
		"too large":     {status(413, `{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`), 0, 3, false, ""},
		"a filter":      {status(400, `{"error":{"code":"content_policy_violation","message":"no"}}`), 0, 2, false, ""},
		"no projector":  {status(500, `{"error":{"code":500,"message":"image input is not supported - hint: you may need to provide the mmproj","type":"server_error"}}`), 0, 4, false, ""},
		"within the stream": {func(w http.ResponseWriter) {
			say(w, event(`{"error":{"code":400,"message":"image input is not supported","type":"invalid_request_error"}}`))
		}, 0, 2, false, ""},
		"a passing failure": {status(503, ""), 1, 2, true, ""},
		"a refused key":     {status(401, `{"error":{"code":"invalid_api_key"}}`), 0, 1, true, chatbox.ModelRefused},
		"no quota":          {status(429, `{"error":{"code":"insufficient_quota"}}`), 0, 1, true, chatbox.ModelRefused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var last string
			v := newVendor(t, func(w http.ResponseWriter, r *http.Request, n int) {
				raw, _ := io.ReadAll(r.Body)
				last = string(raw)
				if strings.Contains(last, "image_url") && (c.times == 0 || n <= c.times) {
					c.refuse(w)
					return
				}
				say(w, hello)
			})
			r, log := newTestRouter(t, TypeOpenAI, v.URL, withVision)
			a := collect(t, r.Stream(t.Context(), album()))
			assert.EqualValues(t, c.requests, v.requests.Load())
			assert.Equal(t, c.seen, strings.Contains(last, "image_url"))
			if c.code != "" {
				requireCode(t, c.code, a.err, log)
				return
			}
			require.NoError(t, a.err)
			assert.Equal(t, "Hello", a.text)
			assert.Equal(t, !c.seen, strings.Contains(log.String(), "asking with")) // less of the talk, or without them
			assert.NotContains(t, log.String(), "a.jpg")
		})
	}
}

func TestPictures_TheScriptedModelNamesThem(t *testing.T) {
	r, _ := newTestRouter(t, TypeScripted, "scripted://?delay=0s", func(c *Config) { c.Providers[0].Vision = true })
	a := collect(t, r.Stream(t.Context(), album()))
	require.NoError(t, a.err)
	assert.Contains(t, a.text, "I was shown `a.jpg`, `b.jpg`, `c.jpg`, `d.jpg`.")
	p := album()
	p.Prefix = a.text[:len(a.text)-10]
	assert.Equal(t, a.text[len(a.text)-10:], collect(t, r.Stream(t.Context(), p)).text)
}
