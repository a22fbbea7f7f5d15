//go:build !defect_token && !defect_state

package redisstate

import "github.com/redis/go-redis/v9"

// plant is where builds with a defect_ tag break a promise on purpose, so that
// the tests can be seen to notice (docs/operations/defects.md). This is every
// other build: a script is what its file says.
func plant(_ redis.UniversalClient, _, src string) string { return src }
