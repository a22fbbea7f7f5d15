package cluster

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/internal/publicnet"
	"chatbox/providers/webfile"
	"chatbox/test/elsewhere"
	"chatbox/test/fakespeech"
)

// shelf is a web server with files, and what is beside it. Its names are those of
// example.com, the name of its certificate.
type shelf struct {
	*elsewhere.Server

	victim *elsewhere.Server // at an address that is not public
	log    lockedBuffer
	mu     sync.Mutex // guards following
	asked  map[string]int
	sent   int64 // bytes of the endless body
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

const gibibyte = 1 << 30

func (s *shelf) serve(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	s.mu.Unlock()
	switch r.URL.Path {
	case "/plan.txt":
		_, _ = io.WriteString(w, "The code is 4711.")
	case "/note.wav":
		_, _ = io.WriteString(w, fakespeech.Recording())
	case "/moved":
		http.Redirect(w, r, "/plan.txt", http.StatusFound)
	case "/inside":
		http.Redirect(w, r, "https://127.0.0.2:"+s.Port+"/hunter2", http.StatusFound)
	case "/again":
		http.Redirect(w, r, "https://example.com:"+s.Port+"/plan.txt", http.StatusFound) // the name has moved meanwhile
	case "/page":
		_, _ = io.WriteString(w, "<!DOCTYPE html><script>alert(1)</script>")
	case "/slow":
		_, _ = io.WriteString(w, "The beginning")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case "/silent":
		<-r.Context().Done()
	case "/short":
		w.Header().Set("Content-Length", "1000000")
		_, _ = io.WriteString(w, "only this")
	case "/huge":
		w.Header().Set("Content-Length", strconv.Itoa(gibibyte))
		s.pour(w)
	case "/endless":
		s.pour(w)
	default:
		http.NotFound(w, r)
	}
}

// pour writes a gibibyte, or what the client takes of it.
func (s *shelf) pour(w io.Writer) {
	part := bytes.Repeat([]byte("text "), 13_000)
	for n := 0; n < gibibyte; n += len(part) {
		if _, err := w.Write(part); err != nil {
			return
		}
		s.mu.Lock()
		s.sent += int64(len(part))
		s.mu.Unlock()
	}
}

func (s *shelf) count(path string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[path]
}

// newShelf returns a shelf and the change of the configuration that lets pods fetch
// from it.
func newShelf(t *testing.T) (*shelf, func(*devstack.Config)) {
	t.Helper()
	s := &shelf{asked: map[string]int{}}
	s.Server = elsewhere.Serve(t, "127.0.0.1:0", s.serve)
	s.victim = elsewhere.Serve(t, "127.0.0.2:"+s.Port, func(http.ResponseWriter, *http.Request) {})
	dns := elsewhere.NewNames(t, map[string][][]string{"example.com": {{"127.0.0.1"}, {"127.0.0.2"}}, "inner.example.com": {{"127.0.0.2"}}})
	return s, func(cfg *devstack.Config) {
		cfg.Files.Max = 1 << 20
		cfg.Files.FetchFor, cfg.Files.FetchPause = 2*time.Second, 0
		cfg.Files.Fetcher = webfile.New(publicnet.Rules{
			MaxBody: cfg.Files.Max + 1, Admitted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: dns.Resolver(), Roots: s.Roots(),
		})
		cfg.Logger = slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
}

func (s *shelf) at(path string) string { return "https://127.0.0.1:" + s.Port + path }

func link(id, address string) client.Frame {
	return client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", ID: id, FileURL: address, Content: "Look!"}
}

// A pod fetches the file behind an address; every pod serves it from then on.
func TestFetch_FromPodToPod(t *testing.T) {
	s, fetch := newShelf(t)
	c := start(t, 3, fetch)
	ann := c.token("ann")
	d, other := c.device("ann", "s-1", c.podURL(0)), c.device("ann", "s-1", c.podURL(1))
	require.NoError(t, other.Resume("s-1"))
	seq := c.sent(d, link("f1", s.at("/moved?token=hunter2")))
	shown := c.sees(other, "s-1", "the file", eventAt(seq))
	require.Len(t, shown.Files, 1)
	f := shown.Files[0]
	assert.Equal(t, "moved text/plain", f.Name+" "+f.ContentType)
	assert.Equal(t, f.ID+" /chatbox/files/"+f.ID, shown.FileID+" "+shown.FileURL)
	for n := range 3 {
		status, text := c.status(n, ann, f)
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "The code is 4711.", text)
	}
	third := c.device("ann", "s-1", c.podURL(2))
	assert.Equal(t, seq, c.sent(third, link("f1", s.at("/moved?token=hunter2"))), "a repeat on another pod")
	assert.Equal(t, 1, s.count("/moved"))
	assert.Equal(t, seq, c.history("ann", "s-1")[0].Seq)

	voice := client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileURL: s.at("/note.wav")}
	id, err := d.Send(voice)
	require.NoError(t, err)
	assert.NotEmpty(t, c.answered(d, "s-1", id))
	voice.FileURL = s.at("/plan.txt")
	refused := c.refusal(d, voice)
	assert.Equal(t, "INVALID_FILE_TYPE", refused.Code)
	assert.Contains(t, refused.Message, "file_url")
	assert.NotContains(t, s.log.String(), "hunter2")
	assert.NotContains(t, s.log.String(), s.at(""))
}

