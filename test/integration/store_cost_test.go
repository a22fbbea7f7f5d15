//go:build integration

package integration

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/event"
	"go.mongodb.org/mongo-driver/mongo"
)

// commands counts what goes over the wire by name.
type commands struct {
	mu    sync.Mutex // guards following
	count map[string]int
	last  map[string]bson.Raw
}

func (c *commands) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{Started: func(_ context.Context, e *event.CommandStartedEvent) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.count[e.CommandName]++
		c.last[e.CommandName] = e.Command
	}}
}

func (c *commands) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	got := c.count
	c.count, c.last = map[string]int{}, map[string]bson.Raw{}
	return got
}

func plain(k chatbox.SessionKey, seq int64) chatbox.Event {
	return chatbox.Event{
		Session: k, Seq: seq, Key: fmt.Sprint("c:u:", seq), ID: fmt.Sprint(seq), Type: chatbox.TypeUserMessage,
		Sender: chatbox.SenderUser, UserID: "u", Owner: "u", Content: fmt.Sprint("message ", seq),
		Time: time.UnixMilli(1_750_000_000_000 + seq).UTC(), Status: chatbox.StatusComplete,
	}
}

// Every act is one round trip, and appends that meet share theirs.
func TestStore_RoundTrips(t *testing.T) {
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &commands{}
	seen.take()
	cfg.Monitor = seen.monitor()
	s := openStore(t, cfg)
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	ctx := t.Context()
	question := plain(k, 1)
	question.Turn = &chatbox.Turn{State: chatbox.TurnPending, Run: 1}
	long := chatbox.SessionKey{Tenant: "t", ID: "long"}
	for i := range 250 {
		require.NoError(t, s.Messages().Append(ctx, plain(long, int64(i+1))))
	}
	seen.take()
	for _, step := range []struct {
		name, command string
		act           func() error
	}{
		{"create", "insert", func() error {
			_, _, err := s.Sessions().Create(ctx, chatbox.Session{Key: k, Owner: "u"})
			return err
		}},
		{"append", "insert", func() error { return s.Messages().Append(ctx, question) }},
		{"by key", "find", func() error { _, err := s.Messages().ByKey(ctx, k, question.Key); return err }},
		{"range", "find", func() error { _, err := s.Messages().Range(ctx, k, 1, 64); return err }},
		{"long range", "find", func() error {
			events, err := s.Messages().Range(ctx, long, 1, 250)
			assert.Len(t, events, 250)
			return err
		}},
		{"claim", "findAndModify", func() error { _, err := s.Turns().ClaimTurn(ctx, k, 1); return err }},
		{"settle", "update", func() error {
			return s.Turns().SettleTurn(ctx, k, chatbox.Gen{Seq: 1, Run: 1}, chatbox.TurnDone)
		}},
		{"retry", "update", func() error { _, err := s.Turns().RetryTurn(ctx, k, chatbox.Gen{Seq: 1, Run: 1}, 1); return err }},
		{"touch", "update", func() error { return s.Sessions().SaveState(ctx, k, chatbox.State{Head: 1}) }},
		{"load", "find", func() error { _, err := s.Sessions().Load(ctx, k); return err }},
		{"name", "update", func() error { return s.Sessions().SetName(ctx, k, "x", true) }},
		{"list", "find", func() error {
			_, err := s.Sessions().List(ctx, chatbox.SessionQuery{User: chatbox.UserKey{Tenant: "t", ID: "u"}, Limit: 200})
			return err
		}},
		{"pending", "find", func() error { _, err := s.Turns().PendingTurns(ctx, time.Time{}, time.Now(), 10); return err }},
	} {
		require.NoError(t, step.act(), step.name)
		require.Equal(t, map[string]int{step.command: 1}, seen.take(), step.name)
	}

	var wg sync.WaitGroup
	const writers = 200
	for i := range writers {
		wg.Go(func() {
			assert.NoError(t, s.Messages().Append(ctx, plain(chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("w", i)}, 1)))
		})
	}
	wg.Wait()
	got := seen.take()
	t.Logf("%d appends that met took %d commands", writers, got["insert"])
	assert.Less(t, got["insert"], writers/4)
}

// A write is acknowledged by a majority, even if the URI asks for less.
func TestStore_Concerns(t *testing.T) {
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &commands{}
	seen.take()
	cfg.Monitor = seen.monitor()
	separator := "?"
	if strings.Contains(cfg.URI, "?") {
		separator = "&"
	}
	cfg.URI += separator + "w=1&readConcernLevel=local"
	s := openStore(t, cfg)
	k := chatbox.SessionKey{Tenant: "t", ID: "s"}
	require.NoError(t, s.Messages().Append(t.Context(), plain(k, 1)))
	_, err := s.Messages().ByKey(t.Context(), k, "c:u:1")
	require.NoError(t, err)
	seen.mu.Lock()
	defer seen.mu.Unlock()
	assert.Equal(t, "majority", seen.last["insert"].Lookup("writeConcern", "w").StringValue())
	assert.True(t, seen.last["insert"].Lookup("writeConcern", "j").Boolean())
	assert.Equal(t, "majority", seen.last["find"].Lookup("readConcern", "level").StringValue())
}

