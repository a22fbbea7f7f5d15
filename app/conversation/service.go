package conversation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/internal/workqueue"
)

// Config is how patient the use cases are and how much they take on.
type Config struct {
	SystemPrompt string
	AnswerMax    int           // bytes of one answer
	AckWait      time.Duration // the longest a frame is kept waiting
	ReplayMax    int64         // events a resume replays at the most
	ReplayBurst  int64         // events this pod replays to one user at once, by any number of resumes
	ReplayRate   int64         // and more of them a second
	Generations  int           // answers given at once by this pod
	MaxClaims    int           // claims of one run before it fails honestly
	RenewEvery   time.Duration // a lease is renewed
	SweepEvery   time.Duration // what is due in Redis is looked for
	PendingEvery time.Duration // pending turns are looked for in the history
	CheckEvery   time.Duration // positions are compared with heads
	LoseAfter    time.Duration // without Redis an answer is given up
	EraseFor     time.Duration // traces of an erased session are looked for
	EraseEvery   time.Duration // and how often
	AdminGrace   time.Duration // a holder without sockets keeps a session
	AskRating    bool          // owners are asked after a talk with a person
	WatchNotice  bool          // owners are told that staff watches
}

// DefaultConfig has the values of the contract.
func DefaultConfig() Config {
	return Config{
		AnswerMax: 256 << 10, AckWait: 10 * time.Second, ReplayMax: 1000, ReplayBurst: 50_000, ReplayRate: 1000,
		Generations: 512, MaxClaims: 6, RenewEvery: 1500 * time.Millisecond,
		SweepEvery: 700 * time.Millisecond, PendingEvery: 15 * time.Second, CheckEvery: 10 * time.Second,
		LoseAfter: 60 * time.Second, EraseFor: 10 * time.Minute, EraseEvery: time.Minute, AdminGrace: 2 * time.Minute, AskRating: true,
	}
}

// Deps are the ports a Service works through; all are required.
type Deps struct {
	Messages     MessageStore
	Catalog      SessionStore
	Turns        TurnStore
	Tombstones   Tombstones
	Traces       Traces
	Shares       ShareStore
	Audit        AuditLog
	Ledger       Ledger
	Crowds       Crowds
	Erasures     Erasures
	Cards        Cards
	Ratings      Ratings
	Blocks       Blocks
	Staff        StaffBus
	Log          Log
	Leases       Leases
	Pieces       Pieces
	Interrupts   Interrupts
	Schedule     Schedule
	Bus          Bus
	Registry     Registry
	Presence     Presence
	Colleagues   Colleagues
	Watchers     Watchers
	LLM          LLM
	Seats        Seats
	Rights       Rights
	Acks         Acks
	Feed         Feed
	Currents     Currents
	Whispers     Whispers
	Reads        Reads
	Receipts     Receipts
	TypingLeases TypingLeases
	Alerts       Alerts
	HelpLimits   HelpLimits
	Observer     Observer
	Logger       *slog.Logger
	Clock        func() time.Time // nil: the machine's
}

// sessions is a queue of sessions.
type sessions = workqueue.Queue[chatbox.SessionKey]

// Service is the use cases of one pod. It is safe for concurrent use.
type Service struct {
	Deps
	cfg    Config
	serial serial
	behind *sessions // whose sockets here have missed something
	broken *sessions // whose hot copy lags behind the history
	due    *sessions // that may want an answer
	stale  *sessions // whose record lags behind their log
	// holdings whose grace time is over
	leaving *workqueue.Queue[chatbox.Holding]
	erased  *workqueue.Queue[chatbox.Tombstone] // sessions whose traces are to be looked for
	people  *workqueue.Queue[chatbox.Erasing]   // who are not erased yet

	running   sync.Map      // generations under way: *generation → struct{}
	forgotten chan struct{} // has one where Redis may have forgotten turns
	receipts  *receipts     // of old clients, not noted yet
	efforts   *efforts      // what users have had read for them
}

