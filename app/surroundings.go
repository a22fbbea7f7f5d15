package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"chatbox"
	"chatbox/app/config"
	"chatbox/internal/outage"
	"chatbox/internal/sleep"
	"chatbox/redisstate"
)

const (
	lookEvery    = time.Second      // interval of the checks
	lookWithin   = 2 * time.Second  // timeout of one check
	examineEvery = 15 * time.Second // interval of checking Redis' settings: a failover changes the server
	deafFor      = 3 * time.Second  // time without own messages, while Redis answers, before the bus counts as broken
	prepareFor   = 10 * time.Second // time for which building indexes does not count as an outage
)

// surroundings is what the pod knows about its dependencies.
type surroundings struct {
	redis, mongo, bus, card *outage.Outage
	deaf, preparing         time.Time // since when; zero: not. Each is used by its own loop only
	examined                time.Time // latest examination. Used by the loop only, and before that by the start

	mu      sync.Mutex // guards following
	setup   error      // why Redis' settings are unsuitable
	settled bool       // the settings were suitable once
	advised map[string]bool
}

func newSurroundings(log *slog.Logger) surroundings {
	return surroundings{
		redis: outage.New("redis", log), mongo: outage.New("mongodb", log), bus: outage.New("bus", log),
		card: outage.New("redis: the pod's registration", log), advised: map[string]bool{},
	}
}

// watchSurroundings checks the pod's dependencies until ctx ends, so that an
// outage is logged even if nobody uses them. The App starts it and waits for it.
func (a *App) watchSurroundings(ctx context.Context) {
	var wg sync.WaitGroup
	for _, look := range []func(context.Context){a.lookAtRedis, a.lookAtHistory} {
		wg.Go(func() { // ends with ctx; waited for below
			for {
				look(ctx)
				if !sleep.For(ctx, lookEvery) {
					return
				}
			}
		})
	}
	if a.peers != nil {
		wg.Go(func() { a.watchPeers(ctx) }) // ends with ctx; waited for below
	}
	wg.Wait()
}

// startInGoodSurroundings starts the pod, unless Redis answers and has unsuitable
// settings; then nothing is opened. If Redis is unavailable, the pod starts and
// waits for it, and is not ready.
func (a *App) startInGoodSurroundings(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	a.examine(within, time.Now())
	select {
	case err := <-a.failed:
		return errors.Join(err, a.redis.Close())
	default:
		return a.Start(ctx)
	}
}

func (a *App) lookAtRedis(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	err, now := a.redis.Probe(within), time.Now()
	if err == nil {
		if a.around.redis.Kind() != "" || now.Sub(a.around.examined) >= examineEvery {
			a.examine(within, now)
		}
		err = a.around.misfit()
	}
	if ctx.Err() != nil {
		return
	}
	a.judgeAddress(err)
	a.around.redis.NoteAs(ctx, redisstate.Kind(err), causeOf(err))
	a.noteBus(ctx, err, now)
}

func (a *App) lookAtHistory(ctx context.Context) {
	within, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	err, now := a.stores.Ping(within), time.Now()
	if ctx.Err() != nil {
		return
	}
	kind := a.stores.kind(err)
	if kind != outage.Preparing {
		a.around.preparing = time.Time{}
	} else if a.around.preparing.IsZero() {
		a.around.preparing = now
	}
	if kind != outage.Preparing || now.Sub(a.around.preparing) >= prepareFor {
		a.around.mongo.NoteAs(ctx, kind, causeOf(err))
	}
}

// causeOf strips the text for users from an error.
func causeOf(err error) error {
	if e, ok := errors.AsType[*chatbox.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// noteBus logs that the bus is silent although Redis answers. During an outage of
// Redis a silent bus is expected.
func (a *App) noteBus(ctx context.Context, redis error, now time.Time) {
	silent := a.bus.Silent()
	switch {
	case silent == nil:
		a.around.deaf = time.Time{}
		a.around.bus.Note(ctx, nil)
	case redis != nil:
		a.around.deaf = time.Time{}
	case a.around.deaf.IsZero():
		a.around.deaf = now
	case now.Sub(a.around.deaf) >= deafFor:
		a.around.bus.NoteAs(ctx, outage.Deaf, silent)
	}
}

// examine checks Redis' settings. Unsuitable settings make the pod not ready. If
// they were never suitable, they end the pod, because a restart would not help.
// If Redis does not answer, it is asked again later.
func (a *App) examine(ctx context.Context, now time.Time) {
	if a.opts.Env == "" {
		return
	}
	servers, err := a.redis.Examine(ctx)
	a.judgeAddress(err)
	if err != nil {
		a.log.DebugContext(ctx, "redis not examined", "error", err)
		return
	}
	a.around.examined = now
	var faults []error
	for _, s := range servers {
		if wrong := s.Outdated(); wrong != "" {
			faults = append(faults, outage.As(outage.Version, errors.New(wrong)))
		}
		if wrong := s.Forgetful(); wrong != "" && a.opts.Env == config.Production {
			faults = append(faults, outage.As(outage.Eviction, errors.New(wrong+"; only CHATBOX_ENV=development runs without")))
		} else if wrong != "" {
			a.advise(ctx, wrong)
		}
		for _, advice := range s.Advice() {
			a.advise(ctx, advice)
		}
	}
	err = errors.Join(faults...)
	if first := a.around.settle(err); err != nil && first {
		a.fail(err)
	}
}

// judgeAddress ends the pod if REDIS_URL leads to another kind of server than it
// says, unless the server was the right one before.
func (a *App) judgeAddress(err error) {
	if a.opts.Env != "" && redisstate.Misdirected(err) && !a.around.wasWell() {
		a.fail(causeOf(err))
	}
}

// wasWell reports whether Redis' settings were suitable before.
func (s *surroundings) wasWell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled
}

// settle stores a verdict. It reports whether none has been good so far.
func (s *surroundings) settle(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = !s.settled
	s.setup, s.settled = err, s.settled || err == nil
	return first
}

// misfit returns the latest verdict.
func (s *surroundings) misfit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setup
}

// advise logs a warning once.
func (a *App) advise(ctx context.Context, what string) {
	a.around.mu.Lock()
	known := a.around.advised[what]
	a.around.advised[what] = true
	a.around.mu.Unlock()
	if !known {
		a.log.WarnContext(ctx, "redis settings should be changed", "advice", what)
	}
}
