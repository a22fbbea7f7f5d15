package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/cmd/chatload/client"
	"chatbox/providers/llm"
)

// follower is a client of server-sent events: it reconnects through the balancer
// with the id of its last event, as a browser does.
type follower struct {
	c       *cluster
	token   string
	session string

	mu   sync.Mutex        // guards following
	seqs []int64           // the ids of durable events, in order
	text map[string]string // of answers, by id
	done map[string]bool
	last string
}

func (c *cluster) follow(user, session string) *follower {
	c.t.Helper()
	f := &follower{c: c, token: c.token(user), session: session, text: map[string]string{}, done: map[string]bool{}}
	ctx, cancel := context.WithCancel(c.ctx)
	var work sync.WaitGroup
	work.Go(func() {
		for ctx.Err() == nil {
			f.stream(ctx)
		}
	})
	c.t.Cleanup(func() { cancel(); work.Wait() })
	return f
}

// stream reads one stream to its end.
func (f *follower) stream(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.c.stack.URL()+"/chatbox/sessions/"+f.session+"/events?last_seq=0", http.NoBody)
	if err != nil {
		return
	}
	req.Header.Set("Authorization", "Bearer "+f.token)
	f.mu.Lock()
	if f.last != "" {
		req.Header.Set("Last-Event-ID", f.last)
	}
	f.mu.Unlock()
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return
	}
	id := ""
	for r := bufio.NewScanner(resp.Body); r.Scan(); {
		name, value, _ := strings.Cut(r.Text(), ": ")
		switch name {
		case "id":
			id = value
		case "data":
			f.take(id, value)
			id = ""
		}
	}
}

// take records a frame; id is that of its event.
func (f *follower) take(id, data string) {
	var frame client.Frame
	if err := json.Unmarshal([]byte(data), &frame); err != nil {
		f.c.t.Errorf("frame %q: %v", data, err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if id != "" {
		f.last = id
		assert.Equal(f.c.t, fmt.Sprint(frame.Seq), id)
	}
	if id != "" && frame.Type != "resumed" {
		f.seqs = append(f.seqs, frame.Seq)
	}
	if frame.Type != client.TypeAIResponse {
		return
	}
	if frame.Metadata["snapshot"] == "true" || frame.Metadata["streaming"] == "false" {
		f.text[frame.ID] = ""
	}
	f.text[frame.ID] += frame.Content
	f.done[frame.ID] = f.done[frame.ID] || frame.Metadata["done"] == "true"
}

func (f *follower) answers(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.done) >= n && func() bool {
		for _, done := range f.done {
			if !done {
				return false
			}
		}
		return true
	}()
}

// A stream sees what sockets see: every event once and in order, over the death of
// its pod and a drain, and each answer whole.
func TestEvents_FollowASessionOverPods(t *testing.T) {
	c := start(t, 3)
	d := c.device("ada", "s-1", c.stack.URL())
	f := c.follow("ada", "s-1")
	for round := range 3 {
		id := c.say(d, "s-1", long)
		c.streaming(d, "s-1", id, 100)
		victim := c.generating()
		if round == 1 {
			require.NoError(t, c.stack.DrainPod(c.ctx, victim))
		} else {
			require.NoError(t, c.stack.KillPod(victim))
		}
		assert.Equal(t, llm.ScriptedText(long), c.answered(d, "s-1", id))
		c.until("the answer in the stream", func() bool { return f.answers(round + 1) })
		require.NoError(t, c.stack.StartPod(c.ctx, victim))
	}
	c.judge("ada", "s-1", nil, d)
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, seq := range f.seqs {
		require.EqualValues(t, i+1, seq, "in order, without hole or repeat: %v", f.seqs)
	}
	assert.Len(t, f.seqs, 6)
	for id, text := range f.text {
		assert.Equal(t, llm.ScriptedText(long), text, id)
	}
}
