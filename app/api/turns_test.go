package api

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func userKey(id string) chatbox.UserKey { return chatbox.UserKey{ID: id} }

// However many sockets a user has, the pod looks at so many of the user's frames
// in a second and at all of them, and nobody else waits.
func TestTurns_FramesOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, sockets, frames = 10, 10, 20
		turns, began := newTurns(Config{FrameRate: rate}), time.Now()
		var wg sync.WaitGroup
		for range sockets {
			wg.Go(func() {
				for range frames {
					assert.True(t, turns.frame(t.Context(), userKey("greedy")))
				}
			})
		}
		synctest.Wait()
		assert.True(t, turns.frame(t.Context(), userKey("ada")))
		assert.Zero(t, time.Since(began), "others have a pace of their own")
		wg.Wait()
		assert.Equal(t, time.Second*(sockets*frames-paceBurst*rate)/rate, time.Since(began))

		ended, end := context.WithCancel(t.Context())
		end()
		assert.False(t, turns.frame(ended, userKey("greedy")), "a socket that has ended waits for nothing")
	})
}

func TestTurns_SocketsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate = 10
		turns, began := newTurns(Config{SocketRate: rate}), time.Now()
		for range paceBurst * rate {
			require.NoError(t, turns.socket(t.Context(), userKey("greedy")))
		}
		assert.Zero(t, time.Since(began))
		require.NoError(t, turns.socket(t.Context(), userKey("greedy")))
		assert.Equal(t, time.Second/rate, time.Since(began), "what comes beyond waits")

		began = time.Now()
		refused := make(chan error, 100)
		for range cap(refused) {
			go func() { refused <- turns.socket(t.Context(), userKey("greedy")) }()
		}
		synctest.Wait()
		require.NoError(t, turns.socket(t.Context(), userKey("ada")))
		assert.Zero(t, time.Since(began))
		served := 0
		for range cap(refused) {
			err := <-refused
			if err == nil {
				served++
				continue
			}
			var why *chatbox.Error
			require.ErrorAs(t, err, &why)
			assert.Equal(t, chatbox.RateLimited, why.Code)
			assert.Positive(t, why.RetryAfter)
		}
		assert.Equal(t, rate, served)
		assert.LessOrEqual(t, time.Since(began), dialWait)
	})
}

// Sockets of one user take turns to be refused, so more of them get no more
// refusals.
func TestTurns_RefusedFramesOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns, began := newTurns(Config{}), time.Now()
		turns.refused(t.Context(), userKey("ada"))
		assert.Equal(t, refusedPause, time.Since(began))
		began = time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() { turns.refused(t.Context(), userKey("greedy")) })
		}
		wg.Wait()
		assert.Equal(t, 10*refusedPause, time.Since(began))
	})
}

// A user's requests wait for each other beyond so many, nobody else's do, and all
// are answered.
func TestTurns_RequestsOfOneUser(t *testing.T) {
	p := newPod(t, func(st *setup) { st.cfg.Requests = 2 })
	inside, leave := make(chan string), make(chan struct{})
	p.conv.sessions = func(a chatbox.Actor, _ chatbox.SessionQuery) (chatbox.SessionPage, error) {
		inside <- a.UserID
		<-leave
		return chatbox.SessionPage{}, nil
	}
	var wg sync.WaitGroup
	ask := func(who string) {
		wg.Go(func() {
			status, _, _ := p.call(http.MethodGet, "/sessions", http.Header{"Authorization": {"Bearer " + token(t, map[string]any{"user_id": who})}}, nil)
			assert.Equal(t, http.StatusOK, status)
		})
	}
	for range 5 {
		ask("greedy")
	}
	assert.Equal(t, "greedy", <-inside)
	assert.Equal(t, "greedy", <-inside)
	ask("ada")
	assert.Equal(t, "ada", <-inside, "the others of greedy wait")
	for range 3 {
		leave <- struct{}{}
	}
	for range 3 {
		assert.Equal(t, "greedy", <-inside)
		leave <- struct{}{}
	}
	wg.Wait()
}

// A body that a route does not read does not get a request past the turns, and a
// body that arrives slowly holds no turn.
func TestTurns_Bodies(t *testing.T) {
	for _, tt := range []struct {
		method string
		length int64
		reads  bool
	}{
		{http.MethodGet, 0, false},
		{http.MethodGet, 1, false},
		{http.MethodGet, -1, false},
		{http.MethodHead, 1, false},
		{http.MethodDelete, 1, false},
		{http.MethodPost, 0, false},
		{http.MethodPost, 1, true},
		{http.MethodPatch, -1, true},
	} {
		assert.Equal(t, tt.reads, readsBody(&http.Request{Method: tt.method, ContentLength: tt.length}), "%s %d", tt.method, tt.length)
	}
}

// Exports that are not read hold their turns; the user's other exports are
// refused after a while, and others' are served.
func TestTurns_ExportsOfOneUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns(Config{})
		var leaves []func()
		for range streamsEach {
			leave, err := enter(t.Context(), turns.exports, userKey("greedy"))
			require.NoError(t, err)
			leaves = append(leaves, leave)
		}
		began := time.Now()
		_, err := enter(t.Context(), turns.exports, userKey("greedy"))
		require.ErrorIs(t, err, chatbox.RateLimited)
		assert.Equal(t, turnWait, time.Since(began))
		leave, err := enter(t.Context(), turns.exports, userKey("ada"))
		require.NoError(t, err)
		leave()
		for _, leave := range leaves {
			leave()
		}
		_, err = enter(t.Context(), turns.exports, userKey("greedy"))
		require.NoError(t, err)
	})
}
