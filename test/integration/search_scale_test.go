//go:build integration

package integration

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"
	"chatbox/test/conformance"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/event"
)

// scaleWords is what the message says: twenty words of 50,000, few of which are
// frequent, as in languages: w0 is in seven messages of ten, w50 in one of
// thirty, w20000 in one of ten thousand.
func scaleWords(i int) string {
	r := rand.New(rand.NewPCG(uint64(i), 9))
	var b strings.Builder
	for range 20 {
		fmt.Fprintf(&b, "w%d ", int(math.Pow(50_000, r.Float64()))-1)
	}
	return b.String()
}

func scaleSaid(i, sessions int, now time.Time) chatbox.Event {
	r := rand.New(rand.NewPCG(uint64(i), 11))
	e := plain(chatbox.SessionKey{Tenant: scaleTenant, ID: fmt.Sprint("s", i%sessions)}, int64(i/sessions+1))
	e.Owner, e.Content = fmt.Sprint("u", i%sessions%5000), scaleWords(i)
	e.Time = now.Add(-time.Duration(r.Int64N(int64(30 * 24 * time.Hour))))
	return e
}

// messageFinds remembers the last find among messages.
type messageFinds struct {
	mu   sync.Mutex // guards following
	last bson.Raw
}

func (m *messageFinds) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		if e.CommandName == "find" && e.Command.Lookup("find").StringValue() == "messages" {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.last = e.Command
		}
	}}
}

func (m *messageFinds) get() bson.Raw {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// appendSaid appends n messages and says what it took.
func appendSaid(tb testing.TB, s *persistence.Store, n, sessions int, now time.Time) time.Duration {
	tb.Helper()
	const writers = 256
	var wg sync.WaitGroup
	start := time.Now()
	for w := range writers {
		wg.Go(func() {
			for i := w; i < n; i += writers {
				if err := s.Messages().Append(tb.Context(), scaleSaid(i, sessions, now)); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return time.Since(start)
}

// TestSearch_Scale shows what searches take against a full database.
// CHATBOX_TEST_SCALE is how many messages are stored in 50,000 sessions.
func TestSearch_Scale(t *testing.T) {
	messages, err := strconv.Atoi(os.Getenv("CHATBOX_TEST_SCALE"))
	if err != nil {
		t.Skip("NOT RUN: it takes minutes; CHATBOX_TEST_SCALE=1000000 asks for it")
	}
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &messageFinds{}
	cfg.Monitor = seen.monitor()
	s := openStore(t, cfg)
	const sessions = 50_000
	now := time.Now().UTC()
	fillCollection(t, db.Collection("sessions"), sessions, func(i int) bson.D { return scaleSession(i, now) })
	t.Logf("%d messages appended in %v", messages, appendSaid(t, s, messages, sessions, now).Round(time.Second))

	page := func(q helpdesk.SearchQuery) helpdesk.SearchPage {
		q.Tenant, q.Limit = scaleTenant, 20
		p, err := s.Search().Find(t.Context(), q)
		require.NoError(t, err)
		return p
	}
	for _, c := range []struct {
		what string
		q    helpdesk.SearchQuery
	}{
		{"in 7 messages of 10", helpdesk.SearchQuery{Words: "w0"}},
		{"in 1 of 5", helpdesk.SearchQuery{Words: "w3"}},
		{"in 1 of 30", helpdesk.SearchQuery{Words: "w50"}},
		{"in 1 of 500", helpdesk.SearchQuery{Words: "w1000"}},
		{"in 1 of 10,000", helpdesk.SearchQuery{Words: "w20000"}},
		{"in none", helpdesk.SearchQuery{Words: "nowhere"}},
		{"two frequent words", helpdesk.SearchQuery{Words: "w0 w1"}},
		{"a frequent and a rare word", helpdesk.SearchQuery{Words: "w0 w20000"}},
		{"a phrase of frequent words", helpdesk.SearchQuery{Words: `"w0 w1"`}},
		{"a frequent word of one user", helpdesk.SearchQuery{Words: "w0", UserID: "u77"}},
		{"a frequent word, before two weeks ago", helpdesk.SearchQuery{Words: "w3", To: now.Add(-14 * 24 * time.Hour)}},
	} {
		measure(t, c.what, 40, func() { page(c.q) })
		plan := planOf(t, db, seen.get())
		if c.q.UserID == "" && c.what != "in none" {
			assertNoScan(t, plan, c.what)
		}
		second := c.q
		if second.Cursor = page(c.q).Next; second.Cursor != "" {
			measure(t, "  its second page", 40, func() { page(second) })
		}
	}
}

// TestSearch_ByIndex asks the server how it runs the very finds that a search
// sends.
func TestSearch_ByIndex(t *testing.T) {
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &messageFinds{}
	cfg.Monitor = seen.monitor()
	next := persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}}
	now := time.Now().UTC()
	old := openStore(t, cfg)
	appendSaid(t, old, 4000, 200, now)
	for _, s := range []*persistence.Store{old, openStore(t, cfg, next, conformance.StoreKey())} {
		for name, q := range map[string]helpdesk.SearchQuery{
			"rare": {Words: "w2000"}, "frequent": {Words: "w1"}, "two": {Words: "w0 w20"}, "before": {Words: "w3", To: now.Add(-24 * time.Hour)},
		} {
			q.Tenant, q.Limit = scaleTenant, 20
			_, err := s.Search().Find(t.Context(), q)
			require.NoError(t, err)
			plan := planOf(t, db, seen.get())
			assert.Contains(t, plan, `"tenant_words_time"`, name)
			assertNoScan(t, plan, name)
		}
	}
}

// BenchmarkAppend is what a message of twenty words costs, with and without its
// words in the index.
func BenchmarkAppend(b *testing.B) {
	for _, off := range []bool{true, false} {
		for _, writers := range []int{1, 64} {
			b.Run(fmt.Sprintf("words=%t/writers=%d", !off, writers), func(b *testing.B) {
				db := mongoDatabase(b)
				cfg := mongoConfig(b, db)
				cfg.NoWords = off
				s := openStore(b, cfg)
				now := time.Now().UTC()
				var wg sync.WaitGroup
				b.ResetTimer()
				for w := range writers {
					wg.Go(func() {
						for i := w; i < b.N; i += writers {
							if err := s.Messages().Append(b.Context(), scaleSaid(i, 1000, now)); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		}
	}
}
