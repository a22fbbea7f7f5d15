package files_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/files"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
	filestore "chatbox/providers/files"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a service on a real history and a real folder.
type bench struct {
	*files.Service
	*fakes

	store  *embedded.Store
	blobs  *filestore.Store
	folder string
	log    *bytes.Buffer
	cfg    files.Config
}

var (
	ann = chatbox.Actor{Tenant: "t", UserID: "ann"}
	bob = chatbox.Actor{Tenant: "t", UserID: "bob"}
	sam = chatbox.Actor{Tenant: "t", UserID: "sam", Roles: []string{"chat_admin"}}
)

func newBench(tb testing.TB, change ...func(*files.Config, *files.Deps)) *bench {
	tb.Helper()
	dir := tb.TempDir()
	keys, err := persistence.NewKeyring([]persistence.Key{{ID: "k", Secret: [32]byte{1, 2, 3}}})
	require.NoError(tb, err)
	store, err := embedded.Open(tb.Context(), filepath.Join(dir, "h.db"), keys)
	require.NoError(tb, err)
	b := &bench{store: store, folder: filepath.Join(dir, "files"), log: &bytes.Buffer{}, cfg: files.DefaultConfig()}
	b.blobs, err = filestore.Open(tb.Context(), filestore.Location{Folder: b.folder}, keys)
	require.NoError(tb, err)
	tb.Cleanup(func() {
		_ = b.blobs.Close()
		_ = store.Close(context.WithoutCancel(tb.Context()))
	})
	b.fakes = &fakes{open: map[string]int64{}, sessions: map[string]chatbox.Session{}, time: time.Now(), outcomes: map[string]int{}}
	d := files.Deps{
		Blobs: b.blobs, Records: store.Files(), Quota: b.fakes, Sessions: b.fakes, Watchers: b.fakes, Audit: b.fakes,
		Signer: keys, Observer: b.fakes, Logger: slog.New(slog.NewTextHandler(b.log, nil)), Clock: b.now,
	}
	for _, f := range change {
		f(&b.cfg, &d)
	}
	b.Service = files.New(b.cfg, d)
	return b
}

// fakes are the ports that other packages' contracts test.
type fakes struct {
	mu       sync.Mutex // guards following
	open     map[string]int64
	renewed  chan string // ids that reserve again; nil: nobody wants to know
	settled  []int64
	sessions map[string]chatbox.Session
	watched  string
	audited  []chatbox.AuditAction
	outcomes map[string]int
	time     time.Time
}

func (f *fakes) now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.time
}

func (f *fakes) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.time = f.time.Add(d)
}

func (f *fakes) ReserveFile(_ context.Context, _ chatbox.UserKey, _, id string, want, mostBytes int64, mostFiles int) (int64, time.Duration, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, again := f.open[id]; again && f.renewed != nil {
		select {
		case f.renewed <- id:
		default:
		}
	}
	left := mostBytes
	for _, n := range f.settled {
		left -= n
	}
	fits := left >= want && len(f.settled) < mostFiles
	others := 0
	for other, n := range f.open {
		if other != id {
			left, others = left-n, others+1
		}
	}
	wait := time.Duration(0)
	if fits && (left < want || len(f.settled)+others >= mostFiles) {
		wait = time.Minute
	}
	if len(f.settled)+others >= mostFiles || left <= 0 {
		return 0, wait, nil
	}
	f.open[id] = min(want, left)
	return f.open[id], wait, nil
}

func (f *fakes) SettleFile(_ context.Context, _ chatbox.UserKey, _, id string, size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.open, id)
	if size > 0 {
		f.settled = append(f.settled, size)
	}
	return nil
}

func (f *fakes) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	s, ok := f.sessions[k.ID]
	if !ok || k.Tenant != "t" {
		return s, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	return s, nil
}

func (f *fakes) Watches(_ context.Context, s chatbox.SessionKey, admin string) (bool, error) {
	return f.watched == s.ID+"/"+admin, nil
}

func (f *fakes) Record(_ context.Context, _ chatbox.Actor, action chatbox.AuditAction, _ chatbox.AuditSubject) error {
	f.audited = append(f.audited, action)
	return nil
}

func (f *fakes) FileUploaded(outcome string, _ int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes[outcome]++
}

func (f *fakes) FileScanned(time.Duration) {}

func (b *bench) upload(t *testing.T, name string, content []byte) (chatbox.File, error) {
	t.Helper()
	return b.Upload(t.Context(), ann, files.Incoming{Name: name, Size: -1, Body: bytes.NewReader(content)})
}

func (b *bench) stored(t *testing.T, name string, content []byte) chatbox.File {
	t.Helper()
	f, err := b.upload(t, name, content)
	require.NoError(t, err)
	return f
}

// names are all blobs that are stored, without the mark of the history.
func (b *bench) names(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, b.blobs.Each(t.Context(), "", func(name string, _ time.Time) error {
		if !strings.HasPrefix(name, "chatbox-store.") {
			names = append(names, name)
		}
		return nil
	}))
	return names
}

// read follows a link as the actor.
func (b *bench) read(t *testing.T, a chatbox.Actor, id string, width int) (files.Content, []byte, error) {
	t.Helper()
	l, err := b.Link(t.Context(), a, id, width)
	if err != nil {
		return files.Content{}, nil, err
	}
	c, err := b.Content(t.Context(), l)
	if err != nil {
		return c, nil, err
	}
	if c.Make != nil {
		if c, err = c.Make(); err != nil {
			return c, nil, err
		}
	}
	r, err := c.Open(0)
	if err != nil {
		return c, nil, err
	}
	defer func() { _ = r.Close() }()
	all, err := io.ReadAll(r)
	return c, all, err
}

var errBroken = errors.New("the client is gone")

// breaking is a body that breaks off.
type breaking struct {
	io.Reader
	err error
}

func (b breaking) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = b.err
	}
	return n, err
}
