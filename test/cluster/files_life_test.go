package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/app/files"
	"chatbox/persistence"
	filestore "chatbox/providers/files"
)

// errEnded is the error of a goroutine whose pod was killed long ago.
var errEnded = errors.New("the process has ended")

// frozen stops uploads of named files at a given point, as the end of their
// process does: nothing after that point happens before the test's end.
type frozen struct {
	files.Blobs
	folder string

	records app.Stores
	end     chan struct{} // closed at the test's end
	mid     chan struct{} // receives when an upload waits in its content
	between chan struct{} // receives when an upload waits between content and record

	mu   sync.Mutex // guards following
	dead map[chatbox.FileKey]bool
}

const (
	diesInMid   = "mid.txt"
	diesBetween = "between.txt"
)

// freezing starts three pods whose uploads of those names stop.
func freezing(t *testing.T) (*cluster, *frozen) {
	t.Helper()
	z := &frozen{
		folder: filepath.Join(t.TempDir(), "files"), end: make(chan struct{}), mid: make(chan struct{}, 1), between: make(chan struct{}, 1),
		dead: map[chatbox.FileKey]bool{},
	}
	keys, err := persistence.NewKeyring([]persistence.Key{{ID: "k", Secret: [32]byte{1, 2, 3}}})
	require.NoError(t, err)
	store, err := filestore.Open(t.Context(), filestore.Location{Folder: z.folder}, keys)
	require.NoError(t, err)
	t.Cleanup(func() { _ = store.Close() })
	z.Blobs = store
	c := start(t, 3, func(cfg *devstack.Config) {
		cfg.Files.Blobs, cfg.Files.SweepEvery, cfg.Files.StrayFor = z, 20*time.Millisecond, time.Second
		cfg.Watch = func(s app.Stores) app.Stores {
			s.Files = frozenRecords{s.Files, z}
			z.records = s
			return s
		}
	})
	t.Cleanup(func() { close(z.end) })
	return c, z
}

// stop waits for the test's end.
func (z *frozen) stop(k chatbox.FileKey, at chan<- struct{}) error {
	z.mu.Lock()
	z.dead[k] = true
	z.mu.Unlock()
	at <- struct{}{}
	<-z.end
	return errEnded
}

