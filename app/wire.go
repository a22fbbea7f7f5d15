package app

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"chatbox/app/access"
	"chatbox/app/alert"
	"chatbox/app/answer"
	"chatbox/app/api"
	"chatbox/app/conversation"
	"chatbox/app/desk"
	"chatbox/app/door"
	"chatbox/app/feedback"
	"chatbox/app/history"
	"chatbox/app/live"
	"chatbox/app/privacy"
	"chatbox/app/seek"
	"chatbox/app/sessionlog"
	"chatbox/app/web"
	"chatbox/hub"
	"chatbox/internal/outage"
	"chatbox/redisstate"
)

// New wires a pod. It opens only a lazy client of Redis.
func New(o Options) (*App, error) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "chat_history_decrypt_failures_total", Help: "Sealed boxes that could not be opened: a wrong key, or altered data.",
	}, func() float64 { return float64(o.DecryptFailures()) }))
	meters := o.Meters
	if meters == nil {
		meters = NewMeters()
	}
	meters.register(reg)
	o.Redis.Done = meters.RedisDone
	redis, err := redisstate.Open(o.Redis, o.Sealer)
	if err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	a := &App{id: o.ID, opts: o, log: o.Logger.With("pod", string(o.ID)), registry: reg, redis: redis, stores: o.Stores, failed: make(chan error, 1)}
	a.door = door.New(o.Door, reg)
	a.countCostFailures(reg)
	a.around = newSurroundings(a.log)
	a.clock.told = outage.New("clock", a.log)
	if o.Stores.Peers != nil {
		a.peers = newPeers(o.ID, outage.New("redis: one for all pods", a.log))
	}
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chat_clock_ahead_seconds", Help: "How far the pod's clock is ahead of Redis'; negative where it is behind.",
	}, a.clock.seconds))
	o.Hub.Logger = a.log
	a.hub = hub.New(o.Hub, api.Encoder(o.API.Prefix), hub.NewMetrics(reg))
	a.bus = redisstate.NewBus(redis, o.ID, a.log)
	a.gate = access.New(o.Access, access.Deps{
		Tickets: redis, Marks: redis, Counts: redis, Archive: o.Stores.Withdrawals, Blocks: o.Stores.Blocks, News: redis, Sockets: a.hub, Audit: o.Stores.Audit, Logger: a.log,
	})
	feeds, watch := hub.NewFeeds(a.hub), newObserver(reg)
	a.tally = newTally(o.ID, o.Stores.Concurrency, feeds.OpenSessions)
	a.wireUseCases(feeds, watch)
	a.registerFacts(reg)
	return a, nil
}

// registerFacts registers the metrics that are read when they are collected.
func (a *App) registerFacts(reg prometheus.Registerer) {
	revision := Revision()
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chat_build_info", Help: "1, with the version and the revision that the pod was built from.",
			ConstLabels: prometheus.Labels{"version": Version, "revision": revision},
		}, func() float64 { return 1 }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chat_turns_waiting", Help: "Sessions that wait on this pod for an answer to begin.",
		}, func() float64 { return float64(a.answers.Waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "chat_generations_running", Help: "Answers that this pod is giving.",
		}, func() float64 { return float64(a.answers.Generations()) }),
	)
}

// wireUseCases creates the use cases in order of their dependencies.
func (a *App) wireUseCases(feeds *hub.Feeds, watch *observer) {
	o, redis := a.opts, a.redis
	due := answer.NewQueue(o.Answer)
	log := sessionlog.New(o.Log, sessionlog.Deps{
		Messages: o.Stores.Messages, Sessions: o.Stores.Sessions, Turns: o.Stores.Turns, Hot: redis, Due: due,
		Observer: watch, Logger: a.log, Clock: a.now,
	})
	a.wireFiles(log, watch)
	a.wireTranscripts(log, watch)
	a.answers = answer.New(o.Answer, answer.Deps{
		Log: log, Due: due, Messages: o.Stores.Messages, Turns: o.Stores.Turns, Holdings: o.Stores.Sessions,
		Leases: redis, Interrupts: redis, Pieces: redis, Schedule: redis, Lives: redisstate.NewLives(redis), LLM: o.LLM, Files: a.attachments(),
		Transcripts: a.answerTranscripts(),
		Ephemerals:  redis, Observer: watch, Logger: a.log,
		MayClaim: func() bool { return a.peerState() == "" }, // other pods may be answering by leases in their Redis
	})
	receipts := live.NewReceipts(redis, a.log)
	feeds.OnShown(receipts.Shown)
	a.live = live.New(o.Live, live.Deps{
		Log: log, Messages: o.Stores.Messages, Heads: redis, Bus: a.bus, Registry: redis, Watchers: redis,
		Attachments: feeds, Rights: feeds, Currents: feeds, Acks: feeds, Feed: feeds, TypingLeases: feeds,
		Receipts: receipts, Reads: redis, Ephemerals: redis, Audit: o.Stores.Audit, Observer: watch, Logger: a.log,
	})
	a.privacy = privacy.New(o.Privacy, privacy.Deps{
		Log: log, Answers: a.answers, Sessions: o.Stores.Sessions, Messages: o.Stores.Messages, Tombstones: o.Stores.Tombs, Traces: redis,
		Shares: o.Stores.Shares, Cards: o.Stores.Cards, Blocks: o.Stores.Blocks, Erasures: o.Stores.Erasures, Audit: o.Stores.Audit, Files: a.files,
		Logger: a.log,
	})
	a.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "chat_erasures_failing", Help: "Erasures of sessions and people that failed on this pod and will be tried again.",
	}, func() float64 { return float64(a.privacy.Failing()) }))
	a.history = history.New(history.Deps{
		Log: log, Messages: o.Stores.Messages, Sessions: o.Stores.Sessions, Latest: redis, Shares: o.Stores.Shares, Overview: o.Stores.Ledger,
		Concurrency: o.Stores.Concurrency, Audit: o.Stores.Audit, Turns: a.live, Logger: a.log,
	})
	a.alerts = alert.New(o.Alerts, alert.Deps{
		Pod: o.ID, Store: o.Stores.Alerts, Staff: redis, Channels: o.Channels, Observer: watch, Logger: a.log, SyncRecord: log.SyncRecord,
	})
	a.talks = conversation.New(o.Conversation, conversation.Deps{
		Log: log, Answers: a.answers, Live: a.live, Messages: o.Stores.Messages, Sessions: o.Stores.Sessions,
		Attachments: feeds, Acks: feeds, Audit: o.Stores.Audit, Alerts: a.alerts, HelpLimits: redis, Files: a.fileUse(), Fetches: a.fileFetches(), Ratings: o.Stores.Ratings,
		Transcripts: a.postTranscripts(),
		Staff:       redis, Colleagues: redis, Presence: redis, Ephemerals: redis, Observer: watch, Logger: a.log,
	})
	answers := seek.NewAnswers()
	a.feedback = feedback.New(feedback.Deps{Log: log, Answers: answers, Messages: o.Stores.Messages, Store: o.Stores.Feedback, Observer: watch})
	a.wireSpeech(log, answers, watch)
	a.wireHelpDesk(feeds, log)
	a.sessions = log
}

