package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatbox/app/api"
	"chatbox/app/config"
	"chatbox/redisstate"
)

// skewTold is the difference between clocks that is worth a warning. NTP keeps
// clocks within a fraction of it.
const skewTold = 5 * time.Second

// redisServer is Redis as the check needs it.
type redisServer interface {
	// Probe reports whether Redis accepts writes and runs scripts. Its key expires.
	Probe(ctx context.Context) error
	// Examine returns the settings of the server, or of each master.
	Examine(ctx context.Context) ([]redisstate.Server, error)
	// Echo proves that pub/sub works.
	Echo(ctx context.Context) error
	// Time returns the server's time.
	Time(ctx context.Context) (time.Time, error)
	Close() error
}

// openRedis returns a lazy client of the pod's Redis.
func openRedis(cfg config.Redis) (redisServer, error) { //nolint:ireturn // tests pass another
	return redisstate.Open(cfg.Client(redisstate.DefaultConfig()), nil)
}

// redisPlace names Redis without its credentials.
func redisPlace(cfg config.Redis) place {
	p := place{what: "Redis", at: strings.Join(cfg.Addrs, ","), setting: "REDIS_URL"}
	switch cfg.Kind {
	case config.RedisSentinel:
		p.at = fmt.Sprintf("the master %q of the sentinels %s", cfg.Master, p.at)
	case config.RedisCluster:
		p.at = "the Cluster of " + p.at
	}
	return p
}

// lookAtRedis examines Redis. production says that a pod refuses a Redis that
// evicts keys.
func lookAtRedis(ctx context.Context, at place, redis redisServer, production bool) []Finding {
	r := &report{name: "redis"}
	if err := redis.Probe(ctx); err != nil {
		r.say(Fail, at.trouble(redisstate.Kind(err), err))
		return []Finding{r.finding()}
	}
	if err := redis.Echo(ctx); err != nil {
		r.say(Fail, at.at+" delivers no messages ("+causeOf(err)+"). Give the user of REDIS_URL access to channels: ACL SETUSER name allchannels")
	}
	servers, err := redis.Examine(ctx)
	if err != nil {
		r.say(Warn, "the settings of "+at.at+" cannot be read ("+causeOf(err)+")")
	}
	slices.SortFunc(servers, func(a, b redisstate.Server) int { return strings.Compare(a.Addr, b.Addr) })
	judgeServers(r, servers, production)
	judgeTime(ctx, r, redis)
	r.say(OK, redisSummary(at, servers))
	return []Finding{r.finding()}
}

func judgeServers(r *report, servers []redisstate.Server, production bool) {
	for _, s := range servers {
		if wrong := s.Outdated(); wrong != "" {
			r.say(Fail, wrong)
		}
		if wrong := s.Forgetful(); wrong != "" {
			if production {
				r.say(Fail, wrong+"; only CHATBOX_ENV=development runs without")
			} else {
				r.say(Warn, wrong)
			}
		}
		for _, advice := range s.Advice() {
			r.say(Warn, advice)
		}
	}
}

// judgeTime compares this machine's clock with Redis'. A difference within the
// time of the question is none.
func judgeTime(ctx context.Context, r *report, redis redisServer) {
	sent := time.Now()
	theirs, err := redis.Time(ctx)
	took := time.Since(sent)
	if err != nil {
		r.say(Warn, "the time cannot be asked ("+causeOf(err)+")")
		return
	}
	ahead := sent.Add(took / 2).Sub(theirs)
	level := Warn
	switch {
	case ahead.Abs() <= took/2 || ahead.Abs() <= skewTold:
		return
	case ahead.Abs() > api.Leeway:
		level = Fail
	}
	way := "ahead of"
	if ahead < 0 {
		way = "behind"
	}
	r.say(level, fmt.Sprintf("this machine's clock is %s %s Redis': synchronize both with NTP", ahead.Abs().Round(time.Second), way))
}

func redisSummary(at place, servers []redisstate.Server) string {
	text := at.at + " answers, takes writes and delivers messages"
	if len(servers) == 0 {
		return text
	}
	s := servers[0]
	text += "; version " + s.Version + ", " + s.Policy
	if s.Cluster {
		text += fmt.Sprintf(", %d masters", len(servers))
	}
	if s.AOF {
		text += ", appendonly"
	}
	return text
}
