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
	lookEvery    = time.Second      // at what the pod depends on
	lookWithin   = 2 * time.Second  // one look
	examineEvery = 15 * time.Second // how Redis is set up: after a failover it is another server
	deafFor      = 3 * time.Second  // with Redis there, before the bus counts as broken
	prepareFor   = 10 * time.Second // a history whose indexes are being made is no outage so long
)

// surroundings is what the pod knows of what it depends on.
type surroundings struct {
	redis, mongo, bus, card *outage.Outage
	deaf, preparing         time.Time // since when; zero: it is not. Each of its loop alone
	examined                time.Time // the latest examination. Of the loop alone, and before it of the start

	mu      sync.Mutex // guards following
	setup   error      // why Redis as it is set up will not do
	settled bool       // it was once found to be well
	advised map[string]bool
}

func newSurroundings(log *slog.Logger) surroundings {
	return surroundings{
		redis: outage.New("redis", log), mongo: outage.New("mongodb", log), bus: outage.New("bus", log),
		card: outage.New("redis: the pod's registration", log), advised: map[string]bool{},
	}
}

// watchSurroundings looks at what the pod depends on until ctx ends, so that an
// outage is told of whether or not anybody needs it now. Started and waited for
// by the App.
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
	wg.Wait()
}

// startInGoodSurroundings starts the pod unless Redis is there and will not do:
// then nothing is opened. A Redis that is away is waited for by the pod, which
// lives and is not ready.
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

// causeOf leaves out what is written for users.
func causeOf(err error) error {
	if e, ok := errors.AsType[*chatbox.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// noteBus tells of a bus that is silent although Redis is there: where Redis is
// away that is no news.
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

// examine asks Redis how it is set up. What will not do keeps the pod from being
// ready; found before all has been well once, it ends the pod, since starting it
// again would change nothing. A Redis that does not answer is asked again later.
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

// judgeAddress ends the pod where REDIS_URL leads to a server of another kind
// than it says, unless the server was once the right one.
func (a *App) judgeAddress(err error) {
	if a.opts.Env != "" && redisstate.Misdirected(err) && !a.around.wasWell() {
		a.fail(causeOf(err))
	}
}

// wasWell reports whether Redis was once found to be as it should be.
func (s *surroundings) wasWell() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settled
}

// settle keeps a verdict; it reports whether none was good before.
func (s *surroundings) settle(err error) (first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = !s.settled
	s.setup, s.settled = err, s.settled || err == nil
	return first
}

// misfit is the latest verdict.
func (s *surroundings) misfit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setup
}

// advise warns of something once.
func (a *App) advise(ctx context.Context, what string) {
	a.around.mu.Lock()
	known := a.around.advised[what]
	a.around.advised[what] = true
	a.around.mu.Unlock()
	if !known {
		a.log.WarnContext(ctx, "redis is not set up as it should be", "advice", what)
	}
}