// planOf is how the server runs a find, as text.
func planOf(t *testing.T, db *mongo.Database, find bson.Raw) string {
	t.Helper()
	var command bson.D
	elements, err := find.Elements()
	require.NoError(t, err)
	for _, e := range elements {
		switch e.Key() {
		case "find", "filter", "sort", "limit", "projection":
			command = append(command, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	var out bson.Raw
	require.NoError(t, db.RunCommand(t.Context(),
		bson.D{{Key: "explain", Value: command}, {Key: "verbosity", Value: "queryPlanner"}}).Decode(&out))
	text, err := bson.MarshalExtJSON(out, false, false)
	require.NoError(t, err)
	return string(text)
}

// assertNoScan refuses a plan that looks through the collection.
func assertNoScan(t *testing.T, plan string, what any) {
	t.Helper()
	for _, scan := range []string{"COLLSCAN", "Seq Scan"} {
		assert.NotContains(t, plan, scan, what)
	}
}

// TestStore_ReadsByIndex asks the server how it runs the very finds that the
// store sends, at 100 and at 20,000 messages, and shows what they take.
func TestStore_ReadsByIndex(t *testing.T) {
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &commands{}
	seen.take()
	cfg.Monitor = seen.monitor()
	s := openStore(t, cfg)
	k := chatbox.SessionKey{Tenant: "t", ID: "long"}
	long := int64(20_000)
	if testing.Short() {
		long = 10_000
	}
	start := time.Now()
	fillLong(t, mongoConfig(t, db), k, long)
	t.Logf("%d appends to one session through %d pods: %.0f/s", long, fillPods, float64(long)/time.Since(start).Seconds())

	for i := range 300 {
		in := chatbox.Session{Key: chatbox.SessionKey{Tenant: "t", ID: fmt.Sprint("s", i)}, Owner: fmt.Sprint("u", i%3)}
		_, _, err := s.Sessions().Create(t.Context(), in)
		require.NoError(t, err)
	}
	find := func(act func() error) bson.Raw {
		t.Helper()
		seen.take()
		require.NoError(t, act())
		seen.mu.Lock()
		defer seen.mu.Unlock()
		return seen.last["find"]
	}
	page := func(at int64) func() error {
		return func() error {
			events, err := s.Messages().Range(t.Context(), k, at-49, at)
			if err == nil && len(events) != 50 {
				return fmt.Errorf("%d events", len(events))
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		index string
		act   func() error
	}{
		"range at 100":     {"tenant_session_seq", page(100)},
		"range at the end": {"tenant_session_seq", page(long)},
		"head":             {"tenant_session_seq", func() error { _, err := s.Messages().Range(t.Context(), k, long+1, long+64); return err }},
		"by key":           {"tenant_session_key", func() error { _, err := s.Messages().ByKey(t.Context(), k, "c:u:7777"); return err }},
		"load": {"tenant_session", func() error {
			_, err := s.Sessions().Load(t.Context(), chatbox.SessionKey{Tenant: "t", ID: "s7"})
			return err
		}},
		// Both begin with the user. A server that never sorts by an index, as the DocumentDB stack, may take either.
		"list": {"tenant_owner_activity|tenant_user_id", func() error {
			_, err := s.Sessions().List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: "t", ID: "u1"}, Limit: 50})
			return err
		}},
		"pending of": {"tenant_session_pending", func() error {
			_, err := s.Turns().PendingOf(t.Context(), k, 1, long, 100)
			return err
		}},
		"pending": {"pending_time", func() error { _, err := s.Turns().PendingTurns(t.Context(), time.Time{}, time.Now(), 100); return err }},
	} {
		plan := planOf(t, db, find(c.act))
		assert.Regexp(t, `"(`+c.index+`)"`, plan, name)
		assertNoScan(t, plan, name)
	}
	for _, at := range []int64{100, long} {
		t.Logf("a page of 50 at message %d: %v", at, fastest(t, page(at)))
	}
}

// fastest is the best of some tries: what the act costs when nothing else
// happens.
func fastest(t *testing.T, act func() error) time.Duration {
	t.Helper()
	best := time.Hour
	for range 30 {
		start := time.Now()
		require.NoError(t, act())
		best = min(best, time.Since(start))
	}
	return best.Round(10 * time.Microsecond)
}

const fillPods = 24

// fillLong fills one session through several stores, since one store never has
// two events of a session under way.
func fillLong(t *testing.T, cfg persistence.Config, k chatbox.SessionKey, n int64) {
	t.Helper()
	var wg sync.WaitGroup
	for pod := range int64(fillPods) {
		s := openStore(t, cfg)
		wg.Go(func() {
			for seq := pod + 1; seq <= n; seq += fillPods {
				if err := s.Messages().Append(t.Context(), plain(k, seq)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestStore_ShowAppendRate prints and asserts nothing about time.
func TestStore_ShowAppendRate(t *testing.T) {
	db := mongoDatabase(t)
	s := openStore(t, mongoConfig(t, db))
	for _, writers := range []int{1, 8, 64, 512} {
		each := int64(2048/writers + 16)
		var wg sync.WaitGroup
		start := time.Now()
		for w := range writers {
			wg.Go(func() {
				k := chatbox.SessionKey{Tenant: fmt.Sprint("t", writers), ID: fmt.Sprint("s", w)}
				for seq := int64(1); seq <= each; seq++ {
					if err := s.Messages().Append(t.Context(), plain(k, seq)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		took := time.Since(start)
		total := float64(int64(writers) * each)
		t.Logf("%3d writers: %6.0f appends/s, %v each", writers, total/took.Seconds(),
			(took * time.Duration(writers) / time.Duration(total)).Round(10*time.Microsecond))
	}
}
