package cluster

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/providers/llm"
)

// A pod whose clock alone is wrong is not ready and reports the cause. It still
// serves its sockets and the messages of Redis as other pods do: one order, one
// answer, credentials withdrawn to the second.
func TestClocks_FarApart(t *testing.T) {
	for name, far := range map[string]time.Duration{"five minutes": 5 * time.Minute, "an hour": time.Hour} {
		t.Run(name, func(t *testing.T) {
			ahead := map[chatbox.PodID]*atomic.Int64{"pod-1": {}, "pod-2": {}, "pod-3": {}}
			c := start(t, 3, func(cfg *devstack.Config) {
				cfg.Clock = func(id chatbox.PodID) time.Time { return time.Now().Add(time.Duration(ahead[id].Load())) }
			})
			a, b, third := c.device("ada", "s-1", c.podURL(1)), c.device("ada", "s-1", c.podURL(2)), c.device("ada", "s-1", c.podURL(0))
			c.answered(a, "s-1", c.say(a, "s-1", "hello [[words=2]]"))
			ahead["pod-2"].Store(int64(far))
			ahead["pod-3"].Store(-int64(far))
			for n, want := range []int{http.StatusOK, http.StatusServiceUnavailable, http.StatusServiceUnavailable} {
				c.until("readiness", func() bool {
					status, _, body := c.call(n, http.MethodGet, "/readyz", "")
					causes, _ := body["causes"].(map[string]any)
					return status == want && (want == http.StatusOK || causes["pod"] == "clock differs from Redis and other pods")
				})
			}

			c.answered(b, "s-1", c.say(a, "s-1", "one [[words=3]]"))
			c.answered(a, "s-1", c.say(b, "s-1", "two [[words=3]]"))
			require.NoError(t, c.hot().rdb.FlushDB(c.ctx).Err())
			c.answered(third, "s-1", c.say(a, "s-1", "three [[words=3]]"))
			id := c.say(third, "s-1", long)
			c.streaming(third, "s-1", id, 100)
			require.NoError(t, c.stack.KillPod("pod-2"))
			assert.Equal(t, llm.ScriptedText(long), c.answered(third, "s-1", id))
			c.judge("ada", "s-1", nil, b, third)

			issued := c.signed("ada", jwt.MapClaims{"iat": time.Now().Add(-time.Minute).Unix()})
			status, _, body := c.call(2, http.MethodPost, "/admin/users/ada/disconnect", c.staffToken("root", "admin"))
			require.Equal(t, http.StatusOK, status, "%v", body)
			status, _, _ = c.call(0, http.MethodGet, "/sessions", issued)
			assert.Equal(t, http.StatusUnauthorized, status)
			c.admittedAt(0, c.signed("ada", nil))
		})
	}
}