// Nothing inside is contacted, and nobody can tell an address inside from one where
// nothing is.
func TestFetch_Refusals(t *testing.T) {
	s, fetch := newShelf(t)
	c := start(t, 1, fetch)
	d := c.device("ann", "s-1", c.podURL(0))
	away := c.refusal(d, link("", s.at("/missing")))
	assert.Equal(t, "INVALID_FORMAT", away.Code)
	assert.Contains(t, away.Message, "file_url")
	for _, address := range []string{
		s.at("/inside"), s.at("/silent"), "https://127.0.0.2:" + s.Port + "/", "https://inner.example.com:" + s.Port + "/", "https://unknown.example.com/", "https://10.0.0.1/",
		"https://169.254.169.254/latest/meta-data/", "https://[::1]/", "https://127.0.0.1:1/", "https://0x7f000001/", "https://127.0.0.1:22/", "https://localhost/",
		"https://example.com:" + s.Port + "/again", // the name resolves to an address inside the second time
	} {
		assert.Equal(t, away, c.refusal(d, link("", address)), address)
	}
	assert.Equal(t, 1, s.count("/again"))
	assert.Zero(t, s.victim.Connections())

	for path, want := range map[string][2]string{
		"/page": {"INVALID_FILE_TYPE", "not accepted"}, "/slow": {"INVALID_FORMAT", "took too long"}, "/short": {"INVALID_FORMAT", "completely"},
		"/huge": {"INVALID_FILE_SIZE", "larger"}, "/endless": {"INVALID_FILE_SIZE", "larger"},
	} {
		refused := c.refusal(d, link("", s.at(path)))
		assert.Equal(t, want[0], refused.Code, path)
		assert.Contains(t, refused.Message, want[1], path)
		assert.True(t, strings.HasPrefix(refused.Message, "file_url: "), refused.Message)
	}
	s.mu.Lock()
	sent := s.sent
	s.mu.Unlock()
	assert.Less(t, sent, int64(64<<20), "most of the gibibyte was never sent")
	assert.Equal(t, "INVALID_FORMAT", c.refusal(d, link("", "http://127.0.0.1/")).Code)
	res, _ := c.ask(0, http.MethodGet, "/chatbox/sessions/s-1", c.token("ann"), nil, nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode, "no refusal made a session")
	c.sent(d, link("", s.at("/plan.txt")))
	assert.NotContains(t, s.log.String(), "127.0.0.2")
}

// A fetch delays its own socket only.
func TestFetch_OthersDoNotWait(t *testing.T) {
	s, fetch := newShelf(t)
	c := start(t, 1, fetch, func(cfg *devstack.Config) { cfg.Files.FetchFor = 5 * time.Second })
	d, other := c.device("ann", "s-1", c.podURL(0)), c.device("ann", "s-1", c.podURL(0))
	c.sent(other, client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "first [[words=1]]"})
	slow := link(client.NewID(), s.at("/slow"))
	require.NoError(t, d.SendBare(slow))
	c.until("the fetch", func() bool { return s.count("/slow") == 1 })
	c.sent(other, client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "second [[words=1]]"})
	for _, e := range d.Transcript() {
		assert.False(t, e.Act == client.ActReceived && e.Frame.ID == slow.ID, "the fetch is still under way")
	}
	assert.Contains(t, c.sees(d, "s-1", "the refusal", errorOf(slow.ID)).Error.Message, "took too long")
}

// By default a file elsewhere is a link, which no pod contacts.
func TestFetch_LinksByDefault(t *testing.T) {
	s, _ := newShelf(t)
	c := start(t, 1)
	d := c.device("ann", "s-1", c.podURL(0))
	c.sent(d, link("", s.at("/plan.txt")))
	m := c.history("ann", "s-1")[0]
	assert.Equal(t, s.at("/plan.txt"), m.FileURL)
	assert.Empty(t, m.FileID)
	assert.Empty(t, m.Files)
	assert.Zero(t, s.Connections())
}
