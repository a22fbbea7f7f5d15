package embedded_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence/embedded"
	"chatbox/test/conformance"

	"github.com/stretchr/testify/require"
)

// saidAtRandom returns twenty of 50,000 words, few of which are frequent.
func saidAtRandom(i, sessions int) chatbox.Event {
	r := rand.New(rand.NewPCG(uint64(i), 9))
	var b strings.Builder
	for range 20 {
		fmt.Fprintf(&b, "w%d ", int(math.Pow(50_000, r.Float64()))-1)
	}
	seq := int64(i/sessions + 1)
	return chatbox.Event{
		Session: chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("s", i%sessions)}, Seq: seq, Key: fmt.Sprint("c:u:", seq), ID: fmt.Sprint(seq),
		Type: chatbox.TypeUserMessage, Sender: chatbox.SenderUser, UserID: "u", Owner: "u", Content: b.String(),
		Time: time.UnixMilli(1_750_000_000_000 + int64(i)).UTC(), Status: chatbox.StatusComplete,
	}
}

func openBench(b *testing.B, off bool) *embedded.Store {
	b.Helper()
	cfg := embedded.Config{Path: filepath.Join(b.TempDir(), "chat.db"), NoWords: off}
	s, err := embedded.OpenConfig(b.Context(), cfg, keyring(b, conformance.StoreKey()))
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.Close(b.Context())) })
	return s
}

func appendMany(b *testing.B, s *embedded.Store, from, to, writers int) {
	b.Helper()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := from + w; i < to; i += writers {
				if err := s.Messages().Append(b.Context(), saidAtRandom(i, 1000)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkAppendWords measures the insert of a message of twenty words, with and
// without the index of words.
func BenchmarkAppendWords(b *testing.B) {
	for _, off := range []bool{true, false} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("words=%t/writers=%d", !off, writers), func(b *testing.B) {
				s := openBench(b, off)
				b.ResetTimer()
				appendMany(b, s, 0, b.N, writers)
			})
		}
	}
}

// BenchmarkSearch measures a first page among 50,000 messages.
func BenchmarkSearch(b *testing.B) {
	s := openBench(b, false)
	appendMany(b, s, 0, 50_000, 256)
	for i := range 1000 {
		k := chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("s", i)}
		_, _, err := s.Sessions().Create(b.Context(), chatbox.Session{Key: k, Owner: "u"})
		require.NoError(b, err)
	}
	for _, q := range []string{"w0", "w50", "w20000", "w0 w20000", `"w0 w1"`, "nowhere"} {
		b.Run(q, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Search().Find(b.Context(), helpdesk.SearchQuery{Tenant: "t", Words: q, Limit: 20})
				require.NoError(b, err)
			}
		})
	}
}
