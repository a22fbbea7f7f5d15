package specs

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
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

func (brokenStore) Size(context.Context, string) (int64, error) {
	return 0, chatbox.NewError(chatbox.FilesFailed, "", io.ErrClosedPipe)
}

func (brokenStore) Delete(context.Context, string) error { return nil }

func (brokenStore) Each(context.Context, string, func(string, time.Time) error) error { return nil }

// anyFile is a file of this size at every address.
type anyFile int64

func (n anyFile) Fetch(context.Context, string) (io.ReadCloser, int64, error) {
	return io.NopCloser(strings.NewReader(strings.Repeat("x", int(n)))), int64(n), nil
}

// fetchedAs sends the address of a file and expects the code of the refusal.
func fetchedAs(p person, want string) {
	c := p.socket(0, "")
	c.send(`{"type":"file_upload","id":"x-1","session_id":"s-x","file_url":"https://files.example.com/a.txt"}`)
	c.sees("refusal", code(want), hasID("x-1"))
}

// fileRoutes provokes each response to uploads and reads of files.
func fileRoutes(t *testing.T, rec *Recorder) {
	t.Helper()
	w := start(t, rec, func(cfg *devstack.Config) {
		cfg.Files.Max, cfg.Files.Scanner, cfg.Files.Fetcher = 1<<10, signature("a virus"), anyFile(2<<10)
	})
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
	spare := "/files/" + ann.want(http.StatusCreated, http.MethodPost, "/files", upload("spare")).member(t, "file_id")
	ann.want(http.StatusNoContent, http.MethodDelete, spare, "")
	ann.want(http.StatusNotFound, http.MethodDelete, spare, "")
	sent := ann.want(http.StatusCreated, http.MethodPost, "/files", upload("sent")).member(t, "file_id")
	ann.want(http.StatusAccepted, http.MethodPost, "/sessions/s-f/messages", `{"content":"x","file_ids":["`+sent+`"]}`)
	ann.want(http.StatusConflict, http.MethodDelete, "/files/"+sent, "")
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
	ann.listens()
	rob.want(http.StatusOK, http.MethodDelete, "/admin/users/ann", "")
	w.eventually("erasure of the file", func() bool { return anyone.at(0, http.MethodGet, link, "").status == http.StatusNotFound })
	for range 301 {
		if anyone.at(0, http.MethodGet, path+"/content", "").status == http.StatusTooManyRequests {
			break
		}
	}
	fetchedAs(rob, "INVALID_FILE_SIZE")
	broken := start(t, rec, func(cfg *devstack.Config) { cfg.Files.Blobs, cfg.Files.Fetcher = brokenStore{}, anyFile(1) })
	fetchedAs(broken.person("", "ann"), "STORAGE_ERROR")
	broken.person("", "ann").want(http.StatusServiceUnavailable, http.MethodPost, "/files", upload("some text"))
}

// listens has an answer spoken, which is a file of the session then, and gives
// feedback on it.
func (p person) listens() {
	p.w.t.Helper()
	p.want(http.StatusAccepted, http.MethodPost, "/sessions/s-spoken/messages", `{"content":"[[words=5]]"}`)
	var answer string
	p.w.eventually("the answer", func() bool {
		answer = regexp.MustCompile(`ans_[a-z2-7]{26}`).FindString(p.at(0, http.MethodGet, "/sessions/s-spoken", "").body)
		return answer != ""
	})
	p.want(http.StatusOK, http.MethodPost, "/sessions/s-spoken/messages/"+answer+"/speech", "")
	p.want(http.StatusOK, http.MethodPut, "/sessions/s-spoken/messages/"+answer+"/feedback", `{"value":"down","comment":"wrong"}`)
	require.Contains(p.w.t, p.want(http.StatusOK, http.MethodGet, "/sessions/s-spoken", "").body, `"comment":"wrong"`)
}

