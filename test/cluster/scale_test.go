package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
	"chatbox/app/devstack"
)

// scale is how large the large things are: small, or with CHATBOX_TEST_SCALE
// set what the product is to bear.
func scale(small, whole int) int {
	if os.Getenv("CHATBOX_TEST_SCALE") == "" {
		return small
	}
	return whole
}

// sizes counts what reads of the log return.
type sizes struct {
	app.MessageStore

	mu          sync.Mutex // guards following
	reads       int
	events      int
	largestRead int
}

func (s *sizes) Range(ctx context.Context, k chatbox.SessionKey, from, to int64) ([]chatbox.Event, error) {
	got, err := s.MessageStore.Range(ctx, k, from, to)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	s.events += len(got)
	s.largestRead = max(s.largestRead, len(got))
	return got, err
}

// taken returns and forgets the counts.
func (s *sizes) taken() (events, largest int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, largest = s.events, s.largestRead
	s.reads, s.events, s.largestRead = 0, 0, 0
	return events, largest
}

// startCounted starts one pod whose stores the test has, and counts the reads.
func startCounted(t *testing.T) (*cluster, app.Stores, *sizes) {
	t.Helper()
	var stores app.Stores
	counts := &sizes{}
	c := start(t, 1, func(cfg *devstack.Config) {
		cfg.Answer.SweepEvery, cfg.Answer.PendingEvery, cfg.Privacy.SweepEvery, cfg.Live.CheckEvery = time.Hour, time.Hour, time.Hour, time.Hour
		cfg.Live.ReplayBurst = 1 << 30
		cfg.Watch = func(s app.Stores) app.Stores {
			counts.MessageStore = s.Messages
			s.Messages, stores = counts, s
			return s
		}
	})
	return c, stores, counts
}

// lengthen repeats the session's first question and answer until it has about n
// events, as if they had been sent; Redis gets them when it is seeded again.
func (c *cluster) lengthen(stores app.Stores, user, session string, n int) int64 {
	c.t.Helper()
	ws, _ := c.dial(0, url.Values{"token": {c.token(user)}})
	require.NoError(c.t, ws.WriteJSON(map[string]any{"type": "user_message", "session_id": session, "content": "hello [[words=20]]", "id": "first"}))
	c.untilSeq(ws, 2)
	require.NoError(c.t, ws.Close())
	require.NoError(c.t, c.stack.DrainPod(c.ctx, "pod-1")) // nobody follows what is made below
	require.NoError(c.t, c.stack.StartPod(c.ctx, "pod-1"))
	k := chatbox.SessionKey{ID: session}
	pair, err := stores.Messages.Range(c.ctx, k, 1, 2)
	require.NoError(c.t, err)
	require.Len(c.t, pair, 2)
	var sess chatbox.Session
	c.until("the record", func() bool {
		sess, err = stores.Sessions.Load(c.ctx, k)
		return err == nil && sess.State.Head == 2
	})
	var wg sync.WaitGroup
	room := make(chan struct{}, 256)
	for seq := int64(3); seq <= int64(n); seq++ {
		e := pair[(seq-1)%2]
		id := fmt.Sprint("m-", (seq+1)/2)
		e.Seq, e.Time = seq, e.Time.Add(time.Duration(seq)*time.Millisecond)
		e.Key, e.Turn = fmt.Sprint("made:", seq), nil
		if e.Type == chatbox.TypeUserMessage {
			e.ID = id
		} else {
			answer := *e.Answer
			answer.ReplyTo, e.Answer, e.ID = id, &answer, "ans_"+id
		}
		sess.State = sess.State.Apply(e)
		room <- struct{}{}
		wg.Go(func() {
			assert.NoError(c.t, stores.Messages.Append(c.ctx, e))
			<-room
		})
	}
	wg.Wait()
	require.EqualValues(c.t, n, sess.State.Head)
	require.NoError(c.t, stores.Sessions.SaveState(c.ctx, k, sess.State))
	return sess.State.Head
}

