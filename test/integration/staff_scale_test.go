//go:build integration

package integration

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

const scaleTenant = "scale"

// TestStaff_Scale shows what staff's lists and metrics take against a full
// database, and that the server runs them by index. CHATBOX_TEST_SCALE is how
// many messages are stored beside 50,000 sessions.
func TestStaff_Scale(t *testing.T) {
	messages, err := strconv.Atoi(os.Getenv("CHATBOX_TEST_SCALE"))
	if err != nil {
		t.Skip("NOT RUN: it takes minutes; CHATBOX_TEST_SCALE=1000000 asks for it")
	}
	db := mongoDatabase(t)
	cfg := mongoConfig(t, db)
	seen := &commands{}
	seen.take()
	cfg.Monitor = seen.monitor()
	s := openStore(t, cfg)
	const sessions = 50_000
	now := time.Now().UTC().Truncate(time.Minute)
	began := time.Now()
	fillCollection(t, db.Collection("sessions"), sessions, func(i int) bson.D { return scaleSession(i, now) })
	fillCollection(t, db.Collection("messages"), messages, func(i int) bson.D { return scaleMessage(i, sessions, now) })
	fillCollection(t, db.Collection("crowds"), 3*24*60, func(i int) bson.D { return scaleCrowd(i, now) })
	t.Logf("%d sessions, %d messages, %d minutes of pods filled in %v", sessions, messages, 3*24*60, time.Since(began).Round(time.Second))

	first := func(q helpdesk.StaffQuery) func() {
		return func() {
			page, err := s.Sessions().All(t.Context(), q)
			require.NoError(t, err)
			require.Len(t, page.Sessions, q.Limit)
			require.EqualValues(t, sessions, page.Total)
		}
	}
	for _, by := range helpdesk.SessionSorts() {
		q := helpdesk.StaffQuery{Tenant: scaleTenant, Sort: by, Desc: true, Limit: 50}
		measure(t, "first page by "+string(by), 40, first(q))
		plan := planOf(t, db, seen.lastFind())
		assert.Contains(t, plan, `"tenant_`, by)
		assertNoScan(t, plan, by)
		if by == helpdesk.SortActivity || by == helpdesk.SortStart {
			assert.Contains(t, plan, `"tenant_`+string(by)+`"`)
		}
		for _, depth := range []int{1, 20, 45} {
			deep := q
			deep.Cursor = cursorAt(t, s.Sessions().All, q, depth)
			measure(t, fmt.Sprintf("page at %d of it", depth*1000), 40, func() {
				page, err := s.Sessions().All(t.Context(), deep)
				require.NoError(t, err)
				require.Len(t, page.Sessions, q.Limit)
			})
		}
	}
	yes := true
	measure(t, "first page of those who asked for help", 40, func() {
		_, err := s.Sessions().All(t.Context(), helpdesk.StaffQuery{Tenant: scaleTenant, Sort: helpdesk.SortActivity, Desc: true, Limit: 50, Help: &yes})
		require.NoError(t, err)
	})
	for name, period := range map[string]time.Duration{"a day": 24 * time.Hour, "a month": 31 * 24 * time.Hour} {
		measure(t, "metrics of "+name, 40, func() {
			sum, err := s.Sessions().Summary(t.Context(), scaleTenant, now.Add(-period), now.Add(time.Hour))
			require.NoError(t, err)
			require.NotZero(t, sum.Total)
			concurrency, err := s.Concurrency().Total(t.Context(), scaleTenant, now.Add(-period), now.Add(time.Hour))
			require.NoError(t, err)
			require.NotZero(t, concurrency.Peak)
		})
	}
}

func (c *commands) lastFind() bson.Raw {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last["find"]
}

// cursorAt walks thousands of sessions far, in large pages.
func cursorAt(
	t *testing.T, all func(context.Context, helpdesk.StaffQuery) (helpdesk.StaffPage, error), q helpdesk.StaffQuery, thousands int,
) string {
	t.Helper()
	q.Limit = 1000
	for range thousands {
		page, err := all(t.Context(), q)
		require.NoError(t, err)
		q.Cursor = page.Next
	}
	require.NotEmpty(t, q.Cursor)
	return q.Cursor
}

