//go:build fault

package fault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// gag stands before the history's server. While it is shut, nothing that pods send
// reaches the server, then or later.
type gag struct {
	listener net.Listener
	upstream string
	shut     atomic.Bool

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
}

func startGag(t *testing.T, m string) *gag {
	t.Helper()
	u, err := url.Parse(m)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &gag{listener: l, upstream: u.Host, conns: map[net.Conn]bool{}}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			work.Go(func() { g.carry(in, &work) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		g.cut()
		work.Wait()
	})
	return g
}

func (g *gag) uri() string { return fmt.Sprintf("mongodb://%s/", g.listener.Addr()) }

func (g *gag) carry(in net.Conn, work *sync.WaitGroup) {
	defer in.Close()
	out, err := net.Dial("tcp", g.upstream)
	if err != nil {
		return
	}
	defer out.Close()
	g.mu.Lock()
	g.conns[in], g.conns[out] = true, true
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		delete(g.conns, in)
		delete(g.conns, out)
	}()
	work.Go(func() {
		_, _ = io.Copy(in, out) // ends with either connection
		_ = in.Close()
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := in.Read(buf)
		if err != nil {
			return
		}
		if g.shut.Load() {
			_, _ = io.Copy(io.Discard, in) // until the pod or cut ends the connection
			return
		}
		if _, err := out.Write(buf[:n]); err != nil {
			return
		}
	}
}

// cut breaks all connections.
func (g *gag) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for c := range g.conns {
		_ = c.Close()
	}
}

// uploads are files with keys, and what was answered.
type uploads struct {
	c     *cluster
	token string
	http  *http.Client

	mu       sync.Mutex // guards following
	answered map[string]string
}

// content is that of the key's file: random to a scanner, and the same each time.
func content(key string) []byte {
	sum := sha256.Sum256([]byte(key))
	return []byte(key + "\n" + strings.Repeat(fmt.Sprintf("%x\n", sum), 5_000))
}

