package redisstate

import (
	"errors"
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
