package cluster

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox/app"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
)

// ear keeps what a device received.
type ear struct {
	*client.Client

	mu     sync.Mutex // guards frames
	frames []client.Frame
}

// listen connects somebody of the tenant with these roles, and keeps all
// frames.
func (c *cluster) listen(tenant, user, session, url string, roles ...string) *ear {
	c.t.Helper()
	token := c.as(tenant, user, roles...).token
	e := &ear{}
	e.Client = c.device(user, session, url, func(cfg *client.Config) {
		cfg.Token = func(context.Context) (string, error) { return token, nil }
		cfg.Hook = func(n client.Entry) {
			if n.Act == client.ActReceived {
				e.mu.Lock()
				defer e.mu.Unlock()
				e.frames = append(e.frames, n.Frame)
			}
		}
	})
	return e
}

// told counts the frames of the type whose metadata.event is this.
func (e *ear) told(kind, event, session string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, f := range e.frames {
		if f.Type == kind && f.Metadata["event"] == event && f.SessionID == session {
			n++
		}
	}
	return n
}

func (e *ear) until(t *testing.T, kind, event, session string, n int) {
	t.Helper()
	require.Eventually(t, func() bool { return e.told(kind, event, session) >= n }, patience, 5*time.Millisecond, "%s %s", kind, event)
}

// help asks for help with an id and waits for the confirmation.
func (c *cluster) help(d *ear, session string) string {
	c.t.Helper()
	confirmed := d.told(client.TypeConnectionStatus, "help_requested", session)
	id, err := d.Send(client.Frame{Type: client.TypeHelpRequest, SessionID: session, Content: canary})
	require.NoError(c.t, err)
	c.acked(d.Client, session, id)
	d.until(c.t, client.TypeConnectionStatus, "help_requested", session, confirmed+1)
	return id
}

// canary is what nobody outside the session may read.
const canary = "cAnArY-help"

func TestHelp_AdminsOnEveryPodHearOfItOnce(t *testing.T) {
	c := start(t, 3)
	var staff []*ear
	for n, role := range []string{"admin", "chat_admin", "admin"} {
		staff = append(staff, c.listen("acme", fmt.Sprint("agent-", n), "", c.podURL(n), role))
	}
	others := []*ear{
		c.listen("", "agent-x", "", c.podURL(1), "admin"),
		c.listen("other", "agent-y", "", c.podURL(2), "admin"),
		c.listen("acme", "bob", "", c.podURL(2)),
	}
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	c.help(ada, "s-1")
	for _, e := range staff {
		e.until(t, "notification", "help_requested", "s-1", 1)
	}
	c.help(ada, "s-1") // still waiting: an event, and nobody is told
	c.help(ada, "s-2") // another session
	for _, e := range staff {
		e.until(t, "notification", "help_requested", "s-2", 1)
		assert.Equal(t, 1, e.told("notification", "help_requested", "s-1"))
		e.mu.Lock()
		for _, f := range e.frames {
			if f.Type == "notification" {
				assert.Equal(t, "ada", f.Metadata["user_id"])
				assert.NotContains(t, fmt.Sprint(f), canary)
			}
		}
		e.mu.Unlock()
	}
	for _, e := range append(others, ada) {
		assert.Zero(t, e.told("notification", "help_requested", "s-1")+e.told("notification", "help_requested", "s-2"))
	}
	var types []string
	ada.View(func(tr *client.Tracker) {
		for _, ev := range tr.Session("s-1").Events {
			types = append(types, ev.Type)
		}
	})
	assert.Equal(t, []string{"help_request", "help_request"}, types)
}

func TestHelp_WhoIsThereAlreadyIsNotCalled(t *testing.T) {
	var w world
	w.open(t, "", "")
	var stores app.Stores
	c := start(t, 3, w.tell, func(cfg *devstack.Config) {
		cfg.Watch = func(s app.Stores) app.Stores { stores = s; return s }
	})
	agent, other := c.listen("acme", "agent", "", c.podURL(1), "admin"), c.listen("acme", "other", "", c.podURL(2), "admin")
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	c.help(ada, "s-1")
	for _, e := range []*ear{agent, other} {
		e.until(t, "notification", "help_requested", "s-1", 1)
	}
	holds := func(held bool) {
		t.Helper()
		c.wait(ada.Client, "the holder", func(tr *client.Tracker) bool { s := tr.Session("s-1"); return s != nil && s.Held == held })
	}
	require.NoError(t, agent.SendBare(client.Frame{Type: client.TypeAdminJoin, SessionID: "s-1"}))
	holds(true)
	c.help(ada, "s-1") // somebody is there: an event, and nobody is called
	require.NoError(t, agent.SendBare(client.Frame{Type: client.TypeAdminLeave, SessionID: "s-1"}))
	holds(false)
	quiet(t, stores.Alerts)
	assert.Equal(t, [4]int{1, 1, 1, 1}, w.took())
	c.help(ada, "s-1") // gone again
	other.until(t, "notification", "help_requested", "s-1", 2)
	quiet(t, stores.Alerts)
	assert.Equal(t, [4]int{2, 2, 2, 2}, w.took())
	assert.Equal(t, 2, other.told("notification", "help_requested", "s-1"))
}

func TestHelp_FiveAMinuteAndRepeatsAreFree(t *testing.T) {
	c := start(t, 2)
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	first := c.help(ada, "s-1")
	for range 4 {
		c.help(ada, "s-1")
	}
	again := c.listen("acme", "ada", "s-1", c.podURL(1))
	require.NoError(t, again.SendBare(client.Frame{Type: client.TypeHelpRequest, ID: first, SessionID: "s-1", Content: canary}))
	again.until(t, client.TypeConnectionStatus, "help_requested", "s-1", 1)
	require.NoError(t, again.SendBare(client.Frame{Type: client.TypeHelpRequest, ID: "sixth", SessionID: "s-1"}))
	refused := func() (client.Frame, bool) {
		again.mu.Lock()
		defer again.mu.Unlock()
		i := slices.IndexFunc(again.frames, func(f client.Frame) bool { return f.Type == client.TypeError })
		if i < 0 {
			return client.Frame{}, false
		}
		return again.frames[i], true
	}
	require.Eventually(t, func() bool { _, ok := refused(); return ok }, patience, 5*time.Millisecond)
	f, _ := refused()
	assert.Equal(t, client.CodeTooManyRequests, f.Error.Code)
	assert.Equal(t, "sixth", f.ID)
	assert.Positive(t, f.Error.RetryAfter)
	require.NotContains(t, f.Error.Message, "ada")
	again.View(func(tr *client.Tracker) { assert.Len(t, tr.Session("s-1").Events, 5, "a refused frame has no effect") })
}
