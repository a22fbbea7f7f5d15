package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
)

// parcel is one part of a multipart body.
type parcel struct{ field, name, content string }

func multi(t *testing.T, parts ...parcel) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		h := textproto.MIMEHeader{}
		h.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, p.field, p.name))
		h.Set("Content-Type", "image/png") // a claim that counts for nothing
		part, err := w.CreatePart(h)
		require.NoError(t, err)
		_, _ = io.WriteString(part, p.content)
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), b.Bytes()
}

// reply is a response without its body.
type reply struct {
	StatusCode int
	Header     http.Header
}

// ask sends a request to the n-th pod and returns the response and its body.
func (c *cluster) ask(n int, method, path, token string, header http.Header, body io.Reader) (reply, string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, method, c.podURL(n)+path, body)
	require.NoError(c.t, err)
	maps.Copy(req.Header, header)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	direct := &http.Client{Transport: c.http.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := direct.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = res.Body.Close() }()
	all, err := io.ReadAll(res.Body)
	require.NoError(c.t, err)
	return reply{res.StatusCode, res.Header}, string(all)
}

func (c *cluster) send(n int, token, key string, parts ...parcel) (reply, map[string]any) {
	c.t.Helper()
	kind, body := multi(c.t, parts...)
	h := http.Header{"Content-Type": {kind}}
	if key != "" {
		h.Set("Idempotency-Key", key)
	}
	res, text := c.ask(n, http.MethodPost, "/chatbox/files", token, h, bytes.NewReader(body))
	var out map[string]any
	require.NoError(c.t, json.Unmarshal([]byte(text), &out), text)
	return res, out
}

func picture(t *testing.T, w, h int) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))))
	return b.String()
}

func TestFiles_UploadOnOnePodReadOnAnother(t *testing.T) {
	c := start(t, 2)
	ann, bob := c.token("ann"), c.token("bob")
	content := strings.Repeat("line of text\n", 30_000)
	res, f := c.send(0, ann, "once", parcel{"file", `../../tmp/plan; ü.txt`, content})
	require.Equal(t, http.StatusCreated, res.StatusCode, f)
	id, _ := f["file_id"].(string)
	assert.Equal(t, "/chatbox/files/"+id, f["file_url"])
	assert.Equal(t, "text/plain", f["content_type"])
	assert.EqualValues(t, len(content), f["size"])
	assert.NotContains(t, f["filename"], "/")
	res, again := c.send(1, ann, "once", parcel{"file", "other.txt", "other"})
	require.Equal(t, http.StatusCreated, res.StatusCode)
	assert.Equal(t, f, again, "a repeat gets the first response")

	res, _ = c.ask(1, http.MethodGet, "/chatbox/files/"+id, ann, nil, nil)
	require.Equal(t, http.StatusFound, res.StatusCode)
	link := res.Header.Get("Location")
	res, text := c.ask(1, http.MethodGet, "/chatbox/files/"+id, ann, http.Header{"Accept": {"application/json"}}, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, text, `"expires_at":"`)
	for n := range 2 {
		res, text = c.ask(n, http.MethodGet, link, "", nil, nil)
		require.Equal(t, http.StatusOK, res.StatusCode)
		assert.Equal(t, content, text)
	}
	assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
	assert.Equal(t, "sandbox", res.Header.Get("Content-Security-Policy"))
	assert.True(t, strings.HasPrefix(res.Header.Get("Content-Disposition"), "attachment; "), res.Header.Get("Content-Disposition"))
	assert.Contains(t, res.Header.Get("Content-Disposition"), "%C3%BC.txt")
	tag := res.Header.Get("ETag")
	res, _ = c.ask(0, http.MethodGet, link, "", http.Header{"If-None-Match": {tag}}, nil)
	assert.Equal(t, http.StatusNotModified, res.StatusCode)
	for given, want := range map[string]string{"bytes=0-9": content[:10], "bytes=100000-100099": content[100000:100100], "bytes=-5": content[len(content)-5:]} {
		res, text = c.ask(0, http.MethodGet, link, "", http.Header{"Range": {given}}, nil)
		require.Equal(t, http.StatusPartialContent, res.StatusCode, given)
		assert.Equal(t, want, text, given)
	}
	res, _ = c.ask(0, http.MethodGet, link, "", http.Header{"Range": {"bytes=9999999-"}}, nil)
	assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, res.StatusCode)
	for _, none := range []string{"bytes=-0", "bytes=-000", "bytes=0-1, -0", "bytes=-0,5-6"} {
		res, _ = c.ask(0, http.MethodGet, link, "", http.Header{"Range": {none}}, nil)
		assert.Equal(t, http.StatusRequestedRangeNotSatisfiable, res.StatusCode, none)
	}
	res, text = c.ask(0, http.MethodGet, link, "", http.Header{"Range": {"bytes=0-0,2-2,4-4,6-6,8-8,10-10"}}, nil)
	assert.Equal(t, http.StatusOK, res.StatusCode, "too many ranges")
	assert.Len(t, text, len(content))

	for name, bad := range map[string]string{
		"altered": link[:len(link)-2], "no parameters": "/chatbox/files/" + id + "/content", "another width": link + "&w=10",
		"no width": link + "&w=0", "signed width": link + "&w=%2B0", "empty width": link + "&w=", "twice": link + "&exp=1", "more": link + "&x=1",
		"zeros": strings.Replace(link, "exp=", "exp=0", 1), "plus": strings.Replace(link, "exp=", "exp=%2B", 1), "line": strings.Replace(link, "sig=", "sig=%0A", 1),
		"ended": strings.Replace(link, "exp=", "exp=1", 1), "another id": strings.Replace(link, id, "file_"+strings.Repeat("a", 26), 1),
	} {
		res, _ = c.ask(0, http.MethodGet, bad, "", nil, nil)
		assert.Equal(t, http.StatusForbidden, res.StatusCode, name)
	}
	for _, path := range []string{"/chatbox/files/" + id, "/chatbox/files/file_x", "/chatbox/files/" + "file_" + strings.Repeat("a", 26)} {
		res, _ = c.ask(0, http.MethodGet, path, bob, nil, nil)
		assert.Equal(t, http.StatusNotFound, res.StatusCode, path)
	}
	res, _ = c.ask(0, http.MethodGet, "/chatbox/files/"+id, "", nil, nil)
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	res, _ = c.ask(0, http.MethodGet, "/chatbox/files/"+id+"?w=100", ann, nil, nil)
	assert.Equal(t, http.StatusBadRequest, res.StatusCode, "no picture")

	res, f = c.send(0, ann, "", parcel{"file", "a.png", picture(t, 500, 250)})
	require.Equal(t, http.StatusCreated, res.StatusCode)
	assert.EqualValues(t, 500, f["width"])
	id, _ = f["file_id"].(string)
	for _, bad := range []string{"0", "-1", "1601", "x"} {
		res, _ = c.ask(0, http.MethodGet, "/chatbox/files/"+id+"?w="+bad, ann, nil, nil)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, bad)
	}
	res, _ = c.ask(0, http.MethodGet, "/chatbox/files/"+id+"?w=100", ann, nil, nil)
	require.Equal(t, http.StatusFound, res.StatusCode)
	link = res.Header.Get("Location")
	for _, given := range []string{"w=0100", "w=%2B100", "w=100.0", "w=1e2", "w=101"} {
		res, _ = c.ask(1, http.MethodGet, strings.Replace(link, "w=100", given, 1), "", nil, nil)
		assert.Equal(t, http.StatusForbidden, res.StatusCode, given)
	}
	res, text = c.ask(1, http.MethodGet, link, "", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.True(t, strings.HasPrefix(res.Header.Get("Content-Disposition"), "inline; "))
	small, err := png.Decode(strings.NewReader(text))
	require.NoError(t, err)
	assert.Equal(t, image.Pt(160, 80), small.Bounds().Size(), "the next larger width that is stored")
}

