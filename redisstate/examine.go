package redisstate

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"chatbox/internal/outage"
)

// keepsAll is the only policy under which a full Redis evicts nothing.
const keepsAll = "noeviction"

// Server is the configuration that a Redis server reports. Fields that it does
// not report are empty.
type Server struct {
	Addr    string
	Version string
	Policy  string // maxmemory-policy
	AOF     bool   // append-only file is on
	Save    string // when it saves snapshots; "": never
	Silent  bool   // it does not report whether it persists data
	Cluster bool
}

// Examine returns the configuration of the server, or of every master of a
// Cluster. Servers that do not permit CONFIG are asked by INFO only.
func (c *Client) Examine(ctx context.Context) ([]Server, error) {
	if !c.sharded {
		s, err := examine(ctx, c.rdb)
		if single, ok := c.rdb.(*redis.Client); ok && c.cfg.Master == "" {
			s.Addr = single.Options().Addr
		}
		return []Server{s}, wrap("examine", c.explain(err))
	}
	masters, err := c.masters(ctx)
	if err != nil {
		return nil, wrap("examine", c.explain(err))
	}
	var all []Server
	for m := range masters {
		s, err := examine(ctx, m)
		if err != nil {
			return nil, wrap("examine", err)
		}
		s.Addr, s.Cluster = m.Options().Addr, true
		all = append(all, s)
	}
	return all, nil
}

func examine(ctx context.Context, rdb redis.Cmdable) (Server, error) {
	var s Server
	text, err := rdb.Info(ctx).Result()
	if err != nil && !notSaid(err) {
		return s, err
	}
	info := parseInfo(text)
	s.Version, s.Policy, s.AOF = info["redis_version"], info["maxmemory_policy"], info["aof_enabled"] == "1"
	if s.Policy == "" {
		set, err := rdb.ConfigGet(ctx, "maxmemory-policy").Result()
		if err != nil && !notSaid(err) {
			return s, err
		}
		s.Policy = set["maxmemory-policy"]
	}
	set, err := rdb.ConfigGet(ctx, "save").Result()
	if err != nil && !notSaid(err) {
		return s, err
	}
	s.Save, s.Silent = set["save"], err != nil && !s.AOF
	return s, nil
}

// notSaid reports whether the server refuses the question: the command is
// unknown or not permitted.
func notSaid(err error) bool {
	return Kind(err) == outage.Permission || redis.HasErrorPrefix(err, "ERR unknown") || redis.HasErrorPrefix(err, "ERR section")
}

// parseInfo parses the "key:value" lines of INFO.
func parseInfo(text string) map[string]string {
	info := map[string]string{}
	for line := range strings.Lines(text) {
		if key, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[key] = v
		}
	}
	return info
}

func (s Server) name() string {
	if s.Addr == "" {
		return "Redis"
	}
	return "Redis at " + s.Addr
}

// Outdated describes what is wrong with the server's version; "" if nothing
// is. Tickets need GETDEL, and the bus on a Cluster needs sharded channels.
func (s Server) Outdated() string {
	needs, major, minor := "6.2", 6, 2
	if s.Cluster {
		needs, major, minor = "7.0", 7, 0
	}
	var is [2]int
	for i, part := range strings.SplitN(s.Version, ".", 3) {
		n, err := strconv.Atoi(part)
		if err != nil || i > 1 {
			break
		}
		is[i] = n
	}
	if is[0] == 0 || is[0] > major || is[0] == major && is[1] >= minor {
		return ""
	}
	return fmt.Sprintf("%s has version %s; %s or newer is needed", s.name(), s.Version, needs)
}

// Forgetful describes how to configure a server that evicts keys when it is
// full; "" if it does not evict or does not report its policy.
func (s Server) Forgetful() string {
	if s.Policy == keepsAll || s.Policy == "" {
		return ""
	}
	return fmt.Sprintf("%s evicts keys when it is full (maxmemory-policy is %s), including leases and turns: "+
		"set maxmemory-policy to noeviction in its configuration, or now by CONFIG SET maxmemory-policy noeviction", s.name(), s.Policy)
}

// Advice returns hints for operators about settings that do not prevent
// operation.
func (s Server) Advice() []string {
	var all []string
	if s.Policy == "" {
		all = append(all, s.name()+" does not say what its maxmemory-policy is: make sure that it is noeviction")
	}
	switch {
	case s.Silent:
		all = append(all, s.name()+" permits no CONFIG: whether it keeps anything on disk is not known (appendonly is off)")
	case !s.AOF && strings.TrimSpace(s.Save) == "":
		all = append(all, s.name()+" keeps nothing on disk (appendonly no, no save): a restart empties it, "+
			"and running answers start again; set appendonly yes")
	}
	return all
}