// The cost of these operations does not depend on the session's length: connecting,
// resuming, a page of the history, staff's list and the prompt of an answer. An
// export reads the whole session, a piece at a time.
func TestScale_OneLongSession(t *testing.T) {
	short, long := 1500, scale(4000, 100_000) // both longer than what is replayed
	reads := map[int]map[string]int{}
	for _, length := range []int{short, long} {
		t.Run(fmt.Sprint(length, " events"), func(t *testing.T) {
			c, stores, counts := startCounted(t)
			began := time.Now()
			head := c.lengthen(stores, "ada", "s-1", length)
			require.NoError(t, c.hot().rdb.FlushDB(c.ctx).Err())
			t.Logf("%d events made in %v", head, time.Since(began).Round(time.Millisecond))
			counts.taken()
			reads[length] = map[string]int{}
			var ws *websocket.Conn
			for _, step := range []struct {
				name string
				do   func()
			}{
				{"connect", func() {
					ws, _ = c.dial(0, url.Values{"token": {c.token("ada")}, "session_id": {"s-1"}})
					require.EqualValues(t, head, c.untilAnswered(ws)["seq"])
				}},
				{"resume", func() {
					require.NoError(t, ws.WriteJSON(map[string]any{"type": "resume", "session_id": "s-1", "seq": head - 900}))
					require.EqualValues(t, head, c.untilAnswered(ws)["seq"])
				}},
				{"a page", func() {
					status, _, body := c.call(0, http.MethodGet, "/sessions/s-1?limit=50&after_seq="+fmt.Sprint(length/2), c.token("ada"))
					require.Equal(t, http.StatusOK, status)
					require.Len(t, body["messages"], 50)
				}},
				{"the newest page", func() {
					status, _, _ := c.call(0, http.MethodGet, "/sessions/s-1?limit=50", c.token("ada"))
					require.Equal(t, http.StatusOK, status)
				}},
				{"the user's list", func() {
					status, _, _ := c.call(0, http.MethodGet, "/sessions", c.token("ada"))
					require.Equal(t, http.StatusOK, status)
				}},
				{"staff's list", func() {
					status, _, _ := c.call(0, http.MethodGet, "/admin/sessions", c.staffToken("root"))
					require.Equal(t, http.StatusOK, status)
				}},
				{"an answer", func() {
					require.NoError(t, ws.WriteJSON(map[string]any{"type": "user_message", "session_id": "s-1", "content": "again [[words=2]]", "id": "again"}))
					c.untilSeq(ws, float64(head+2))
				}},
			} {
				before := time.Now()
				step.do()
				events, largest := counts.taken()
				reads[length][step.name] = events
				t.Logf("%d events, %s: %v, %d events read, %d at once", length, step.name, time.Since(before).Round(time.Millisecond), events, largest)
			}
			var mem runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&mem)
			before := time.Now()
			status, size := c.download("/sessions/s-1/export?format=markdown", c.token("ada"))
			require.Equal(t, http.StatusOK, status)
			events, largest := counts.taken()
			var after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&after)
			t.Logf("%d events, export: %v, %d bytes, %d events read, %d at once, heap %d KiB before and %d KiB after", length,
				time.Since(before).Round(time.Millisecond), size, events, largest, mem.HeapAlloc>>10, after.HeapAlloc>>10)
			assert.LessOrEqual(t, largest, 1000)
		})
	}
	assert.True(t, maps.Equal(reads[short], reads[long]), "%v and %v", reads[short], reads[long])
}

// A user with many sessions: pages of the list read a page, connecting reads
// nothing of the others, and erasing the user ends with nothing left.
func TestScale_ManySessionsOfOneUser(t *testing.T) {
	c, stores, _ := startCounted(t)
	n := scale(100, 10_000)
	d := c.device("ada", "s-0", c.podURL(0))
	c.answered(d, "s-0", c.say(d, "s-0", "hello [[words=2]]"))
	k := chatbox.SessionKey{ID: "s-0"}
	log, err := stores.Messages.Range(c.ctx, k, 1, 2)
	require.NoError(t, err)
	first, err := stores.Sessions.Load(c.ctx, k)
	require.NoError(t, err)
	began := time.Now()
	var wg sync.WaitGroup
	room := make(chan struct{}, 64)
	for i := 1; i < n; i++ {
		room <- struct{}{}
		wg.Go(func() {
			s := first
			s.Key.ID = fmt.Sprint("s-", i)
			_, _, err := stores.Sessions.Create(c.ctx, s)
			errs := []error{err}
			for _, e := range log {
				e.Session = s.Key
				errs = append(errs, stores.Messages.Append(c.ctx, e))
			}
			errs = append(errs, stores.Sessions.SaveState(c.ctx, s.Key, first.State))
			if err := errors.Join(errs...); err != nil {
				c.t.Error(err)
			}
			<-room
		})
	}
	wg.Wait()
	t.Logf("%d sessions made in %v", n, time.Since(began).Round(time.Millisecond))

	timed := func(what string, do func()) {
		before := time.Now()
		do()
		t.Logf("%d sessions, %s: %v", n, what, time.Since(before).Round(time.Millisecond))
	}
	cursor, seen := "", 0
	timed("the first page of the list", func() {
		status, _, body := c.call(0, http.MethodGet, "/sessions?limit=100", c.token("ada"))
		require.Equal(t, http.StatusOK, status)
		cursor, _ = body["next_cursor"].(string)
		seen = len(body["sessions"].([]any))
	})
	timed("all other pages", func() {
		for cursor != "" {
			status, _, body := c.call(0, http.MethodGet, "/sessions?limit=100&cursor="+cursor, c.token("ada"))
			require.Equal(t, http.StatusOK, status)
			cursor, _ = body["next_cursor"].(string)
			seen += len(body["sessions"].([]any))
		}
	})
	assert.Equal(t, n, seen)
	timed("connecting", func() { c.device("ada", fmt.Sprint("s-", n-1), c.podURL(0)) })
	timed("erasing the user", func() {
		status, _, body := c.call(0, http.MethodDelete, "/admin/users/ada", c.staffToken("root", "admin"))
		require.Less(t, status, 300, "%v", body)
		c.until("that nothing is left", func() bool {
			page, err := stores.Sessions.List(c.ctx, chatbox.SessionQuery{User: chatbox.UserKey{ID: "ada"}, Limit: 1})
			return err == nil && len(page.Sessions) == 0
		})
	})
	for _, id := range []string{"s-0", fmt.Sprint("s-", n/2), fmt.Sprint("s-", n-1)} {
		left, err := stores.Messages.Range(c.ctx, chatbox.SessionKey{ID: id}, 1, 9)
		require.NoError(t, err)
		for _, e := range left {
			assert.Equal(t, chatbox.TypeSessionEnded, e.Type, "of %s only its end is left", id)
		}
	}
}

// download reads an answer that is no JSON and returns how long it is.
func (c *cluster) download(path, token string) (status int, size int64) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.ctx, http.MethodGet, c.podURL(0)+"/chatbox"+path, nil)
	require.NoError(c.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.http.Do(req)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	size, err = io.Copy(io.Discard, resp.Body)
	require.NoError(c.t, err)
	return resp.StatusCode, size
}