// New makes a service; Run starts its background work.
func New(cfg Config, d Deps) *Service {
	if d.Clock == nil {
		d.Clock = time.Now
	}
	s := &Service{Deps: d, cfg: cfg, forgotten: make(chan struct{}, 1), receipts: newReceipts(), efforts: newEfforts(cfg.ReplayBurst, cfg.ReplayRate)}
	s.behind = workqueue.New(workqueue.Config{Workers: 8, Longest: 10 * time.Second}, s.catchUp)
	s.broken = workqueue.New(workqueue.Config{Workers: 4}, s.healQuietly)
	s.due = workqueue.New(workqueue.Config{Workers: cfg.Generations, Longest: 5 * time.Second}, s.reply)
	s.stale = workqueue.New(workqueue.Config{Workers: 2, Longest: time.Minute}, s.mendQuietly)
	s.leaving = workqueue.New(workqueue.Config{Workers: 4, First: time.Second, Longest: time.Minute}, s.leaveQuietly)
	s.erased = workqueue.New(workqueue.Config{Workers: 4, First: time.Second, Longest: 5 * time.Minute}, s.sweepQuietly)
	s.people = workqueue.New(workqueue.Config{Workers: 2, First: time.Second, Longest: 5 * time.Minute}, s.erasePerson)
	return s
}

// Run does the background work until ctx ends: the sweeps, catching up,
// healing, mending and answering. It returns when all of it has stopped; answers under
// way are released to other pods.
func (s *Service) Run(ctx context.Context) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	queues := []interface {
		Open(ctx context.Context)
		Close()
		Wait()
	}{s.behind, s.broken, s.due, s.stale, s.leaving, s.erased, s.people}
	for _, q := range queues {
		q.Open(work)
	}
	s.sweep(ctx)
	s.due.Close()
	s.ReleaseAll()
	stop()
	for _, q := range queues {
		q.Close()
		q.Wait()
	}
}

// Models lists what users may choose.
func (s *Service) Models() []chatbox.Model { return s.LLM.Models() }

// Connect registers a socket against its user's cap.
func (s *Service) Connect(ctx context.Context, a chatbox.Actor, c chatbox.ConnID) error {
	return s.Registry.Connect(ctx, a.User(), c)
}

// Disconnect forgets a socket; its registration would age out by itself.
func (s *Service) Disconnect(ctx context.Context, a chatbox.Actor, c chatbox.ConnID) {
	if err := s.Registry.Disconnect(ctx, a.User(), c); err != nil {
		s.Logger.DebugContext(ctx, "registration left to age", "error", err)
	}
}

// Pods lists the pods that are alive.
func (s *Service) Pods(ctx context.Context) ([]chatbox.PodInfo, error) { return s.Registry.Pods(ctx) }

// Generations counts the answers this pod is giving.
func (s *Service) Generations() int {
	n := 0
	s.running.Range(func(any, any) bool { n++; return true })
	return n
}

// Update, Resubscribed and Wake are what the bus brings; none of them blocks.

// Update delivers one update to this pod's sockets.
func (s *Service) Update(u chatbox.Update) {
	if !s.Feed.Deliver(u) {
		s.behind.Add(u.Session)
	}
	if u.Event == nil {
		return
	}
	switch u.Event.Type {
	case chatbox.TypeAdminJoin, chatbox.TypeAdminLeave, chatbox.TypeSessionEnded:
		s.reap(u.Session) // whoever heard the session by holding it
	default: // nobody's right ends
	}
}

// Resubscribed has every position compared, as something may have been missed,
// and pending turns looked for: it may be an empty Redis that came back.
func (s *Service) Resubscribed() {
	s.behind.Add(everything)
	for _, q := range []*sessions{s.behind, s.broken, s.stale} {
		q.Retry() // what was in their way may have been this
	}
	select {
	case s.forgotten <- struct{}{}:
	default:
	}
}

// Wake says that a session's turn is free.
func (s *Service) Wake(k chatbox.SessionKey) { s.due.Add(k) }

// everything stands for all sessions in the line of those that are behind.
var everything = chatbox.SessionKey{} //nolint:gochecknoglobals // a constant

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// now is the moment as it is kept: in UTC, to the millisecond.
func (s *Service) now() time.Time { return s.Clock().UTC().Truncate(time.Millisecond) }