func measure(t *testing.T, what string, n int, act func()) {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		start := time.Now()
		act()
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	t.Logf("%-42s p50 %7.1f ms, worst of %d %7.1f ms", what, ms(took[n/2]), n, ms(took[n-1]))
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// fillCollection inserts documents past the store: only their shape matters.
func fillCollection(t *testing.T, c *mongo.Collection, n int, doc func(i int) bson.D) {
	t.Helper()
	const group, flights = 1000, 4
	var wg sync.WaitGroup
	for f := range flights {
		wg.Go(func() {
			for from := f * group; from < n; from += flights * group {
				var docs []any
				for i := from; i < min(n, from+group); i++ {
					docs = append(docs, doc(i))
				}
				if _, err := c.InsertMany(t.Context(), docs, options.InsertMany().SetOrdered(false)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	require.False(t, t.Failed())
}

func scaleSession(i int, now time.Time) bson.D {
	r := rand.New(rand.NewPCG(uint64(i), 7))
	start := now.Add(-time.Duration(r.IntN(30*86_400)) * time.Second)
	last := start.Add(time.Duration(r.IntN(7200)) * time.Second)
	at := primitive.NewDateTimeFromTime
	ended := primitive.NewDateTimeFromTime(time.Time{})
	if i%3 > 0 {
		ended = at(last)
	}
	state := bson.D{
		{Key: "head", Value: int64(r.IntN(200) + 1)},
		{Key: "ended", Value: i%3 > 0},
		{Key: "ended_at", Value: ended},
		{Key: "started_at", Value: at(start)},
		{Key: "duration", Value: last.Sub(start).Milliseconds()},
		{Key: "last_activity", Value: at(last)},
		{Key: "tokens", Value: int64(r.IntN(100_000))},
		{Key: "answers", Value: int64(5)},
		{Key: "response_total", Value: int64(5000)},
		{Key: "response_max", Value: int64(r.IntN(9000))},
	}
	if i%50 == 0 {
		state = append(state, bson.E{Key: "help_requested", Value: true})
	}
	id := fmt.Sprint("s", i)
	return bson.D{
		{Key: "_id", Value: scaleTenant + "/" + id},
		{Key: "tenant", Value: scaleTenant},
		{Key: "session", Value: id},
		{Key: "owner", Value: fmt.Sprint("u", i%5000)},
		{Key: "created", Value: at(start)},
		{Key: "erased", Value: false},
		{Key: "last_activity", Value: at(last)},
		{Key: "state", Value: state},
	}
}

func scaleMessage(i, sessions int, now time.Time) bson.D {
	id, seq := fmt.Sprint("s", i%sessions), int64(i/sessions+1)
	return bson.D{
		{Key: "_id", Value: fmt.Sprint(scaleTenant, "/", id, ":", seq)},
		{Key: "tenant", Value: scaleTenant},
		{Key: "session", Value: id},
		{Key: "seq", Value: seq},
		{Key: "key", Value: fmt.Sprint("s:", seq)},
		{Key: "type", Value: "user_message"},
		{Key: "time", Value: primitive.NewDateTimeFromTime(now)},
		{Key: "box", Value: make([]byte, 120)},
	}
}

func scaleCrowd(i int, now time.Time) bson.D {
	return bson.D{
		{Key: "_id", Value: fmt.Sprint("c", i)},
		{Key: "tenant", Value: scaleTenant},
		{Key: "pod", Value: fmt.Sprint("p", i%3)},
		{Key: "minute", Value: primitive.NewDateTimeFromTime(now.Add(-time.Duration(i/3) * time.Minute))},
		{Key: "seconds", Value: 600.0},
		{Key: "peak", Value: int64(12)},
	}
}
