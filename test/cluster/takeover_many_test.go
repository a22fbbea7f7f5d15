package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
)

// Two to five admins want the same session at the same moment, on three pods:
// one has it, and the others are told who.
func TestTakeover_RacesHaveOneWinner(t *testing.T) {
	rounds := many("RACES", 40)
	c := start(t, 3)
	var a *client.Client
	tokens := make([]string, 5)
	for i := range tokens {
		tokens[i] = c.staffToken(fmt.Sprint("admin-", i))
	}
	for round := range rounds {
		session := fmt.Sprint("s-", round)
		if round%20 == 0 { // the most sessions of one socket
			a = c.device("ada", session, c.podURL(round/20%3))
		}
		c.acked(a, session, c.say(a, session, "hello [[words=40 delay=2ms]]"))
		n := 2 + round%4
		statuses, bodies := make([]int, n), make([]map[string]any, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				statuses[i], bodies[i] = c.request(tokens[i], http.MethodPost, "/chatbox/admin/takeover/"+session, nil)
			})
		}
		wg.Wait()
		winner := -1
		for i, s := range statuses {
			if s == http.StatusOK {
				require.Equal(t, -1, winner, "two winners of %s", session)
				winner = i
			}
		}
		require.NotEqual(t, -1, winner, "nobody has %s: %v", session, bodies)
		for i, s := range statuses {
			if i == winner {
				continue
			}
			require.Equal(t, http.StatusConflict, s, bodies[i])
			meta, _ := bodies[i]["metadata"].(map[string]any)
			require.Equal(t, fmt.Sprint("admin-", winner), meta["admin_id"])
		}
		joins := 0
		for _, m := range c.history("ada", session) {
			if m.Type == "admin_join" {
				joins++
			}
		}
		require.Equal(t, 1, joins)
		c.silent(a, session)
	}
}

// many is how often a test repeats itself: some times by default, and as often
// as the variable says where somebody wants figures.
func many(variable string, some int) int {
	if n, err := strconv.Atoi(os.Getenv(variable)); err == nil {
		return n
	}
	return some
}

// Staff takes sessions over while the model speaks as fast as it can, and
// watchers on every pod receive the events. After the admin_join nobody receives
// text of the model, and all have received the same.
func TestTakeover_NobodyHearsTheModelAfterIt(t *testing.T) {
	rounds := many("TAKEOVERS", 12)
	c := start(t, 3)
	bob, viewer := c.staffToken("bob"), c.staffToken("vic", "chat_viewer")
	var took []time.Duration
	var a *client.Client
	var watchers []*client.Client
	for round := range rounds {
		session := fmt.Sprint("s-", round)
		if round%20 == 0 { // the most sessions of one socket
			a, watchers = c.device("ada", session, c.podURL(round/20%3)), nil
			for pod := range 3 {
				watchers = append(watchers, c.device("vic", "", c.podURL(pod), func(cfg *client.Config) {
					cfg.Token = func(context.Context) (string, error) { return viewer, nil }
				}))
			}
		}
		id := c.say(a, session, "go on [[words=20000 delay=1ms]]")
		c.acked(a, session, id)
		for _, w := range watchers {
			require.NoError(t, w.SendBare(client.Frame{Type: "watch", SessionID: session}))
		}
		everybody := append([]*client.Client{a}, watchers...)
		for _, d := range everybody {
			c.sees(d, session, "pieces", func(f client.Frame) bool {
				return f.Type == client.TypeAIResponse && f.Metadata["streaming"] == "true" && f.Content != ""
			})
		}
		began := time.Now()
		status, body := c.request(bob, http.MethodPost, "/chatbox/admin/takeover/"+session, nil)
		took = append(took, time.Since(began))
		require.Equal(t, http.StatusOK, status, body)
		c.acked(a, session, c.say(a, session, "hello?"))
		var first []string
		for i, d := range everybody {
			c.sees(d, session, "what was said after it", func(f client.Frame) bool { return f.Seq == 4 })
			c.silent(d, session)
			seen := shownTo(d, session)
			if i == 0 {
				first = seen
			}
			require.Equal(t, first, seen, "device %d of %s", i, session)
		}
	}
	slices.Sort(took)
	t.Logf("%d takeovers in mid-answer: p50 %v, p99 %v", len(took), took[len(took)/2], took[len(took)*99/100])
}

// shownTo is what the device made of the session: its events' places and types,
// and the text of the answer that was cut off.
func shownTo(d *client.Client, session string) []string {
	text := ""
	var out []string
	for _, f := range received(d, session) {
		switch {
		case f.Type == client.TypeAIResponse && f.Metadata["done"] == "true":
			out = append(out, fmt.Sprint(f.Seq, " ", f.Type, " ", f.Metadata["finish"], " ", text))
		case f.Type == client.TypeAIResponse && f.Metadata["snapshot"] == "true":
			text = f.Content
		case f.Type == client.TypeAIResponse:
			text += f.Content
		case f.Seq > 1 && f.Type == client.TypeAck, f.Type == client.TypeUserMessage:
			out = append(out, fmt.Sprint(f.Seq, " said"))
		case f.Seq > 1 && f.Type != client.TypeResumed:
			out = append(out, fmt.Sprint(f.Seq, " ", f.Type))
		}
	}
	return out
}
