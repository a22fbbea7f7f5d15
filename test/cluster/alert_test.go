package cluster

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/mail"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app"
	"chatbox/app/alert"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/helpdesk"
	"chatbox/providers/notify"
	"chatbox/test/receivers"
)

type plain string

func (p plain) Reveal() string { return string(p) }

// world is one receiver of each kind, and the channels that lead there.
type world struct {
	mail     receivers.MailServer
	hook     receivers.WebServer
	sms      receivers.WebServer
	chat     receivers.WebServer
	channels []alert.Channel
}

// open starts the receivers; one whose address is given is started by the
// test.
func (w *world) open(t *testing.T, mailAddr, hookAddr string) {
	t.Helper()
	if mailAddr == "" {
		mailAddr = w.mail.Start(t, "")
	}
	if hookAddr == "" {
		w.hook.Start(t, "")
		hookAddr = strings.TrimPrefix(w.hook.URL, "http://")
	}
	w.sms.Start(t, "")
	w.chat.Start(t, "")
	host, port, err := net.SplitHostPort(mailAddr)
	require.NoError(t, err)
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	chat, err := url.Parse(w.chat.URL)
	require.NoError(t, err)
	made, err := notify.New(notify.Config{
		Email:   notify.EmailConfig{To: []string{"team@example.com"}, From: "chat@example.com", Host: host, Port: n},
		SMS:     notify.SMSConfig{To: []string{"+491701234567"}, From: "+4930123", Endpoint: w.sms.URL, Account: "AC1", Token: plain("t")},
		Webhook: notify.WebhookConfig{URL: plain("http://" + hookAddr + "/hook"), Secret: plain("0123456789abcdef01234567")},
		Chats:   []notify.Secret{plain("mattermost://" + chat.Host + "/token?disabletls=yes")},
	})
	require.NoError(t, err)
	t.Cleanup(made.Close)
	for _, c := range made.All {
		w.channels = append(w.channels, c)
	}
}

// tell makes a stack tell the world, faster than pods in service do.
func (w *world) tell(cfg *devstack.Config) {
	cfg.Channels = w.channels
	cfg.Alerts = alert.Config{
		SweepEvery: 50 * time.Millisecond, Lease: 2 * time.Second, SendTimeout: time.Second, Tries: 200,
		Backoff: 50 * time.Millisecond, BackoffMax: 200 * time.Millisecond, Workers: 4,
	}
}

// took is how many messages each receiver has taken.
func (w *world) took() [4]int {
	return [4]int{len(w.mail.Mails()), len(w.hook.Taken()), len(w.sms.Taken()), len(w.chat.Taken())}
}

// quiet waits until every alert is settled, so that nothing more is to come.
func quiet(t *testing.T, s alert.Store) {
	t.Helper()
	require.Eventually(t, func() bool {
		due, err := s.DueAlerts(t.Context(), time.Now().Add(time.Hour), 100)
		return err == nil && len(due) == 0
	}, patience, 10*time.Millisecond)
}

// crash is a history that stops one pod at a place, to be killed there.
type crash struct {
	app.MessageStore
	alert.Store

	at     string        // "insert" or "claim"
	gate   atomic.Bool   // closed at first: no other pod looks for alerts
	there  chan struct{} // closed when the pod has come to the place
	passed atomic.Bool
}

func (c *crash) watch(s app.Stores) app.Stores {
	c.MessageStore, c.Store = s.Messages, s.Alerts
	s.Messages, s.Alerts = c, c
	return s
}

// stop holds the pod at the place until it is dead.
func (c *crash) stop(ctx context.Context, at string) error {
	if c.at != at || !c.passed.CompareAndSwap(false, true) {
		return nil
	}
	close(c.there)
	<-ctx.Done()
	return chatbox.NewError(chatbox.StoreFailed, "", ctx.Err())
}

func (c *crash) Append(ctx context.Context, e chatbox.Event) error {
	if err := c.MessageStore.Append(ctx, e); err != nil || e.Type != chatbox.TypeHelpRequest {
		return err
	}
	return c.stop(ctx, "insert")
}

func (c *crash) ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error) {
	task, err := c.Store.ClaimAlert(ctx, k, token, now, until)
	if err != nil {
		return task, err
	}
	return task, c.stop(ctx, "claim")
}

func (c *crash) DueAlerts(ctx context.Context, before time.Time, limit int) ([]helpdesk.AlertKey, error) {
	if !c.gate.Load() {
		return nil, nil
	}
	return c.Store.DueAlerts(ctx, before, limit)
}

func TestAlert_APodDiesBetweenTheFlagAndTheSending(t *testing.T) {
	for _, place := range []string{"insert", "claim"} {
		t.Run("after its "+place, func(t *testing.T) {
			var w world
			w.open(t, "", "")
			stop := &crash{at: place, there: make(chan struct{})}
			c := start(t, 3, w.tell, func(cfg *devstack.Config) { cfg.Watch = stop.watch })
			agent := c.listen("acme", "agent", "", c.podURL(1), "admin")
			ada := c.listen("acme", "ada", "s-1", c.podURL(0))
			_, err := ada.Send(helpFrame("s-1"))
			require.NoError(t, err)
			<-stop.there
			assert.Equal(t, [4]int{}, w.took(), "nothing was sent yet")
			require.NoError(t, c.stack.KillPod("pod-1"))
			stop.gate.Store(true)
			agent.until(t, "notification", "help_requested", "s-1", 1)
			status, queue := c.request(c.as("acme", "agent", "admin").token, "GET", "/chatbox/admin/sessions?waiting=true", nil)
			require.Equal(t, 200, status)
			assert.EqualValues(t, 1, queue["total"], "whoever was told finds the user in the queue")
			require.Eventually(t, func() bool { return w.took() == [4]int{1, 1, 1, 1} }, patience, 10*time.Millisecond)
			quiet(t, stop.Store)
			assert.Equal(t, [4]int{1, 1, 1, 1}, w.took(), "exactly once each")
			assert.Equal(t, 1, agent.told("notification", "help_requested", "s-1"))
		})
	}
}

