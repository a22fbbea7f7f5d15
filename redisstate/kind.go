package redisstate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"chatbox/internal/outage"
)

// Kind returns the reason why a request to Redis failed, from an error of this
// package.
func Kind(err error) outage.Kind {
	if k := outage.KindOf(err); k != outage.Failed {
		return k
	}
	if errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return outage.Timeout
	}
	text := err.Error()
	if answer, ok := errors.AsType[redis.Error](err); ok {
		text = answer.Error()
	}
	for _, is := range []struct {
		prefix string
		kind   outage.Kind
	}{
		{"OOM ", outage.Memory},
		{"READONLY ", outage.ReadOnly},
		{"MISCONF ", outage.Disk},
		{"NOREPLICAS ", outage.Replicas},
		{"LOADING ", outage.Loading},
		{"MASTERDOWN ", outage.NoPrimary},
		{"CLUSTERDOWN ", outage.ClusterDown},
		{"WRONGPASS ", outage.Authentication},
		{"NOAUTH ", outage.Authentication},
		{"ERR invalid password", outage.Authentication},
		{"ERR AUTH ", outage.Authentication},
		{"ERR Client sent AUTH", outage.Authentication},
		{"NOPERM ", outage.Permission},
		{"DENIED ", outage.Permission},
		{"ERR max number of clients", outage.Full},
		{"ERR unknown command", outage.Command},
	} {
		if strings.HasPrefix(text, is.prefix) {
			return is.kind
		}
	}
	if strings.Contains(text, "sentinels") {
		return outage.NoPrimary
	}
	return outage.Failed
}

// misdirected says where REDIS_URL leads to a server of another kind than it
// names, which another try does not change.
func misdirected(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "DB index is out of range"):
		return outage.As(outage.Database, fmt.Errorf("REDIS_URL names a database that the server does not have: %w", err))
	case strings.Contains(text, "cluster support disabled"):
		return outage.As(outage.NotCluster, fmt.Errorf("REDIS_URL is redis+cluster, and the server is no member of a Cluster: %w", err))
	case strings.Contains(text, "sentinels") && strings.Contains(text, "unknown command") && !strings.Contains(text, "dial "):
		return outage.As(outage.NotSentinel, fmt.Errorf("REDIS_URL is redis+sentinel, and the server is no sentinel: %w", err))
	default:
		return err
	}
}

// Misdirected reports whether REDIS_URL itself is at fault: a restart changes
// nothing.
func Misdirected(err error) bool {
	switch outage.Given(err) {
	case outage.Database, outage.NotCluster, outage.NotSentinel:
		return true
	default:
		return false
	}
}
