//go:build defect_token

package redisstate

import (
	"regexp"

	"github.com/redis/go-redis/v9"
)

var tokenCheck = regexp.MustCompile(`redis\.call\('GET', KEYS\[\d\]\) ~= ARGV\[\d\]`)

// plant has no script look at the token of a lease: whoever once had it goes
// on.
func plant(_ redis.UniversalClient, name, src string) string {
	switch name {
	case "begin.lua", "piece.lua", "renew.lua", "start.lua":
		if !tokenCheck.MatchString(src) {
			panic("defect_token: " + name + " has no token check to take out")
		}
		return tokenCheck.ReplaceAllString(src, "false")
	}
	return src
}
