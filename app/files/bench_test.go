package files_test

import (
	"bytes"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatbox/app/files"
)

// BenchmarkUpload_200AtOnce prints by how much the heap grows while 200 files of
// 5 MB are uploaded at once: all of them are half there at one moment.
func BenchmarkUpload_200AtOnce(b *testing.B) {
	const uploads, size = 200, 5 << 20
	text := bytes.Repeat([]byte("a line of text, and another one\n"), size/32)
	for b.Loop() {
		t := newBench(b, func(cfg *files.Config, _ *files.Deps) { cfg.BytesPerDay, cfg.FilesPerDay = 1<<50, 1<<30 })
		runtime.GC()
		var before runtime.MemStats
		runtime.ReadMemStats(&before)
		var peak atomic.Uint64
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { // ends with stop
			defer close(done)
			for tick := time.NewTicker(5 * time.Millisecond); ; {
				select {
				case <-stop:
					tick.Stop()
					return
				case <-tick.C:
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					peak.Store(max(peak.Load(), m.HeapInuse+m.StackInuse))
				}
			}
		}()
		var wg, half sync.WaitGroup
		half.Add(uploads)
		began := time.Now()
		for range uploads {
			wg.Go(func() {
				_, err := t.Upload(b.Context(), ann, files.Incoming{Name: "a.txt", Size: size, Body: io.MultiReader(
					bytes.NewReader(text[:size/2]), &barrier{wait: &half}, bytes.NewReader(text[size/2:]),
				)})
				if err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
		took := time.Since(began)
		close(stop)
		<-done
		b.ReportMetric((float64(peak.Load())-float64(before.HeapInuse+before.StackInuse))/1e6, "MB-peak")
		b.ReportMetric(uploads*size/took.Seconds()/1e6, "MB/s")
	}
}

// BenchmarkForgetPerson_10000Files prints what 10,000 small files of one user cost:
// their uploads, 16 at once, and the erasure of the user. Nothing is left of them.
func BenchmarkForgetPerson_10000Files(b *testing.B) {
	const many, atOnce = 10_000, 16
	for b.Loop() {
		t := newBench(b, func(cfg *files.Config, _ *files.Deps) { cfg.BytesPerDay, cfg.FilesPerDay = 1<<50, 1<<30 })
		began := time.Now()
		var wg sync.WaitGroup
		for part := range atOnce {
			wg.Go(func() {
				for n := part; n < many; n += atOnce {
					if _, err := t.Upload(b.Context(), ann, files.Incoming{Name: "a.txt", Size: -1, Body: strings.NewReader(strconv.Itoa(n))}); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
		b.ReportMetric(many/time.Since(began).Seconds(), "uploads/s")
		began = time.Now()
		if err := t.ForgetPerson(b.Context(), ann.User(), t.now()); err != nil {
			b.Error(err)
		}
		b.ReportMetric(many/time.Since(began).Seconds(), "erased/s")
		left := 0
		if err := t.blobs.Each(b.Context(), "", func(string, time.Time) error { left++; return nil }); err != nil || left != 1 {
			b.Errorf("%d objects are left, wanted the mark of the history: %v", left, err)
		}
	}
}

// barrier holds an upload until all of them have come so far.
type barrier struct{ wait *sync.WaitGroup }

func (b *barrier) Read([]byte) (int, error) {
	b.wait.Done()
	b.wait.Wait()
	return 0, io.EOF
}
