package specs

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/app/files"
)

const multipartType = "multipart/form-data; boundary=edge"

// upload is the body of an upload, of the type multipartType.
func upload(content string) string {
	return "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\n" + content + "\r\n--edge--\r\n"
}

// signature is a scanner that finds one text.
type signature string

func (s signature) Scan(_ context.Context, content io.Reader) (string, error) {
	all, err := io.ReadAll(content)
	if bytes.Contains(all, []byte(s)) {
		return "Signature", err
	}
	return "", err
}

// brokenStore stores nothing.
type brokenStore struct{ files.Blobs }

func (brokenStore) Write(context.Context, string, chatbox.FileKey, string, func(io.Writer) error) error {
	return chatbox.NewError(chatbox.FilesFailed, "", io.ErrClosedPipe)
}

func (brokenStore) Delete(context.Context, string) error { return nil }

func (brokenStore) Each(context.Context, func(string, time.Time) error) error { return nil }

// fileRoutes provokes each response to uploads and reads of files.
func fileRoutes(t *testing.T, rec *Recorder) {
	t.Helper()
	w := start(t, rec, func(cfg *devstack.Config) { cfg.Files.Max, cfg.Files.Scanner = 1<<10, signature("a virus") })
	ann, rob := w.person("", "ann"), w.person("", "rob", "admin")
	made := ann.want(http.StatusCreated, http.MethodPost, "/files", upload("some text"))
	path := "/files/" + made.member(t, "file_id")
	for status, content := range map[int]string{
		http.StatusBadRequest: "", http.StatusRequestEntityTooLarge: strings.Repeat("x", 2<<10), http.StatusUnsupportedMediaType: "<html><script>",
		http.StatusUnprocessableEntity: "this is a virus",
	} {
		ann.want(status, http.MethodPost, "/files", upload(content))
	}
	ann.want(http.StatusBadRequest, http.MethodGet, path+"?w=0", "")
	anyone := person{w: w, id: "anyone"}
	link := ann.fileLink(path)
	found := anyone.want(http.StatusOK, http.MethodGet, link, "")
	anyone.want(http.StatusPartialContent, http.MethodGet, link, "", "Range", "bytes=2-")
	anyone.want(http.StatusRequestedRangeNotSatisfiable, http.MethodGet, link, "", "Range", "bytes=99-")
	anyone.want(http.StatusNotModified, http.MethodGet, link, "", "If-None-Match", found.header.Get("ETag"))
	anyone.want(http.StatusForbidden, http.MethodGet, link+"x", "")
	direct := *w.http
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	ann.w = &world{t: w.t, ctx: w.ctx, stack: w.stack, rec: w.rec, http: &direct}
	ann.want(http.StatusFound, http.MethodGet, path, "")
	rob.want(http.StatusOK, http.MethodDelete, "/admin/users/ann", "")
	w.eventually("erasure of the file", func() bool { return anyone.at(0, http.MethodGet, link, "").status == http.StatusNotFound })
	for range 301 {
		if anyone.at(0, http.MethodGet, path+"/content", "").status == http.StatusTooManyRequests {
			break
		}
	}
	broken := start(t, rec, func(cfg *devstack.Config) { cfg.Files.Blobs = brokenStore{} })
	broken.person("", "ann").want(http.StatusServiceUnavailable, http.MethodPost, "/files", upload("some text"))
}

// fileLink returns the path of a link to the file.
func (p person) fileLink(path string) string {
	p.w.t.Helper()
	made := p.want(http.StatusOK, http.MethodGet, path, "", "Accept", "application/json")
	link, ok := strings.CutPrefix(made.member(p.w.t, "url"), prefix)
	require.True(p.w.t, ok)
	return link
}