// wireHelpDesk creates the help desk's use cases.
func (a *App) wireHelpDesk(feeds *hub.Feeds, log *sessionlog.Log) {
	st, redis := a.opts.Stores, a.redis
	support := desk.NewSupport(a.opts.Desk, desk.SupportDeps{Cards: st.Cards, Audit: st.Audit, Logger: a.log})
	a.help = desk.NewHelp(desk.HelpDeps{
		Support: support, StaffPresence: redis, Queue: st.Queue, QueueSockets: feeds, Owned: log.Owned, Logger: a.log,
	})
	a.team = desk.NewTeam(desk.TeamDeps{StaffPresence: redis, LocalStaff: a.hub, Holdings: st.Sessions, Logger: a.log})
	a.desk = api.HelpDesk{
		Notes: desk.NewNotes(desk.NotesDeps{Catalog: st.Sessions, Audit: st.Audit, Cards: st.Cards, Ephemerals: redis, Logger: a.log}),
		Replies: desk.NewReplies(desk.RepliesDeps{
			Catalog: st.Sessions, Audit: st.Audit, Cards: st.Cards, Support: support, Logger: a.log,
		}),
		Search: desk.NewSearch(desk.SearchDeps{Finder: st.Finder, Audit: st.Audit}),
		Labels: desk.NewLabelling(desk.LabellingDeps{
			Catalog: st.Sessions, Audit: st.Audit, Labels: st.Labels, Queue: st.Queue, Staff: redis, Logger: a.log,
		}),
		Support: support, Help: a.help, Team: a.team,
	}
}

// Minimum rates per second of frames and new sockets of one user on a pod, and
// the number of the user's concurrent requests.
const (
	leastFrames  = 50
	leastSockets = 10
	requestsEach = 3
)

// paced sets the bounds of one user on this pod. Frames per second are half of
// the messages per minute, which is thirty frames per message, and new sockets
// per second are the user's sockets; each has a minimum.
func (a *App) paced(cfg api.Config) api.Config {
	cfg.FrameRate = max(leastFrames, a.opts.Redis.RateLimit/2)
	cfg.SocketRate = max(leastSockets, a.opts.Redis.MaxSocketsPerUsr)
	cfg.Requests = requestsEach
	return cfg
}

// handler returns the pod's edge; in development it also serves the console.
func (a *App) handler() http.Handler {
	edge := http.Handler(api.New(a.paced(a.opts.API), api.Deps{
		Live: a.live, Talks: a.talks, History: a.history, Privacy: a.privacy, Answers: a.answers, Files: a.fileEdge(), Speech: a.speechEdge(), Feedback: a.feedback, HelpDesk: a.desk, Hub: a.hub, Auth: a.opts.Auth, Access: a.gate, Blocking: a.gate, Readiness: a, Metrics: a.registry, Registerer: a.registry, Logger: a.log,
	}))
	if !a.opts.Console {
		return edge
	}
	at := a.opts.API.Prefix + "/console"
	console := web.Handler(at)
	// A ServeMux would redirect paths that are not clean, but the edge must
	// answer them.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == at || strings.HasPrefix(r.URL.Path, at+"/") {
			console.ServeHTTP(w, r)
			return
		}
		edge.ServeHTTP(w, r)
	})
}
