package api

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
	"chatbox/app/history"
)

// shelf has contents by the id of their file.
type shelf struct {
	noFiles
	contents map[string]string
	broken   map[string]error // after the first three bytes
	unshown  []chatbox.File   // that no event shows
}

func (s shelf) OfSession(context.Context, chatbox.SessionKey) ([]chatbox.File, error) {
	return s.unshown, nil
}

func (s shelf) InSession(_ context.Context, k chatbox.SessionKey, id string) (files.Content, error) {
	said, ok := s.contents[id]
	if !ok || k.ID != "s-1" {
		return files.Content{}, chatbox.NoSuchFile()
	}
	return files.Content{Open: func(int64) (io.ReadCloser, error) {
		if fault, broken := s.broken[id]; broken {
			return io.NopCloser(io.MultiReader(strings.NewReader(said[:3]), failing{fault})), nil
		}
		return io.NopCloser(strings.NewReader(said)), nil
	}}, nil
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// attached is an event with the files, one entry of the session s-1.
func attached(kind chatbox.Type, list ...chatbox.AttachedFile) chatbox.Event {
	return *event(func(e *chatbox.Event) { e.Type, e.Files, e.Metadata = kind, list, nil }).Event
}

func unzip(t *testing.T, body []byte) map[string]string {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	found := map[string]string{}
	for _, f := range r.File {
		rc, err := f.Open()
		require.NoError(t, err)
		b, err := io.ReadAll(rc)
		require.NoError(t, err, f.Name)
		require.NoError(t, rc.Close())
		require.NotContains(t, found, f.Name)
		found[f.Name] = string(b)
	}
	return found
}

func exportPod(t *testing.T, s shelf, events ...chatbox.Event) *pod {
	t.Helper()
	p := newPod(t, func(st *setup) { st.files = s })
	p.conv.export = func(string) (chatbox.Session, history.Pages, error) {
		sess := endedSession()
		sess.Key.ID = "s-1"
		return sess, pagesOf(nil, events...), nil
	}
	return p
}

func TestArchive_HasTheFiles(t *testing.T) {
	hostile := chatbox.AttachedFile{ID: somePicture().ID[:30] + "x", Name: "../../etc/pass\nwd", ContentType: "text/plain", Size: 3}
	twice := chatbox.AttachedFile{ID: somePicture().ID[:30] + "y", Name: "pass\nwd", ContentType: "text/plain", Size: 3}
	p := exportPod(t, shelf{contents: map[string]string{somePicture().ID: "jpeg!", hostile.ID: "xyz", twice.ID: "abc"}},
		attached(chatbox.TypeFileUpload, somePicture()), attached(chatbox.TypeUserMessage, hostile, twice, somePicture()))
	status, h, body := p.call(http.MethodGet, "/sessions/s-1/export?format=zip", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "application/zip", h.Get("Content-Type"))
	assert.Contains(t, h.Get("Content-Disposition"), `.zip"`)
	found := unzip(t, body)
	assert.Equal(t, "jpeg!", found[`files/1-beach -1-.jpg`])
	assert.Equal(t, "xyz", found["files/2-passwd"])
	assert.Equal(t, "abc", found["files/3-passwd"])
	assert.Len(t, found, 5)
	var said struct {
		Messages []struct {
			Files []struct {
				Path string `json:"path"`
			} `json:"files"`
		} `json:"messages"`
	}
	require.NoError(t, json.Unmarshal([]byte(found["conversation.json"]), &said))
	assert.Equal(t, "files/1-beach -1-.jpg", said.Messages[0].Files[0].Path)
	assert.Equal(t, "files/2-passwd", said.Messages[1].Files[0].Path)
	assert.Equal(t, said.Messages[0].Files[0].Path, said.Messages[1].Files[2].Path, "once, however often it was sent")
	assert.Contains(t, found["conversation.md"], "*file* `beach \"1\".jpg` (image/jpeg)\n")
	assert.NotContains(t, found["conversation.md"], somePicture().ID)

	_, _, plain := p.call(http.MethodGet, "/sessions/s-1/export", bearerHeader(token(t, nil)), nil)
	assert.NotContains(t, string(plain), `"path"`)
}

// Speech is a file of the session, and no event shows it.
func TestArchive_HasFilesThatNoEventShows(t *testing.T) {
	shown := somePicture()
	speech := chatbox.File{Key: chatbox.FileKey{ID: "spoken"}, Name: "answer.mp3", ContentType: "audio/mpeg"}
	s := shelf{
		contents: map[string]string{shown.ID: "jpeg!", "spoken": "mp3!"},
		unshown:  []chatbox.File{{Key: chatbox.FileKey{ID: shown.ID}, Name: shown.Name}, speech},
	}
	p := exportPod(t, s, attached(chatbox.TypeFileUpload, shown))
	status, _, body := p.call(http.MethodGet, "/sessions/s-1/export?format=zip", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	found := unzip(t, body)
	assert.Equal(t, "mp3!", found["files/2-answer.mp3"])
	assert.Len(t, found, 4)
}

func TestArchive_ListsWhatItLacks(t *testing.T) {
	a, b, c := chatbox.AttachedFile{ID: "a", Name: "a.bin"}, chatbox.AttachedFile{ID: "b", Name: "b.bin"}, chatbox.AttachedFile{ID: "c", Name: "c.bin"}
	s := shelf{contents: map[string]string{"b": "damaged", "c": "whole"}, broken: map[string]error{"b": chatbox.NewError(chatbox.Unreadable, "", nil)}}
	p := exportPod(t, s, attached(chatbox.TypeUserMessage, a, b, c))
	status, _, body := p.call(http.MethodGet, "/sessions/s-1/export?format=zip", bearerHeader(token(t, nil)), nil)
	require.Equal(t, http.StatusOK, status)
	found := unzip(t, body)
	assert.Equal(t, "files/1-a.bin: the file is gone\nfiles/2-b.bin: the file is damaged\n", found["missing.txt"])
	assert.Equal(t, "whole", found["files/3-c.bin"])
	assert.NotContains(t, found, "files/1-a.bin")
}

// An archive must not look complete if the store fails.
func TestArchive_FailureBreaksOff(t *testing.T) {
	a := chatbox.AttachedFile{ID: "a", Name: "a.bin"}
	s := shelf{contents: map[string]string{"a": "content"}, broken: map[string]error{"a": chatbox.NewError(chatbox.FilesFailed, "", nil)}}
	p := exportPod(t, s, attached(chatbox.TypeUserMessage, a))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.url+"/sessions/s-1/export?format=zip", nil)
	require.NoError(t, err)
	req.Header = bearerHeader(token(t, nil))
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: soon}).Do(req)
	if err == nil { // what was written so far may have been dropped
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
	}
	require.Error(t, err)
	assert.Contains(t, p.logs.String(), "files_failed")
}

func TestArchive_NeedsAFileStore(t *testing.T) {
	p := newPod(t, func(st *setup) { st.files = nil })
	status, f := p.fails(http.MethodGet, "/sessions/s-1/export?format=zip", bearerHeader(token(t, nil)), nil)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Contains(t, f.Message, "format")
	s := p.open("")
	for _, kind := range []string{"file_upload", "voice_message"} {
		for _, rest := range []string{``, `,"file_id":"` + somePicture().ID + `"`, `,"file_url":"https://example.com/a"`} {
			s.send(`{"type":"` + kind + `","id":"m","session_id":"s"` + rest + `}`)
			code, message, _ := s.readError()
			assert.Equal(t, "INVALID_FORMAT", code)
			assert.Contains(t, message, "type")
		}
	}
	s.alive()
}
