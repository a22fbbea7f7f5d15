//go:build bench

package cluster

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"chatbox/app/devstack"
)

// plainServer takes uploads into a folder and serves it, and does nothing else.
// With ?flush it answers when the file survives a crash of the machine, as a pod
// does.
func plainServer(t *testing.T) (upload, download string) {
	t.Helper()
	dir := t.TempDir()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /files", func(w http.ResponseWriter, r *http.Request) {
		f, err := os.CreateTemp(dir, "f-")
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, err = io.Copy(f, r.Body)
		if r.URL.RawQuery == "flush" && err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err != nil || cerr != nil {
			http.Error(w, "broken", http.StatusInternalServerError)
		}
	})
	mux.Handle("GET /", http.FileServer(http.Dir(dir)))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "one"), pdf(fileSize), 0o600))
	return s.URL + "/files", s.URL + "/one"
}

const (
	fileSize  = 16 << 20
	fileTimes = 12
	rounds    = 3
)

// pdf is what a pod takes for a PDF; it cannot be compressed.
func pdf(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	copy(b, "%PDF-1.7\n")
	return b
}

// TestFiles_ShowThroughput prints the throughput of a pod beside that of a plain
// file server, in turns, with one and with four clients. It asserts nothing about
// time.
func TestFiles_ShowThroughput(t *testing.T) {
	c := start(t, 1, func(cfg *devstack.Config) { cfg.Files.BytesPerDay, cfg.Files.FilesPerDay = 1<<50, 1<<30 })
	content, token := pdf(fileSize), c.token("ann")
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "a.pdf")
	require.NoError(t, err)
	_, _ = part.Write(content)
	require.NoError(t, form.Close())
	res, text := c.ask(0, http.MethodPost, "/chatbox/files", token, http.Header{"Content-Type": {form.FormDataContentType()}}, bytes.NewReader(body.Bytes()))
	require.Equal(t, http.StatusCreated, res.StatusCode, text)
	_, rest, _ := strings.Cut(text, `"file_id":"`)
	id, _, _ := strings.Cut(rest, `"`)
	plainUp, plainDown := plainServer(t)
	plain := &http.Client{Timeout: patience} // not the recorder of the others
	call := func(ctx context.Context, method, url string, sent []byte) error {
		req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(sent))
		if err != nil {
			return err
		}
		if req.Header.Set("Content-Type", form.FormDataContentType()); strings.HasPrefix(url, c.podURL(0)) && method == http.MethodPost {
			req.Header.Set("Authorization", "Bearer "+token)
		}
		res, err := plain.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		_, err = io.Copy(io.Discard, res.Body)
		if err == nil && res.StatusCode >= http.StatusBadRequest {
			t.Errorf("%s %s: %d", method, url, res.StatusCode)
		}
		return err
	}
	measure := func(clients int, method, url string, sent []byte) float64 {
		began := time.Now()
		all, ctx := errgroup.WithContext(c.ctx)
		all.SetLimit(clients)
		for range fileTimes {
			all.Go(func() error { return call(ctx, method, url, sent) })
		}
		require.NoError(t, all.Wait())
		return fileTimes * fileSize / time.Since(began).Seconds() / 1e6
	}
	for _, clients := range []int{1, 4} {
		rates := map[string][]float64{}
		for range rounds {
			rates["plain up"] = append(rates["plain up"], measure(clients, http.MethodPost, plainUp, body.Bytes()))
			rates["flushed up"] = append(rates["flushed up"], measure(clients, http.MethodPost, plainUp+"?flush", body.Bytes()))
			rates["pod up"] = append(rates["pod up"], measure(clients, http.MethodPost, c.podURL(0)+"/chatbox/files", body.Bytes()))
			rates["plain down"] = append(rates["plain down"], measure(clients, http.MethodGet, plainDown, nil))
			rates["pod down"] = append(rates["pod down"], measure(clients, http.MethodGet, c.podURL(0)+c.link(0, token, id), nil))
		}
		for name, all := range rates {
			slices.Sort(all)
			t.Logf("%d clients, %s: %.0f MB/s (%.0f to %.0f)", clients, name, all[rounds/2], all[0], all[rounds-1])
		}
	}
}