// fileLink returns the path of a link to the file.
func (p person) fileLink(path string) string {
	p.w.t.Helper()
	made := p.want(http.StatusOK, http.MethodGet, path, "", "Accept", "application/json")
	link, ok := strings.CutPrefix(made.member(p.w.t, "url"), prefix)
	require.True(p.w.t, ok)
	return link
}

// silence is a recording of a tenth of a second.
func silence() string {
	return "RIFF\x24\x06\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00\x40\x1f\x00\x00\x80\x3e\x00\x00\x02\x00\x10\x00data\x00\x06\x00\x00" +
		strings.Repeat("\x00", 0x600)
}

// show is a user and an admin who send each other files.
func (s *scene) show() {
	uploaded := func(p person, content string) string {
		return p.want(http.StatusCreated, http.MethodPost, "/files", upload(content)).member(s.t, "file_id")
	}
	text, voice, form := uploaded(s.ann, s.mark), uploaded(s.ann, silence()), uploaded(s.bob, s.mark+" form")
	a, b, boss := s.open(s.ann, 0, "?session_id=s-7"), s.open(s.ann, 1, "?session_id=s-7"), s.open(s.bob, 1, "")
	a.send(`{"type":"file_upload","id":"f-1","session_id":"s-7","file_id":"%s","content":"%s"}`, text, s.mark)
	a.sees("ack", isType("ack"), hasID("f-1"))
	b.send(`{"type":"resume","session_id":"s-7","seq":0}`)
	b.sees("the file", isType("file_upload"), hasID("f-1"))
	a.send(`{"type":"file_upload","id":"f-2","session_id":"s-7","file_url":"https://files.example.com/a"}`)
	b.sees("the link", isType("file_upload"), hasID("f-2"))
	a.send(`{"type":"user_message","id":"f-3","session_id":"s-7","content":"%s [[words=1]]","file_ids":["%s"]}`, s.mark, text)
	b.sees("the message", isType("user_message"), hasID("f-3"))
	a.sees("final", finalOf("f-3"))
	a.send(`{"type":"voice_message","id":"f-4","session_id":"s-7","file_id":"%s"}`, voice)
	b.sees("the recording", isType("voice_message"), hasID("f-4"))
	b.sees("its transcript", isType("transcript"))
	a.sees("final", finalOf("f-4"))
	a.send(`{"type":"voice_message","id":"f-5","session_id":"s-7","file_id":"%s"}`, text)
	a.sees("refusal", code("INVALID_FILE_TYPE"), hasID("f-5"))
	a.send(`{"type":"file_upload","id":"f-6","session_id":"s-7","file_id":"%s"}`, form)
	a.sees("refusal", code("NOT_FOUND"), hasID("f-6"))
	boss.send(`{"type":"admin_join","id":"j-7","session_id":"s-7"}`)
	boss.sees("ack", isType("ack"), hasID("j-7"))
	boss.send(`{"type":"file_upload","id":"b-7","session_id":"s-7","file_id":"%s"}`, form)
	a.sees("the admin's file", isType("file_upload"), hasID("b-7"), meta("admin_id", "bob"))
	s.ask(s.bob, http.StatusAccepted, http.MethodPost, "/admin/sessions/s-7/messages", fmt.Sprintf(`{"content":%q,"file_ids":[%q]}`, s.mark, form))
	s.ask(s.bob, http.StatusOK, http.MethodDelete, "/admin/takeover/s-7", "")
	s.ask(s.ann, http.StatusNotFound, http.MethodPost, "/sessions/s-7/messages", `{"content":"x","file_ids":["unheard-of"]}`)
	s.ask(s.ann, http.StatusOK, http.MethodGet, "/sessions/s-7", "")
	for _, format := range []string{"json", "markdown", "zip"} {
		s.ann.want(http.StatusOK, http.MethodGet, "/sessions/s-7/export?format="+format, "")
	}
	token := s.ask(s.ann, http.StatusOK, http.MethodPost, "/sessions/s-7/share", "").member(s.t, "share_token")
	s.ask(person{w: s.world, id: "anyone"}, http.StatusOK, http.MethodGet, "/shared/"+token, "")
}
