package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
	"chatbox/app/speech"
)

// noSpeech speaks nothing.
type noSpeech struct{}

func (noSpeech) Speak(context.Context, chatbox.Actor, string, string) (speech.Sound, error) {
	return speech.Sound{}, chatbox.NewError(chatbox.NotFound, "no such answer", nil)
}

// noFiles is a store that has no file and takes none.
type noFiles struct{}

func (noFiles) First(context.Context, chatbox.Actor, string) (chatbox.File, error) {
	return chatbox.File{}, chatbox.NoSuchFile()
}

func (noFiles) Upload(_ context.Context, _ chatbox.Actor, in files.Incoming) (chatbox.File, error) {
	if _, err := io.Copy(io.Discard, in.Body); err != nil {
		return chatbox.File{}, err
	}
	return chatbox.File{}, chatbox.NewError(chatbox.FilesFailed, "", errors.New("away"))
}

func (noFiles) Link(context.Context, chatbox.Actor, string, int) (files.Link, error) {
	return files.Link{}, chatbox.NoSuchFile()
}

func (noFiles) Content(context.Context, files.Link) (files.Content, error) {
	return files.Content{}, chatbox.NewError(chatbox.PermissionDenied, "", nil)
}

func (noFiles) OfSession(context.Context, chatbox.SessionKey) ([]chatbox.File, error) {
	return nil, nil
}

func (noFiles) InSession(context.Context, chatbox.SessionKey, string) (files.Content, error) {
	return files.Content{}, chatbox.NoSuchFile()
}

func (noFiles) Discard(context.Context, chatbox.Actor, string) error { return chatbox.NoSuchFile() }

func (noFiles) Accepts() ([]string, int64) { return []string{"png", "txt"}, 1 << 20 }

func TestRender_Files(t *testing.T) {
	for code, want := range map[chatbox.Code]rendering{
		chatbox.FileType:     {wire: "INVALID_FILE_TYPE", status: http.StatusUnsupportedMediaType},
		chatbox.FileSize:     {wire: "INVALID_FILE_SIZE", status: http.StatusRequestEntityTooLarge},
		chatbox.FileInfected: {wire: "INVALID_FILE_TYPE", status: http.StatusUnprocessableEntity},
		chatbox.FilesFailed:  {wire: "STORAGE_ERROR", status: http.StatusServiceUnavailable, recoverable: true},
		chatbox.NoSuchRange:  {wire: "INVALID_FORMAT", status: http.StatusRequestedRangeNotSatisfiable},
	} {
		got := render(code)
		got.message = ""
		assert.Equal(t, want, got, code)
	}
}

// A body holds no more than its bound beside the file, however it is built.
func TestOpenFilePart_Framing(t *testing.T) {
	const end = "\r\n--b--\r\n"
	head := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n"
	for name, c := range map[string]struct {
		body string
		bad  bool
	}{
		"fine":              {head + "\r\nhello" + end, false},
		"preamble":          {"hello\r\n" + head + "\r\nhello" + end, false},
		"long preamble":     {strings.Repeat("x\r\n", maxFraming) + head + "\r\nhello" + end, true},
		"long header":       {head + "X: " + strings.Repeat("x", 2*maxFraming) + "\r\n\r\nhello" + end, true},
		"many headers":      {head + strings.Repeat("X: y\r\n", maxFraming) + "\r\nhello" + end, true},
		"long second part":  {head + "\r\nhello\r\n--b\r\nX: " + strings.Repeat("x", 2*maxFraming), true},
		"second part":       {head + "\r\nhello\r\n" + head + "\r\nagain" + end, true},
		"no end":            {head + "\r\nhello", true},
		"no part":           {"--b--\r\n", true},
		"nothing":           {"", true},
		"another boundary":  {strings.ReplaceAll(head, "--b", "--c") + "\r\nhello" + strings.ReplaceAll(end, "--b", "--c"), true},
		"no name of a part": {"--b\r\n\r\nhello" + end, true},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(c.body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		p, err := openFilePart(r)
		var all []byte
		if err == nil {
			all, err = io.ReadAll(p)
		}
		if c.bad {
			require.Error(t, err, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, "hello", string(all), name)
		assert.LessOrEqual(t, p.size(), int64(5))
		assert.Equal(t, "a.txt", p.name)
	}
}

// oneFile has one file.
type oneFile struct {
	noFiles

	file files.Content
}

func (f oneFile) Content(context.Context, files.Link) (files.Content, error) { return f.file, nil }

// A client that has a smaller picture already does not make the pod decode it again.
func TestContent_IsNotMadeForAClientThatHasIt(t *testing.T) {
	made := 0
	p := newPod(t, func(st *setup) {
		picture := files.Content{Name: "a.png", ContentType: "image/png", ETag: `"e"`}
		st.files = oneFile{file: files.Content{Name: "a.png", ContentType: "image/png", ETag: `"e"`, Make: func() (files.Content, error) {
			made++
			picture.Size, picture.Open = 5, func(from int64) (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("hello"[from:])), nil }
			return picture, nil
		}}}
	})
	const at = "/files/file_aaaaaaaaaaaaaaaaaaaaaaaaaa/content?exp=1&sig=x"
	for _, tags := range []string{`"e"`, `W/"e"`, `"d", "e"`, "*"} {
		status, head, body := p.call(http.MethodGet, at, http.Header{"If-None-Match": {tags}}, nil)
		assert.Equal(t, http.StatusNotModified, status, tags)
		assert.Equal(t, `"e"`, head.Get("ETag"))
		assert.Empty(t, head.Get("Content-Type"))
		assert.Empty(t, body)
	}
	assert.Zero(t, made)
	status, _, body := p.call(http.MethodGet, at, http.Header{"If-None-Match": {`"d"`}}, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "hello", string(body))
	assert.Equal(t, 1, made)
}

// A content that the store does not have, or cannot give, is an error like any
// other, and is opened once.
func TestContent_IsOpenedBeforeTheResponseBegins(t *testing.T) {
	opened := 0
	var fault error
	p := newPod(t, func(st *setup) {
		st.files = oneFile{file: files.Content{Name: "a.txt", ContentType: "text/plain", ETag: `"e"`, Size: 5, Open: func(from int64) (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader("hello"[from:])), fault
		}}}
	})
	const at = "/files/file_aaaaaaaaaaaaaaaaaaaaaaaaaa/content?exp=1&sig=x"
	status, _, body := p.call(http.MethodGet, at, nil, nil)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "hello", string(body))
	assert.Equal(t, 1, opened)
	status, _, body = p.call(http.MethodGet, at, http.Header{"Range": {"bytes=2-3"}}, nil)
	assert.Equal(t, http.StatusPartialContent, status)
	assert.Equal(t, "ll", string(body))
	for want, err := range map[int]error{http.StatusNotFound: chatbox.NoSuchFile(), http.StatusServiceUnavailable: chatbox.NewError(chatbox.FilesFailed, "", nil)} {
		fault = err
		status, head, _ := p.call(http.MethodGet, at, nil, nil)
		assert.Equal(t, want, status)
		assert.Empty(t, head.Get("ETag"))
	}
}
