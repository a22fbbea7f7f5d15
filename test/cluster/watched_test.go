package cluster

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// notices returns the device's notifications about watchers, in order.
func notices(d *client.Client, session string) []string {
	var out []string
	for _, f := range received(d, session) {
		if e := f.Metadata["event"]; f.Type == "notification" && (e == "watched" || e == "unwatched") {
			out = append(out, e)
		}
	}
	return out
}

// The owner's sockets on every pod are told at the first watcher and after the
// last, those that come meanwhile too, and each once.
func TestWatchNotice_FromTheFirstToTheLast(t *testing.T) {
	c := start(t, 3, func(cfg *devstack.Config) { cfg.Live.WatchNotice = true })
	hers := []*client.Client{c.device("ada", "s-1", c.podURL(0)), c.device("ada", "s-1", c.podURL(1))}
	c.answered(hers[0], "s-1", c.say(hers[0], "s-1", "hello [[words=2]]"))
	bob, vic := c.admin("bob", c.podURL(2)), c.admin("vic", c.podURL(0), "chat_viewer")
	is := func(event string) func(client.Frame) bool {
		return func(f client.Frame) bool { return f.Type == "notification" && f.Metadata["event"] == event }
	}
	c.frame(bob, "watch", "s-1")
	for _, d := range hers {
		c.sees(d, "s-1", "the notice", is("watched"))
	}
	c.enters(vic, "watch", "s-1")
	late := c.device("ada", "s-1", c.podURL(2))
	hers = append(hers, late)
	c.sees(late, "s-1", "the notice on attaching", is("watched"))
	c.frame(bob, "unwatch", "s-1")
	c.answered(hers[0], "s-1", c.say(hers[0], "s-1", "and now? [[words=2]]"))
	for _, d := range hers {
		assert.Equal(t, []string{"watched"}, notices(d, "s-1"), "one is left")
	}
	c.frame(vic, "unwatch", "s-1")
	for _, d := range hers {
		c.sees(d, "s-1", "the end of it", is("unwatched"))
		assert.Equal(t, []string{"watched", "unwatched"}, notices(d, "s-1"))
	}
	assert.Empty(t, notices(bob, "s-1"), "it is the owner's")
	assert.Empty(t, notices(vic, "s-1"))
}

// An admin who watches in several windows, on one pod or on several, still watches
// after one of them stops.
func TestWatchNotice_OneOfAnAdminsWindows(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) { cfg.Live.WatchNotice = true })
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	bobs := []*client.Client{c.admin("bob", c.podURL(0)), c.admin("bob", c.podURL(0)), c.admin("bob", c.podURL(1))}
	for _, bob := range bobs {
		c.enters(bob, "watch", "s-1")
	}
	for i, want := range [][]string{{"watched"}, {"watched"}, {"watched", "unwatched"}} {
		c.frame(bobs[i], "unwatch", "s-1")
		c.sees(bobs[i], "s-1", "what came after it", errorOf(c.frame(bobs[i], "nothing", "s-1")))
		c.answered(d, "s-1", c.say(d, "s-1", "and now? [[words=2]]"))
		assert.Equal(t, want, notices(d, "s-1"), "%d windows left", 2-i)
	}
}

// A watcher who is gone without a word is noticed when the watch has aged, here
// because Redis has forgotten it.
func TestWatchNotice_EndsByItself(t *testing.T) {
	c := start(t, 2, func(cfg *devstack.Config) {
		cfg.Live.WatchNotice, cfg.Live.CheckEvery = true, 50*time.Millisecond
	})
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(1))
	c.frame(bob, "watch", "s-1")
	c.sees(d, "s-1", "the notice", func(f client.Frame) bool { return f.Metadata["event"] == "watched" })
	bob.Drop(2 * patience)
	h := c.hot()
	require.Eventually(t, func() bool {
		keys, err := h.rdb.Keys(c.ctx, "cb:{*}:v:*").Result()
		require.NoError(t, err)
		if len(keys) > 0 {
			require.NoError(t, h.rdb.Del(c.ctx, keys...).Err())
		}
		told := notices(d, "s-1")
		return told[len(told)-1] == "unwatched"
	}, patience, 20*time.Millisecond)
}

func TestWatchNotice_IsOffUnlessAskedFor(t *testing.T) {
	c := start(t, 1)
	d := c.device("ada", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "hello [[words=2]]"))
	bob := c.admin("bob", c.podURL(0))
	c.enters(bob, "watch", "s-1")
	c.frame(bob, "unwatch", "s-1")
	c.answered(d, "s-1", c.say(d, "s-1", "and now? [[words=2]]"))
	assert.Empty(t, notices(d, "s-1"))
}
