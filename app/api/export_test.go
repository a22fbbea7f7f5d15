package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"chatbox"
	"chatbox/app/history"
)

// pagesOf yields the events one by one, then err if there is one.
func pagesOf(err error, events ...chatbox.Event) history.Pages {
	return func(yield func([]chatbox.Event, error) bool) {
		for _, e := range events {
			if !yield([]chatbox.Event{e}, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func TestExport_JSONIsTheWholeSession(t *testing.T) {
	p := newPod(t, nil)
	s := endedSession()
	question, final := *event(func(*chatbox.Event) {}).Event, *answer(chatbox.FinishStop, "Grüße <b> 👋", 1, false).Event
	p.conv.export = func(id string) (chatbox.Session, history.Pages, error) {
		assert.Equal(t, "s-1", id)
		return s, pagesOf(nil, question, final), nil
	}
	for _, query := range []string{"", "?format=json"} {
		status, h, body := p.call(http.MethodGet, "/sessions/s-1/export"+query, bearerHeader(token(t, nil)), nil)
		require.Equal(t, http.StatusOK, status)
		assert.Equal(t, "application/json", h.Get("Content-Type"))
		assert.Equal(t, `attachment; filename="a - b.json"; filename*=UTF-8''a%20-%20b.json`, h.Get("Content-Disposition"))
		var got struct {
			sessionHistory
			Truncated *bool `json:"truncated"`
		}
		require.NoError(t, json.Unmarshal(body, &got), "%s", body)
		assert.Nil(t, got.Truncated)
		assert.Equal(t, views([]chatbox.Event{question, final}, testViewer().message), got.Messages)
		assert.Equal(t, "s-1 a < b small ended 5", fmt.Sprint(got.SessionID, " ", got.Name, " ", got.ModelID, " ", got.Status, " ", got.HeadSeq))
		assert.Contains(t, string(body), "Grüße <b> 👋", "text is not escaped")
	}
	p.conv.export = func(string) (chatbox.Session, history.Pages, error) { return s, pagesOf(nil), nil }
	_, _, body := p.call(http.MethodGet, "/sessions/s-1/export", bearerHeader(token(t, nil)), nil)
	assert.JSONEq(t, `{"session_id":"s-1","name":"a < b","model_id":"small","status":"ended","head_seq":5,"messages":[]}`, string(body))
}

func TestExport_Refusals(t *testing.T) {
	p := newPod(t, nil)
	for _, format := range []string{"xml", "JSON", "json,markdown"} {
		status, f := p.fails(http.MethodGet, "/sessions/s-1/export?format="+format, bearerHeader(token(t, nil)), nil)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Contains(t, f.Message, "format")
	}
	p.conv.export = func(string) (chatbox.Session, history.Pages, error) {
		return endedSession(), pagesOf(chatbox.NewError(chatbox.StoreFailed, "", nil)), nil
	}
	status, h, _ := p.call(http.MethodGet, "/sessions/s-1/export", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusServiceUnavailable, status, "nothing was written yet")
	assert.Empty(t, h.Get("Content-Disposition"))
}

// A partial export must not look complete: neither the response nor its JSON ends
// properly.
func TestExport_FailureInMidStreamBreaksOff(t *testing.T) {
	p := newPod(t, nil)
	big := *event(func(e *chatbox.Event) { e.Content = strings.Repeat("x", 20_000) }).Event
	p.conv.export = func(string) (chatbox.Session, history.Pages, error) {
		return endedSession(), pagesOf(chatbox.NewError(chatbox.StoreFailed, "", nil), big, big), nil
	}
	for _, format := range []string{"json", "markdown"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/sessions/s-1/export?format="+format, nil)
		require.NoError(t, err)
		req.Header = bearerHeader(token(t, nil))
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: soon}).Do(req)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, format)
		assert.NotEmpty(t, body)
		assert.False(t, json.Valid(body))
	}
}

func TestExport_MarkdownForPeople(t *testing.T) {
	p := newPod(t, nil)
	s := endedSession()
	s.Name = "# <script> [x](y) `z`"
	join := *event(func(e *chatbox.Event) {
		e.Type, e.Sender, e.Content, e.Metadata = chatbox.TypeAdminJoin, chatbox.SenderAdmin, "", map[string]string{"admin_name": "*Ada*\n# x"}
	}).Event
	said := *event(func(e *chatbox.Event) { e.Content = "```go\nx\n````\n## no heading" }).Event
	p.conv.export = func(string) (chatbox.Session, history.Pages, error) { return s, pagesOf(nil, said, join), nil }
	status, h, body := p.call(http.MethodGet, "/sessions/s-1/export?format=markdown", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "text/markdown; charset=UTF-8", h.Get("Content-Type"))
	assert.Contains(t, h.Get("Content-Disposition"), `.md"`)
	want := "# \\# \\<script\\> \\[x\\](y) \\`z\\`\n\nSession `s-1` · ended · started 2026-03-04T05:06:07.080Z · 5 messages\n" +
		"\n## 3. User · 2026-03-04T05:06:07.080Z\n\n`````\n```go\nx\n````\n## no heading\n`````\n" +
		"\n## 3. Staff (\\*Ada\\* \\# x) · 2026-03-04T05:06:07.080Z\n\n*admin join*\n"
	assert.Equal(t, want, string(body))
}

// Any content is written byte for byte between two equal fences that none of its
// lines can close.
func TestMarkdown_ContentCannotBreakOut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		said := rapid.StringOfN(rapid.SampledFrom([]rune("`~\n\r\t #>ä<-")), 1, 60, -1).Draw(rt, "content")
		text := entry(chatbox.Event{Seq: 1, Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, Content: said, Status: chatbox.StatusComplete})
		_, body, found := strings.Cut(text, "\n\n")
		require.True(rt, found)
		fence, rest, _ := strings.Cut(body, "\n")
		require.GreaterOrEqual(rt, len(fence), 3)
		require.Equal(rt, strings.Repeat("`", len(fence)), fence)
		require.Equal(rt, said+"\n"+fence+"\n", rest)
		require.NotContains(rt, said, fence)
	})
}