func TestFiles_RefusedUploads(t *testing.T) {
	c := start(t, 1, func(cfg *devstack.Config) { cfg.Files.Max = 1 << 20; cfg.Files.FilesPerDay = 1 })
	ann := c.token("ann")
	long := strings.Repeat("x", 3<<20)
	for name, r := range map[string]struct {
		parts  []parcel
		status int
		code   string
	}{
		"no part":        {nil, 400, ""},
		"another field":  {[]parcel{{"picture", "a.txt", "x"}}, 400, "INVALID_FORMAT"},
		"two parts":      {[]parcel{{"file", "a.txt", "x"}, {"file", "b.txt", "y"}}, 400, "INVALID_FORMAT"},
		"a field beside": {[]parcel{{"file", "a.txt", "x"}, {"note", "", "y"}}, 400, "INVALID_FORMAT"},
		"empty":          {[]parcel{{"file", "a.txt", ""}}, 400, "INVALID_FORMAT"},
		"html":           {[]parcel{{"file", "a.txt", "<html><script>"}}, 415, "INVALID_FILE_TYPE"},
		"too large":      {[]parcel{{"file", "a.txt", long}}, 413, "INVALID_FILE_SIZE"},
	} {
		res, body := c.send(0, ann, "", r.parts...)
		assert.Equal(t, r.status, res.StatusCode, "%s: %v", name, body)
		if r.code != "" {
			assert.Equal(t, r.code, body["code"], name)
		}
	}
	res, body := c.send(0, ann, "", parcel{"file", "a.txt", strings.Repeat("x", 1<<20)})
	require.Equal(t, http.StatusCreated, res.StatusCode, "exactly the maximum, and nothing of the others counted: %v", body)
	res, _ = c.send(0, ann, "", parcel{"file", "a.txt", "x"})
	assert.Equal(t, http.StatusTooManyRequests, res.StatusCode)
	assert.NotEmpty(t, res.Header.Get("Retry-After"))
	res, _ = c.send(0, c.token("ben"), "not a key!", parcel{"file", "a.txt", "x"})
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	kind, whole := multi(t, parcel{"file", "a.txt", "some text"})
	// Without a Content-Length, and one that breaks off.
	res, _ = c.ask(0, http.MethodPost, "/chatbox/files", c.token("ben"), http.Header{"Content-Type": {kind}}, io.MultiReader(bytes.NewReader(whole)))
	assert.Equal(t, http.StatusCreated, res.StatusCode)
	res, _ = c.ask(0, http.MethodPost, "/chatbox/files", c.token("cas"), http.Header{"Content-Type": {kind}}, io.MultiReader(bytes.NewReader(whole[:len(whole)-20])))
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	res, _ = c.ask(0, http.MethodPost, "/chatbox/files", c.token("cas"), http.Header{"Content-Type": {"text/plain"}}, strings.NewReader("x"))
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	res, _ = c.ask(0, http.MethodPost, "/chatbox/files", "", http.Header{"Content-Type": {kind}}, bytes.NewReader(whole))
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
}