func (z *frozen) Write(ctx context.Context, name string, k chatbox.FileKey, part string, fill func(io.Writer) error) error {
	return z.Blobs.Write(ctx, name, k, part, func(w io.Writer) error {
		return fill(writerFunc(func(p []byte) (int, error) {
			n, err := w.Write(p)
			if bytes.Contains(p, []byte("the pod dies here")) {
				return n, z.stop(k, z.mid)
			}
			return n, err
		}))
	})
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

type frozenRecords struct {
	files.Records
	z *frozen
}

func (r frozenRecords) Create(ctx context.Context, f chatbox.File) (chatbox.File, bool, error) {
	if f.Name == diesBetween {
		return f, false, r.z.stop(f.Key, r.z.between)
	}
	return r.Records.Create(ctx, f)
}

// stored lists the files of the store's folder, also incomplete ones.
func (z *frozen) stored(t *testing.T) (names []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(z.folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.HasPrefix(d.Name(), "chatbox-store.") {
			names = append(names, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		return err
	}))
	return names
}

// begin sends a whole upload to the n-th pod, which does not answer.
func (c *cluster) begin(n int, token, key string, p parcel) {
	c.t.Helper()
	kind, body := multi(c.t, p)
	req, err := http.NewRequestWithContext(c.ctx, http.MethodPost, c.podURL(n)+"/chatbox/files", bytes.NewReader(body))
	require.NoError(c.t, err)
	req.Header = http.Header{"Content-Type": {kind}, "Idempotency-Key": {key}, "Authorization": {"Bearer " + token}}
	done := make(chan struct{})
	go func() { // ends with the pod; the test's end waits
		defer close(done)
		if res, err := c.http.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	c.t.Cleanup(func() { <-done })
}

// link returns a link to the file, made by the n-th pod.
func (c *cluster) link(n int, token, id string) string {
	c.t.Helper()
	res, text := c.ask(n, http.MethodGet, "/chatbox/files/"+id, token, nil, nil)
	require.Equal(c.t, http.StatusFound, res.StatusCode, text)
	return res.Header.Get("Location")
}

func (c *cluster) sendText(n int, token, key, name, content string) string {
	c.t.Helper()
	res, f := c.send(n, token, key, parcel{"file", name, content})
	require.Equal(c.t, http.StatusCreated, res.StatusCode, f)
	id, _ := f["file_id"].(string)
	return id
}

// A pod dies in the middle of an upload, another one between content and record.
// Neither file is reachable, nothing of them stays, and what was answered with 201
// is served by the remaining pod.
func TestFiles_KilledPodsLeaveNothing(t *testing.T) {
	c, z := freezing(t)
	ann := c.token("ann")
	kept := c.sendText(1, ann, "kept", "kept.txt", strings.Repeat("kept ", 50_000))
	c.begin(1, ann, "between", parcel{"file", diesBetween, "content"})
	<-z.between
	require.NoError(t, c.stack.KillPod(c.stack.Pods()[1].ID))
	c.begin(2, ann, "mid", parcel{"file", diesInMid, strings.Repeat("x", 300_000) + "the pod dies here" + strings.Repeat("x", 300_000)})
	<-z.mid
	require.NoError(t, c.stack.KillPod(c.stack.Pods()[2].ID))
	for _, key := range []string{"between", "mid"} {
		id := chatbox.RepeatableFileID(chatbox.UserKey{ID: "ann"}, key)
		res, _ := c.ask(0, http.MethodGet, "/chatbox/files/"+id, ann, nil, nil)
		assert.Equal(t, http.StatusNotFound, res.StatusCode, key)
	}
	c.until("the sweep of both", func() bool { return len(z.stored(t)) == 1 })
	res, text := c.ask(0, http.MethodGet, c.link(0, ann, kept), "", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, strings.Repeat("kept ", 50_000), text)
	for _, key := range []string{"between", "mid"} { // the client tries again
		id := c.sendText(0, ann, key, "again.txt", "again "+key)
		_, text := c.ask(0, http.MethodGet, c.link(0, ann, id), "", nil, nil)
		assert.Equal(t, "again "+key, text)
	}
	assert.Len(t, z.stored(t), 3)
}

// use records that the session uses the file, as a frame does.
func (z *frozen) use(t *testing.T, session string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		_, err := z.records.Files.Use(t.Context(), chatbox.FileKey{ID: id}, session, time.Now())
		require.NoError(t, err)
	}
}

// From the answer to an erasure on, no pod serves the files by any link, and their
// contents are removed.
func TestFiles_ErasuresReachFiles(t *testing.T) {
	c, z := freezing(t)
	ann := c.token("ann")
	d := c.device("ann", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "first [[words=3]]"))
	e := c.device("ann", "s-2", c.podURL(1))
	c.answered(e, "s-2", c.say(e, "s-2", "first [[words=3]]"))
	res, f := c.send(0, ann, "", parcel{"file", "one.png", picture(t, 500, 250)})
	require.Equal(t, http.StatusCreated, res.StatusCode)
	one, _ := f["file_id"].(string)
	both, unused := c.sendText(1, ann, "", "both.txt", "both"), c.sendText(2, ann, "", "unused.txt", "unused")
	z.use(t, "s-1", one, both)
	z.use(t, "s-2", both)
	links := map[string]string{"one": c.link(0, ann, one), "both": c.link(1, ann, both), "unused": c.link(2, ann, unused)}
	small := c.link(2, ann, one+"?w=160")
	res, _ = c.ask(1, http.MethodGet, small, "", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Len(t, z.stored(t), 4)

	served := func(link string) (on int) {
		for n := range 3 {
			res, _ := c.ask(n, http.MethodGet, link, "", nil, nil)
			switch res.StatusCode {
			case http.StatusOK:
				on++
			case http.StatusNotFound:
			default:
				t.Errorf("pod %d answers %d", n, res.StatusCode)
			}
		}
		return on
	}
	c.as("", "ann").want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	assert.Zero(t, served(links["one"]))
	assert.Zero(t, served(small))
	assert.Equal(t, 3, served(links["both"]), "another session has it")
	assert.Equal(t, 3, served(links["unused"]))
	c.until("the removal", func() bool { return len(z.stored(t)) == 2 })

	c.as("", "bob", "admin").want(http.StatusOK, http.MethodDelete, "/admin/users/ann", "")
	assert.Zero(t, served(links["both"]))
	assert.Zero(t, served(links["unused"]))
	c.until("the removal", func() bool { return len(z.stored(t)) == 0 })
	for _, id := range []string{one, both, unused} {
		res, _ := c.ask(0, http.MethodGet, "/chatbox/files/"+id, c.as("", "bob", "admin").token, nil, nil)
		assert.Equal(t, http.StatusNotFound, res.StatusCode)
	}
}

// Content and name of files are in no object, Redis key, database file or log.
func TestFiles_NothingReadableAtRest(t *testing.T) {
	const canary = "CANARY-9b2c-words-that-nobody-else-writes"
	data := ""
	log := &lines{}
	c := start(t, 2, func(cfg *devstack.Config) {
		data = cfg.Data
		cfg.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	ann := c.token("ann")
	id := c.sendText(0, ann, "key", canary+".txt", strings.Repeat(canary+"\n", 9000))
	res, f := c.send(1, ann, "", parcel{"file", canary + ".png", picture(t, 400, 200)})
	require.Equal(t, http.StatusCreated, res.StatusCode)
	pic, _ := f["file_id"].(string)
	_, _ = c.ask(1, http.MethodGet, c.link(0, ann, pic+"?w=160"), "", nil, nil)
	for _, bad := range []parcel{{"file", canary, "<html>" + canary}, {"file", canary, ""}, {canary, canary, canary}} {
		res, _ := c.send(0, ann, "", bad)
		assert.GreaterOrEqual(t, res.StatusCode, 400)
	}
	link := c.link(1, ann, id)
	res, text := c.ask(0, http.MethodGet, link, "", nil, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, text, canary)
	_, _ = c.ask(0, http.MethodGet, link+"x", "", nil, nil)

	inner := base64.RawStdEncoding.EncodeToString([]byte(canary))
	secret := func(where string, raw []byte) {
		assert.False(t, bytes.Contains(raw, []byte(canary)), where)
		assert.False(t, bytes.Contains(raw, []byte(inner[4:len(inner)-4])), where)
	}
	looked := 0
	require.NoError(t, filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		looked++
		raw, err := os.ReadFile(path)
		secret(path, append(raw, path...))
		return err
	}))
	assert.Greater(t, looked, 3, "three objects and the database")
	secret("the log", log.all())
	secret("Redis", redisDump(t, c))
	sig, _, _ := strings.Cut(link[strings.Index(link, "sig=")+4:], "&")
	assert.NotContains(t, string(log.all()), sig, "a link is a credential")
}

// lines is a log that many goroutines write.
type lines struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) all() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

// redisDump returns all keys with their values.
func redisDump(t *testing.T, c *cluster) []byte {
	t.Helper()
	opts, err := redis.ParseURL(c.stack.RedisURL())
	require.NoError(t, err)
	rdb := redis.NewClient(opts)
	defer func() { _ = rdb.Close() }()
	keys, err := rdb.Keys(c.ctx, "*").Result()
	require.NoError(t, err)
	require.NotEmpty(t, keys)
	var all bytes.Buffer
	for _, k := range keys {
		all.WriteString(k)
		for _, read := range []redis.Cmder{rdb.Get(c.ctx, k), rdb.HGetAll(c.ctx, k), rdb.ZRange(c.ctx, k, 0, -1), rdb.SMembers(c.ctx, k), rdb.XRange(c.ctx, k, "-", "+"), rdb.LRange(c.ctx, k, 0, -1)} {
			if read.Err() == nil { // a key has one type
				all.WriteString(read.String())
			}
		}
	}
	return all.Bytes()
}
