package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"chatbox"
	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/api"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/door"
	"chatbox/app/web"
	"chatbox/hub"
	"chatbox/internal/outage"
	"chatbox/redisstate"
)

// The proofs that leaves satisfy what the use cases and the edge need.
var (
	_ conversation.Log      = (*redisstate.Client)(nil)
	_ conversation.Traces   = (*redisstate.Client)(nil)
	_ conversation.Leases   = (*redisstate.Client)(nil)
	_ conversation.Pieces   = (*redisstate.Client)(nil)
	_ conversation.Schedule = (*redisstate.Client)(nil)
	_ conversation.Registry = (*redisstate.Client)(nil)
	_ conversation.Bus      = (*redisstate.Bus)(nil)
	_ conversation.Seats    = (*hub.Feeds)(nil)
	_ conversation.Acks     = (*hub.Feeds)(nil)
	_ conversation.Feed     = (*hub.Feeds)(nil)
	_ conversation.Observer = (*observer)(nil)
	_ conversation.Socket   = (*hub.Conn)(nil)
	_ redisstate.Handler    = (*late)(nil)
	_ api.Conversations     = (*conversation.Service)(nil)
	_ api.Aids              = (*desk.Service)(nil)
	_ api.Readiness         = (*App)(nil)
	_ api.Access            = (*access.Gate)(nil)
	_ access.Tickets        = (*redisstate.Client)(nil)
	_ access.Marks          = (*redisstate.Client)(nil)
	_ api.Blocking          = (*access.Gate)(nil)
	_ access.News           = (*redisstate.Client)(nil)
	_ access.Counts         = (*redisstate.Client)(nil)
	_ access.Sockets        = (*hub.Hub)(nil)
	_ alert.Staff           = (*redisstate.Client)(nil)
	_ alert.Observer        = (*observer)(nil)
	_ conversation.Alerts   = (*alert.Service)(nil)

	_ conversation.HelpLimits = (*redisstate.Client)(nil)
	_ conversation.Receipts   = (*redisstate.Client)(nil)
	_ desk.Roster             = (*redisstate.Client)(nil)
	_ desk.Floor              = (*hub.Hub)(nil)
	_ desk.Line               = (*hub.Feeds)(nil)
)

