package embedded_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence/embedded"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// childFile, when set, makes the test binary a writer that appends to the file
// until it is killed.
const childFile = "CHATBOX_EMBEDDED_CHILD_FILE"

const childWriters = 8

func childSession(writer int) chatbox.SessionKey {
	return chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("s", writer)}
}

func childEvent(writer int, seq int64) chatbox.Event {
	return chatbox.Event{
		Session: childSession(writer), Seq: seq, Key: fmt.Sprint("c:u:", seq), ID: strconv.FormatInt(seq, 10),
		Content: fmt.Sprintf("message %d of writer %d", seq, writer), Time: time.UnixMilli(seq).UTC(),
	}
}

// TestChildWriter is not a test but the child process of the one below: it prints
// each message after it was acknowledged.
func TestChildWriter(t *testing.T) {
	path := os.Getenv(childFile)
	if path == "" {
		t.Skip("only as the child of TestAppend_SurvivesAKilledProcess")
	}
	s := open(t, path, keyring(t))
	var out sync.Mutex
	var wg sync.WaitGroup
	for w := range childWriters {
		wg.Go(func() {
			for seq := int64(1); ; seq++ {
				if err := s.Messages().Append(t.Context(), childEvent(w, seq)); err != nil {
					t.Error(err)
					return
				}
				out.Lock()
				_, err := fmt.Fprintf(os.Stdout, "acked %d %d\n", w, seq)
				out.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAppend_SurvivesAKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.db")
	for round := range 3 {
		file := fmt.Sprint(path, round)
		acked := writeAndKill(t, file)
		s := open(t, file, keyring(t))
		for w, last := range acked {
			events, err := s.Messages().Range(t.Context(), childSession(w), 1, last+1000)
			require.NoError(t, err)
			require.GreaterOrEqual(t, int64(len(events)), last, "every acknowledged message is there")
			for i, e := range events {
				require.Equal(t, childEvent(w, int64(i+1)), e, "dense and whole")
			}
			require.NoError(t, s.Messages().Append(t.Context(), childEvent(w, int64(len(events)+1))), "and it goes on")
		}
	}
}

// writeAndKill lets a child write until some hundreds of messages are
// acknowledged, kills it with SIGKILL, and returns each writer's last
// acknowledged place.
func writeAndKill(t *testing.T, path string) map[int]int64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	child := osexec.CommandContext(ctx, os.Args[0], "-test.run=^TestChildWriter$") // its end is SIGKILL
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())

	acked := map[int]int64{}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); {
		var w int
		var seq int64
		if _, err := fmt.Sscanf(lines.Text(), "acked %d %d", &w, &seq); err != nil {
			continue
		}
		acked[w] = max(acked[w], seq)
		if n++; n == 400 {
			require.NoError(t, child.Process.Kill())
		}
	}
	require.Error(t, child.Wait())
	assert.Equal(t, -1, child.ProcessState.ExitCode(), "killed, not ended")
	require.NotEmpty(t, acked)
	return acked
}

// A test cannot show a power loss; it checks the settings that guard against it.
func TestOpen_EveryCommitReachesTheDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chat.db")
	s := open(t, path, keyring(t))
	for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "busy_timeout": "5000"} {
		for name, got := range embedded.Pragma(t, s, pragma) {
			assert.Equal(t, want, got, "%s of the %s", pragma, name)
		}
	}
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// The query plans do not depend on the amount of data: they search an index and
// never sort or scan.
func TestStore_ReadsByIndex(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chat.db"), keyring(t))
	for name, want := range map[string]string{
		"range":      "SEARCH messages USING INDEX messages_seq (tenant=? AND session=? AND seq>? AND seq<?)",
		"by key":     "SEARCH messages USING INDEX messages_key (tenant=? AND session=? AND key=?)",
		"pending":    "SEARCH messages USING INDEX messages_pending (time>? AND time<?)",
		"pending of": "SEARCH messages USING INDEX messages_pending_of (tenant=? AND session=? AND seq>? AND seq<?)",
		"held":       "SCAN sessions USING INDEX staff_holder",
		"load":       "SEARCH sessions USING INDEX sessions_id (tenant=? AND session=?)",
		"list":       "SEARCH sessions USING INDEX sessions_owner (tenant=? AND owner=? AND last_activity<?)",
		"claim":      "SEARCH messages USING INDEX messages_seq (tenant=? AND session=? AND seq=?)",
	} {
		plan := embedded.Plan(t, s, name)
		assert.Equal(t, want, strings.Join(plan, "; "), name)
	}
}

func BenchmarkAppend(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "chat.db"), keyring(b))
	b.SetParallelism(64)
	var next sync.Mutex
	writer := 0
	b.RunParallel(func(pb *testing.PB) {
		next.Lock()
		w := writer
		writer++
		next.Unlock()
		for seq := int64(1); pb.Next(); seq++ {
			if err := s.Messages().Append(b.Context(), childEvent(w, seq)); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// BenchmarkRange shows that a page costs the same at message 100 and at
// 100,000.
func BenchmarkRange(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "chat.db"), keyring(b))
	var wg sync.WaitGroup
	for w := range 64 { // the writers are independent of each other
		wg.Go(func() {
			for seq := int64(w + 1); seq <= 100_000; seq += 64 {
				if err := s.Messages().Append(b.Context(), childEvent(0, seq)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	for _, at := range []int64{100, 100_000} {
		b.Run(fmt.Sprint(at), func(b *testing.B) {
			for b.Loop() {
				events, err := s.Messages().Range(b.Context(), childSession(0), at-49, at)
				if err != nil || len(events) != 50 {
					b.Fatal(len(events), err)
				}
			}
		})
	}
}
