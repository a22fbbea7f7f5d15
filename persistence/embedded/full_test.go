package embedded_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"chatbox"
	"chatbox/internal/outage"
	"chatbox/persistence/embedded"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// refusal makes the store's writes fail, and lets them succeed again.
type refusal struct {
	kind         outage.Kind
	begin, again func()
}

// TestStore_ThatCannotWrite: a refused write was not written, reads continue,
// Ping gives the reason, and no restart is needed afterwards.
func TestStore_ThatCannotWrite(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, dir string, s func() *embedded.Store) refusal{
		"no space on the disk": fullDisk,
		"no more pages": func(t *testing.T, _ string, s func() *embedded.Store) refusal {
			t.Helper()
			return refusal{outage.Disk, func() { embedded.SetPragma(t, s(), "max_page_count", "1") }, func() {
				embedded.SetPragma(t, s(), "max_page_count", "1000000")
			}}
		},
		"read-only": func(t *testing.T, _ string, s func() *embedded.Store) refusal {
			t.Helper()
			return refusal{outage.ReadOnlyFile, func() { embedded.SetPragma(t, s(), "query_only", "1") }, func() {
				embedded.SetPragma(t, s(), "query_only", "0")
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var s *embedded.Store
			r := prepare(t, dir, func() *embedded.Store { return s })
			s = open(t, filepath.Join(dir, "chat.db"), keyring(t))
			require.NoError(t, s.Ping(t.Context()))
			acked := &ledger{s: s}
			require.False(t, acked.append(t, 3), "refused")
			r.begin()
			for _, at := range []int64{8, 1} { // many who meet, then also a lone one
				require.Eventually(t, func() bool { return acked.append(t, at) }, time.Minute, time.Millisecond, "never refused")
			}

			err := s.Ping(t.Context())
			require.ErrorIs(t, err, chatbox.StoreFailed)
			assert.Equal(t, r.kind, embedded.Kind(err), "%v", err)
			acked.requireAll(t)

			r.again()
			require.NoError(t, s.Ping(t.Context()))
			require.False(t, acked.append(t, 3), "refused")
			acked.requireAll(t)
		})
	}
}

// fullDisk is a small file system of the test's own.
func fullDisk(t *testing.T, dir string, _ func() *embedded.Store) refusal {
	t.Helper()
	if runtime.GOOS != "linux" || os.Getuid() != 0 {
		t.Skip("NOT RUN: takes a mount, which takes root on Linux")
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("NOT RUN: this machine lets nothing be mounted: %v", err)
	}
	t.Cleanup(func() { assert.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	ballast := filepath.Join(dir, "ballast")
	return refusal{outage.Disk, func() {
		f, err := os.Create(ballast)
		require.NoError(t, err)
		for piece := bytes.Repeat([]byte{1}, 4096); err == nil; {
			_, err = f.Write(piece)
		}
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoError(t, f.Close())
	}, func() { require.NoError(t, os.Remove(ballast)) }}
}

func largeEvent(seq int64) chatbox.Event {
	e := childEvent(0, seq)
	e.Content = fmt.Sprint(seq, " ", strings.Repeat("words of a person ", 400))
	return e
}

// ledger records what the store has acknowledged.
type ledger struct {
	s     *embedded.Store
	next  int64
	acked []int64
}

// append appends count events at once and reports whether some were refused.
func (l *ledger) append(t *testing.T, count int64) (refused bool) {
	t.Helper()
	errs := make([]error, count)
	var wg sync.WaitGroup
	for i := range count {
		wg.Go(func() { errs[i] = l.s.Messages().Append(t.Context(), largeEvent(l.next+1+i)) })
	}
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			l.acked = append(l.acked, l.next+1+int64(i))
			continue
		}
		refused = true
		require.ErrorIs(t, err, chatbox.StoreFailed)
	}
	l.next += count
	return refused
}

// requireAll checks that everything acknowledged is stored completely.
func (l *ledger) requireAll(t *testing.T) {
	t.Helper()
	got, err := l.s.Messages().Range(t.Context(), childSession(0), 1, l.next)
	require.NoError(t, err)
	contents := map[int64]string{}
	for _, e := range got {
		contents[e.Seq] = e.Content
	}
	for _, seq := range l.acked {
		require.Equal(t, largeEvent(seq).Content, contents[seq], "event %d", seq)
	}
}