// New wires a pod; nothing is opened but a lazy client of Redis.
func New(o Options) (*App, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "chat_history_decrypt_failures_total", Help: "Sealed boxes that could not be opened: a wrong key, or altered data.",
	}, func() float64 { return float64(o.DecryptFailures()) }))
	redis, err := redisstate.Open(o.Redis, o.Sealer)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	a := &App{id: o.ID, opts: o, log: o.Logger.With("pod", string(o.ID)), registry: reg, redis: redis, stores: o.Stores, failed: make(chan error, 1)}
	a.door = door.New(o.Door, reg)
	a.around = newSurroundings(a.log)
	a.clock.told = outage.New("clock", a.log)
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chat_clock_ahead_seconds", Help: "How far the pod's clock is ahead of Redis'; negative where it is behind.",
	}, a.clock.seconds))
	o.Hub.Logger = a.log
	a.hub = hub.New(o.Hub, api.Encode, hub.NewMetrics(reg))
	feeds := hub.NewFeeds(a.hub)
	watch := newObserver(reg)
	a.alerts = alert.New(o.Alerts, alert.Deps{
		Pod: o.ID, Store: o.Stores.Alerts, Staff: redis, Channels: o.Channels, Observer: watch, Logger: a.log,
		Mend: func(ctx context.Context, k chatbox.SessionKey) error { return a.service.Mend(ctx, k) },
	})
	deps := conversation.Deps{
		Messages: o.Stores.Messages, Catalog: o.Stores.Sessions, Turns: o.Stores.Turns,
		Tombstones: o.Stores.Tombs, Traces: redis, Shares: o.Stores.Shares, Audit: o.Stores.Audit,
		Ledger: o.Stores.Ledger, Crowds: o.Stores.Crowds, Erasures: o.Stores.Erasures, Cards: o.Stores.Cards, Ratings: o.Stores.Ratings, Blocks: o.Stores.Blocks,
		Staff: redis, Log: redis, Leases: redis, Interrupts: redis, Pieces: redis, Whispers: redis, Reads: redis, Receipts: redis, TypingLeases: feeds, Schedule: redis, Registry: redis, Presence: redis, Colleagues: redis, Watchers: redis,
		LLM: o.LLM, Seats: feeds, Rights: feeds, Currents: feeds, Acks: feeds, Feed: feeds,
		Alerts: a.alerts, HelpLimits: redis, Observer: watch, Logger: a.log, Clock: a.now,
	}
	a.tally = newTally(o.ID, o.Stores.Crowds, feeds.Crowd)
	a.gate = access.New(o.Access, access.Deps{
		Tickets: redis, Marks: redis, Counts: redis, Archive: o.Stores.Withdrawals, Blocks: o.Stores.Blocks, News: redis, Sockets: a.hub, Audit: o.Stores.Audit, Logger: a.log,
	})
	a.desk = desk.New(o.Desk, desk.Deps{
		Catalog: o.Stores.Sessions, Cards: o.Stores.Cards, Audit: o.Stores.Audit, Logger: a.log,
		Queue: o.Stores.Queue, Labels: o.Stores.Labels, Whispers: redis, Staff: redis,
		Finder: o.Stores.Finder,
		Roster: redis, Floor: a.hub, Line: feeds, Holdings: o.Stores.Sessions,
		Owned: func(ctx context.Context, actor chatbox.Actor, id string) (chatbox.Session, error) {
			return a.service.Owned(ctx, actor, id)
		},
	})
	// The bus and the service need each other: the service is the bus's
	// handler, the bus the service's port.
	handler := &late{hub: a.hub, gate: a.gate}
	a.bus = redisstate.NewBus(redis, o.ID, handler, a.log)
	deps.Bus = a.bus
	a.service = conversation.New(o.Conversation, deps)
	feeds.OnShown(a.service.Shown)
	handler.Service = a.service
	return a, nil
}

// late hands what the bus brings to whom it concerns; the service is set after
// what needs it was made, and before that runs.
type late struct {
	*conversation.Service

	hub  *hub.Hub
	gate *access.Gate
}

// Notice tells the tenant's admins on this pod, or the one whom it is for.
func (l *late) Notice(n chatbox.Notice) {
	if n.To != "" {
		l.hub.NotifyAdmin(chatbox.UserKey{Tenant: n.Tenant, ID: n.To}, api.Notification(n))
		return
	}
	l.hub.Notify(n.Tenant, api.Notification(n))
}

// Resubscribed tells both that something may have been missed.
func (l *late) Resubscribed() {
	l.Service.Resubscribed()
	l.gate.Resubscribed()
}

// Disconnected is the gate's affair.
func (l *late) Disconnected(w chatbox.Withdrawal) { l.gate.Disconnected(w) }

// BlockChanged likewise.
func (l *late) BlockChanged(u chatbox.UserKey) { l.gate.BlockChanged(u) }

// handler is the pod's edge; in development the console stands beside it.
func (a *App) handler() http.Handler {
	edge := http.Handler(api.New(a.opts.API, api.Deps{
		Conversations: a.service, Aids: a.desk, Hub: a.hub, Auth: a.opts.Auth, Access: a.gate, Blocking: a.gate, Readiness: a, Metrics: a.registry, Registerer: a.registry, Logger: a.log,
	}))
	if !a.opts.Console {
		return edge
	}
	at := a.opts.API.Prefix + "/console"
	console := web.Handler(at)
	// No ServeMux: it redirects paths that it would write otherwise, where the
	// edge has an answer.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == at || strings.HasPrefix(r.URL.Path, at+"/") {
			console.ServeHTTP(w, r)
			return
		}
		edge.ServeHTTP(w, r)
	})
}