// send uploads the key's file to the pod. After half of the content it sends the key
// to held and waits until goOn is closed. Without them it sends all at once.
func (u *uploads) send(p *pod, key string, held chan<- string, goOn <-chan struct{}) error {
	const edge = "edge"
	all := []byte("--" + edge + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + key + ".txt\"\r\n\r\n")
	all = append(append(all, content(key)...), "\r\n--"+edge+"--\r\n"...)
	half := len(all) / 2
	wait := readerFunc(func([]byte) (int, error) {
		if held != nil {
			held <- key
			<-goOn
		}
		return 0, io.EOF
	})
	body := io.MultiReader(bytes.NewReader(all[:half]), wait, bytes.NewReader(all[half:]))
	req, err := http.NewRequestWithContext(u.c.ctx, http.MethodPost, p.url()+"/chatbox/files", body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+u.token)
	req.Header.Set("Content-Type", "multipart/form-data; boundary="+edge)
	req.Header.Set("Idempotency-Key", key)
	res, err := u.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusCreated {
		return fmt.Errorf("upload of %s: %d %s %w", key, res.StatusCode, text, err)
	}
	var made struct {
		ID string `json:"file_id"`
	}
	if err := json.Unmarshal(text, &made); err != nil {
		return err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if first := u.answered[key]; first != "" && first != made.ID {
		return fmt.Errorf("%s was answered with %s and %s", key, first, made.ID)
	}
	u.answered[key] = made.ID
	return nil
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// readable fails the test unless every answered file is what was sent.
func (u *uploads) readable(p *pod) {
	u.c.t.Helper()
	for key, id := range u.answered {
		req, err := http.NewRequestWithContext(u.c.ctx, http.MethodGet, p.url()+"/chatbox/files/"+id, http.NoBody)
		if err != nil {
			u.c.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+u.token)
		res, err := u.http.Do(req)
		if err != nil {
			u.c.t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || !bytes.Equal(got, content(key)) {
			u.c.t.Errorf("%s on %s: %d, %d bytes, %v", key, p.name, res.StatusCode, len(got), err)
		}
	}
}

// stored returns the objects in the folder, without the mark of the history, and the
// incomplete ones.
func stored(t *testing.T, folder string) (objects, incomplete []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && os.IsNotExist(err): // removed meanwhile
			return nil
		case err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "chatbox-store."):
			return err
		case strings.HasSuffix(d.Name(), ".tmp"):
			incomplete = append(incomplete, path)
		default:
			objects = append(objects, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return objects, incomplete
}

// Pods are killed in the middle of uploads, and between content and record. Answered
// uploads are there, everything else is swept, and repeats succeed on other pods.
func TestFiles_KilledPods(t *testing.T) {
	mongo := os.Getenv("CHATBOX_TEST_MONGO_URI")
	if mongo == "" {
		t.Skip("NOT RUN: CHATBOX_TEST_MONGO_URI names no server (make test-fault starts one)")
	}
	folder, gag := t.TempDir(), startGag(t, mongo)
	c := start(t, setup{env: map[string]string{
		"FILES_URL": "file://" + folder, "FILES_PER_DAY": "1000000", "FILE_BYTES_PER_DAY": "1000GiB", "MONGO_URI": gag.uri(),
	}})
	u := &uploads{
		c: c, token: c.token("ann"), answered: map[string]string{},
		http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	victim := c.pods[0]
	midway, unanswered := u.killMidway(victim, pick(3, 12))
	c.restart(victim)
	orphans := u.killBeforeRecord(victim, gag, folder, pick(3, 9))
	objects, incomplete := stored(t, folder)
	// A kill in the middle of uploads may come between content and record, too, and
	// the repeat of that upload makes another object.
	if len(objects) < len(u.answered)+orphans {
		t.Errorf("%d objects before the sweep: want at least %d files and %d orphans", len(objects), len(u.answered), orphans)
	}
	orphans = len(objects) - len(u.answered)
	age(t, append(objects, incomplete...))
	c.restart(victim) // its first sweep comes after about a minute
	took := until(c.ctx, t, "the sweep", 3*time.Minute, func(context.Context) bool {
		objects, incomplete := stored(t, folder)
		return len(objects) <= len(u.answered) && len(incomplete) == 0
	})
	for _, p := range c.pods {
		u.readable(p)
	}
	figure(t, "files", "%d uploads answered 201 around %d kills in mid-upload and %d between content and record: lost 0; %d repeats on other pods; "+
		"%d incomplete and %d complete remains swept after %v", len(u.answered), midway, orphans, unanswered, len(incomplete), orphans, took.Round(time.Second))
}

// killMidway kills the pod in the middle of uploads, beside others that end, and
// repeats on another pod what was not answered.
func (u *uploads) killMidway(victim *pod, rounds int) (kills, repeats int) {
	u.c.t.Helper()
	for round := range rounds {
		if round > 0 {
			u.c.restart(victim)
		}
		const slow, quick = 8, 8
		held, goOn := make(chan string, slow), make(chan struct{})
		failed := make(chan string, slow+10_000)
		var work sync.WaitGroup
		for i := range slow {
			key := fmt.Sprintf("slow-%d-%d", round, i)
			work.Go(func() {
				if u.send(victim, key, held, goOn) != nil {
					failed <- key
				}
			})
		}
		for range slow {
			<-held
		}
		for i := range quick {
			work.Go(func() {
				for n := range 1_000 { // until the pod is gone
					key := fmt.Sprintf("quick-%d-%d-%d", round, i, n)
					if u.send(victim, key, nil, nil) != nil {
						failed <- key
						return
					}
				}
			})
		}
		until(u.c.ctx, u.c.t, "uploads end", longestWait, func(context.Context) bool {
			u.mu.Lock()
			defer u.mu.Unlock()
			return len(u.answered) >= (round+1)*20
		})
		u.c.kill(victim)
		close(goOn)
		work.Wait()
		close(failed)
		kills++
		for key := range failed {
			repeats++
			if err := u.send(u.c.other(victim), key, nil, nil); err != nil {
				u.c.t.Error(err)
			}
		}
	}
	return kills, repeats
}

// killBeforeRecord kills the pod when an upload's content is complete and its record
// cannot be written.
func (u *uploads) killBeforeRecord(victim *pod, g *gag, folder string, rounds int) (orphans int) {
	u.c.t.Helper()
	for round := range rounds {
		if round > 0 {
			u.c.restart(victim)
		}
		key := fmt.Sprint("orphan-", round)
		before, left := stored(u.c.t, folder)
		held, goOn := make(chan string, 1), make(chan struct{})
		var work sync.WaitGroup
		work.Go(func() {
			if u.send(victim, key, held, goOn) == nil {
				u.c.t.Errorf("%s was answered without a record", key)
			}
		})
		<-held
		until(u.c.ctx, u.c.t, "the content is being stored", longestWait, func(context.Context) bool {
			_, incomplete := stored(u.c.t, folder)
			return len(incomplete) > len(left)
		})
		g.shut.Store(true)
		close(goOn)
		until(u.c.ctx, u.c.t, "the content is complete", longestWait, func(context.Context) bool {
			objects, _ := stored(u.c.t, folder)
			return len(objects) == len(before)+1
		})
		u.c.kill(victim)
		work.Wait()
		g.shut.Store(false)
		g.cut()
		orphans++
		until(u.c.ctx, u.c.t, "the repeat", longestWait, func(context.Context) bool { return u.send(u.c.other(victim), key, nil, nil) == nil })
	}
	return orphans
}