func TestAttachment_NamesAreSafe(t *testing.T) {
	for name, want := range map[string]string{
		"":                             "chat.json",
		"..":                           "chat.json",
		"../../etc/passwd":             "-..-etc-passwd.json",
		"a\"; filename=\"evil.exe":     "a-; filename=-evil.exe.json",
		"Grüße 👋\r\nSet-Cookie: x=1":   "Grüße 👋 Set-Cookie- x=1.json",
		"50%\u202egnp.exe":             "50%gnp.exe.json",
		strings.Repeat("😀", 100):       strings.Repeat("😀", 80) + ".json",
		"Fragen zu 1.2. und mehr.. . ": "Fragen zu 1.2. und mehr.json",
	} {
		h := attachment(name, ".json")
		kind, params, err := mime.ParseMediaType(h)
		require.NoError(t, err, h)
		assert.Equal(t, "attachment", kind)
		assert.Equal(t, want, params["filename"], h)
		for _, b := range []byte(h) {
			assert.True(t, b >= ' ' && b <= '~', "%q", h)
		}
	}
}

func TestShare_LivesAsLongAsSaid(t *testing.T) {
	p := newPod(t, nil)
	var lives []time.Duration
	p.conv.share = func(a chatbox.Actor, id string, life time.Duration) (string, chatbox.Share, error) {
		assert.Equal(t, "ann s-1", a.UserID+" "+id)
		lives = append(lives, life)
		return "secret", chatbox.Share{ExpiresAt: at().Add(life)}, nil
	}
	for _, body := range []string{"", "{}", `{"expires_in":null}`, `{"expires_in":60}`, `{"expires_in":31536000}`} {
		status, _, got := p.call(http.MethodPost, "/sessions/s-1/share", bearerHeader(token(t, nil)), strings.NewReader(body))
		require.Equal(t, http.StatusOK, status, "%s", got)
		assert.JSONEq(t, `{"share_token":"secret","expires_at":"`+stamp(at().Add(lives[len(lives)-1]))+`"}`, string(got))
	}
	week := 7 * 24 * time.Hour
	assert.Equal(t, []time.Duration{week, week, week, time.Minute, 365 * 24 * time.Hour}, lives)
	for _, bad := range []string{`0`, `-1`, `1.5`, `"60"`, `31536001`, `99999999999999999999`} {
		status, f := p.fails(http.MethodPost, "/sessions/s-1/share", bearerHeader(token(t, nil)), strings.NewReader(`{"expires_in":`+bad+`}`))
		assert.Equal(t, http.StatusBadRequest, status, bad)
		assert.Contains(t, f.Message, "expires_in")
	}
	status, _, body := p.call(http.MethodDelete, "/sessions/s-1/share", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"status":"revoked"}`, string(body))
}

func TestShared_ForAnyoneAndNothingPrivate(t *testing.T) {
	p := newPod(t, nil)
	const secret = "c2VjcmV0IHRva2VuIG9mIGEgc2hhcmU"
	p.conv.shared = func(token string) (chatbox.Share, history.Pages, error) {
		if token != secret {
			return chatbox.Share{}, nil, chatbox.NewError(chatbox.NotFound, "no such share", nil)
		}
		file := *event(func(e *chatbox.Event) {
			e.Type, e.FileID, e.FileURL = chatbox.TypeFileUpload, somePicture().ID, "https://files.example.com/x?signature=abc"
			e.Files = []chatbox.AttachedFile{somePicture()}
			e.Metadata = map[string]string{"page": "/pricing", "admin_name": "forged"}
		}).Event
		return chatbox.Share{Session: chatbox.SessionKey{ID: "s-1"}, Name: "a < b"}, pagesOf(nil, file), nil
	}
	status, h, body := p.call(http.MethodGet, "/shared/"+secret, nil, nil)
	require.Equal(t, http.StatusOK, status)
	assert.JSONEq(t, `{"session_id":"s-1","name":"a < b","messages":[{"id":"m-1","seq":3,"type":"file_upload","sender":"user",
		"content":"  if a < b && b > c {\n\treturn \"é\"\n  }  ","timestamp":"2026-03-04T05:06:07.080Z","status":"complete",
		"files":[{"filename":"beach \"1\".jpg","content_type":"image/jpeg"}]}]}`, string(body))
	assert.Equal(t, "noindex", h.Get("X-Robots-Tag"))
	assert.Equal(t, "no-store", h.Get("Cache-Control"))
	assert.Equal(t, "no-referrer", h.Get("Referrer-Policy"))
	status, _, missing := p.call(http.MethodGet, "/shared/"+secret+"x", nil, nil)
	assert.Equal(t, http.StatusNotFound, status)
	assert.NotContains(t, string(missing), secret)
	assert.NotContains(t, p.logs.String(), secret)
	assert.Contains(t, p.logs.String(), "/shared/:token")
	assert.False(t, bytes.Contains(body, []byte("signature")))
	assert.NotContains(t, string(body), somePicture().ID)
}

func TestStrangers_AreCountedByAddress(t *testing.T) {
	var s anonymous
	visit := func(ip string, later time.Duration) bool { return s.visit(ip, at().Add(later)) == 0 }
	for range anonymousPerMinute {
		require.True(t, visit("192.0.2.1", 0))
	}
	assert.False(t, visit("192.0.2.1", 0))
	assert.Positive(t, s.visit("192.0.2.1", at()))
	assert.LessOrEqual(t, s.visit("192.0.2.1", at()), time.Minute)
	assert.True(t, visit("192.0.2.2", 0), "another one's count is another")
	assert.True(t, visit("192.0.2.1", time.Minute), "it is a new minute")
	for i := range anonymousPerMinute {
		require.True(t, visit(fmt.Sprintf("2001:db8::%x", i), time.Minute))
	}
	assert.False(t, visit("2001:db8::ffff", time.Minute), "a network of one household")
	assert.True(t, visit("2001:db8:0:1::1", time.Minute))
	for i := range anonymousAddresses {
		visit(fmt.Sprintf("10.%d.%d.1", i/256, i%256), 2*time.Minute)
	}
	for range anonymousPerMinute {
		visit("198.51.100.1", 2*time.Minute)
	}
	assert.False(t, visit("198.51.100.2", 2*time.Minute), "further addresses share one count")
	assert.Len(t, s.visits, anonymousAddresses+1)
}
