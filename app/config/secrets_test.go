package config

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestSecrets_ArePiecesThatMessagesMayQuote: of an address the host is no secret,
// and the database's name neither.
func TestSecrets_ArePiecesThatMessagesMayQuote(t *testing.T) {
	got := Secrets([]string{
		"JWT_SECRET=short", "REDIS_URL=redis+sentinel://u:pa%40ss@redis.example.com,redis2.example.com:26379/mymaster?sentinel_password=of-the-sentinels",
		"MONGO_URI=mongodb://u:mongo-pass@mongo.example.com,mongo2.example.com/database?replicaSet=production", "ENCRYPTION_KEYS=one:AAAABBBB,two:CCCCDDDD",
		"WEBHOOK_URL=https://hooks.example.com/T0123456789?sig=abcdefghij", "LLM_PROVIDER_1_API_KEY=vendor-key", `LLM_PROVIDER_1_HEADERS={"X-Api-Key":"header-key"}`,
		"LLM_PROVIDER_2_HEADERS=X-Token: Bearer another-key", "SMTP_PASS=abc", "POD_ID=not-a-secret",
	}, "")
	for _, hidden := range []string{
		"short", "pa%40ss", "pa@ss", "of-the-sentinels", "mongo-pass", "AAAABBBB", "CCCCDDDD", "T0123456789", "abcdefghij", "vendor-key", "header-key", "another-key",
	} {
		assert.Contains(t, got, hidden)
	}
	for _, shown := range []string{"redis.example.com", "redis2.example.com:26379", "redis2.example.com", "mongo2.example.com", "mymaster", "mongo.example.com", "database", "production", "hooks.example.com", "abc", "not-a-secret"} {
		assert.NotContains(t, got, shown)
	}
	assert.True(t, slices.IsSortedFunc(got, func(a, b string) int { return len(b) - len(a) }), "a piece does not spoil the whole")
}
