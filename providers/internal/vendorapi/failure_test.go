package vendorapi

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
)

// canary is a key that must not be seen in any failure.
const canary = "sk-canary-0123456789"

func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for value, want := range map[string]time.Duration{
			"": 0, "7": 7 * time.Second, "0.5": 500 * time.Millisecond, "-3": 0, "soon": 0, "NaN": 0,
			"99999999999999999999": maxRetryAfter,
			time.Now().Add(20 * time.Second).UTC().Format(http.TimeFormat):  20 * time.Second,
			time.Now().Add(-20 * time.Second).UTC().Format(http.TimeFormat): 0,
		} {
			assert.Equal(t, want, retryAfter(value), value)
		}
	})
}

func TestRefusal_TakesIdentifiersOnly(t *testing.T) {
	key := NewSecret(canary)
	for body, want := range map[string]string{
		`{"error":{"code":"model_not_found","type":"invalid_request_error"}}`: "model_not_found",
		`{"error":{"code":null,"type":"insufficient_quota"}}`:                 "insufficient_quota",
		`{"type":"error","error":{"type":"overloaded_error"}}`:                "overloaded_error",
		`{"code":"invalid_param","message":"x","status":400}`:                 "invalid_param",
		`{"error":"model 'x' not found"}`:                                     "",
		`{"error":{"code":"what somebody said"}}`:                             "",
		`{"error":{"code":"` + canary + `","type":"auth"}}`:                   "auth",
		`{"error":{"code":42,"type":""}}`:                                     "",
		`not json`:                                                            "",
		``:                                                                    "",
	} {
		assert.Equal(t, want, readRefusal([]byte(body), key).kind, body)
	}
}