// claims notes which pod has claimed last: tokens begin with its name.
type claims struct {
	alert.Store

	by *atomic.Value
}

func (c *claims) ClaimAlert(ctx context.Context, k helpdesk.AlertKey, token string, now, until time.Time) (helpdesk.AlertTask, error) {
	task, err := c.Store.ClaimAlert(ctx, k, token, now, until)
	if err == nil {
		pod, _, _ := strings.Cut(token, ".")
		c.by.Store(pod)
	}
	return task, err
}

func TestAlert_APodDiesWhileItSends(t *testing.T) {
	var w world
	sending, killed := make(chan struct{}, 2), make(chan struct{})
	w.mail.Answer = func(nth int) string {
		if nth == 1 {
			sending <- struct{}{}
			<-killed
			return "451 too late"
		}
		return ""
	}
	w.hook.Answer = func(_ http.ResponseWriter, _ *http.Request, nth int) int {
		if nth == 1 {
			sending <- struct{}{}
			<-killed // taken, and nobody is there to be told
		}
		return http.StatusOK
	}
	w.open(t, "", "")
	var stores app.Stores
	var by atomic.Value
	c := start(t, 3, w.tell, func(cfg *devstack.Config) {
		cfg.Alerts.SendTimeout, cfg.Alerts.Lease = 3*time.Second, 4*time.Second
		cfg.Watch = func(s app.Stores) app.Stores {
			stores = s
			s.Alerts = &claims{Store: s.Alerts, by: &by}
			return s
		}
	})
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	c.help(ada, "s-1")
	<-sending
	<-sending
	require.NoError(t, c.stack.KillPod(chatbox.PodID(by.Load().(string))))
	close(killed)
	require.Eventually(t, func() bool { return len(w.mail.Mails()) > 0 }, patience, 10*time.Millisecond)
	quiet(t, stores.Alerts)
	assert.Len(t, w.mail.Mails(), 1, "it was not taken before: once")
	ids := map[string]bool{}
	for _, r := range w.hook.Taken() {
		ids[r.Header.Get("Webhook-Id")] = true
	}
	assert.Len(t, ids, 1, "a webhook repeats with its id")
	assert.GreaterOrEqual(t, len(w.hook.Taken()), 1)
}

func TestAlert_ThreePodsSweepTogether(t *testing.T) {
	var w world
	w.open(t, "", "")
	var stores app.Stores
	c := start(t, 3, w.tell, func(cfg *devstack.Config) {
		cfg.Alerts.SweepEvery = 25 * time.Millisecond
		cfg.Watch = func(s app.Stores) app.Stores { stores = s; return s }
	})
	const users, each = 6, 3
	for u := range users {
		d := c.listen("acme", fmt.Sprint("user-", u), "", c.podURL(u%3))
		for s := range each {
			c.help(d, fmt.Sprintf("s-%d-%d", u, s))
		}
	}
	quiet(t, stores.Alerts)
	const all = users * each
	assert.Equal(t, [4]int{all, all, all, all}, w.took())
	mails, hooks := map[string]int{}, map[string]int{}
	for _, m := range w.mail.Mails() {
		read, err := mail.ReadMessage(strings.NewReader(m.Data))
		require.NoError(t, err)
		mails[read.Header.Get("Message-Id")]++
		assert.NotContains(t, m.Data, canary)
	}
	for _, r := range w.hook.Requests() {
		hooks[r.Header.Get("Webhook-Id")]++
		assert.NotContains(t, r.Body, canary)
	}
	assert.Len(t, mails, all)
	assert.Len(t, hooks, all)
}

func TestAlert_ReceiversThatAreAwayGetItWhenTheyAreBack(t *testing.T) {
	var w world
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	hookAddr := l.Addr().String()
	require.NoError(t, l.Close()) // nobody listens there yet
	w.mail.Answer = func(nth int) string {
		if nth < 4 {
			return "451 not now"
		}
		return ""
	}
	w.open(t, "", hookAddr)
	var stores app.Stores
	c := start(t, 3, w.tell, func(cfg *devstack.Config) {
		cfg.Watch = func(s app.Stores) app.Stores { stores = s; return s }
	})
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	c.help(ada, "s-1")
	require.Eventually(t, func() bool { return len(w.mail.Mails()) == 1 }, patience, 10*time.Millisecond)
	w.hook.Start(t, hookAddr)
	quiet(t, stores.Alerts)
	assert.Equal(t, [4]int{1, 1, 1, 1}, w.took())
	assert.Equal(t, 4, w.mail.Tried())
}

func TestAlert_GivenUpIsToldToAdmins(t *testing.T) {
	var w world
	w.mail.Answer = func(int) string { return "550 never" }
	w.open(t, "", "")
	c := start(t, 2, w.tell, func(cfg *devstack.Config) { cfg.Alerts.Tries = 3 })
	agent := c.listen("acme", "agent", "", c.podURL(1), "admin")
	ada := c.listen("acme", "ada", "s-1", c.podURL(0))
	c.help(ada, "s-1")
	agent.until(t, "notification", "notify_failed", "s-1", 1)
	assert.Equal(t, 3, w.mail.Tried())
	assert.Equal(t, [4]int{0, 1, 1, 1}, w.took())
}

func helpFrame(session string) client.Frame {
	return client.Frame{Type: client.TypeHelpRequest, SessionID: session, Content: canary}
}
