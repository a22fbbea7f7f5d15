package cluster

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// metrics returns the lines of the pods' metrics that begin with the prefix.
func (c *cluster) metrics(prefix string) []string {
	c.t.Helper()
	var found []string
	for n := range c.stack.Pods() {
		_, text := c.ask(n, http.MethodGet, "/chatbox/metrics/prometheus", "", nil, nil)
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, prefix) {
				found = append(found, strings.TrimSpace(line))
			}
		}
	}
	return found
}

// Operators see what a message costs: in Redis, by the model, over HTTP. No label has
// a word, an id or a path of a user.
func TestMetrics_OfAMessage(t *testing.T) {
	c := start(t, 1)
	d := c.device("queequeg", "s-1", c.podURL(0))
	c.answered(d, "s-1", c.say(d, "s-1", "tell me [[words=20]]"))
	_, _ = c.ask(0, http.MethodGet, "/chatbox/sessions/s-1", c.token("queequeg"), nil, nil)
	_, _ = c.ask(0, http.MethodGet, "/chatbox/canary/queequeg", c.token("queequeg"), nil, nil)
	c.say(d, "s-1", "fail [[fail=now]]")
	for _, series := range []string{
		`^chat_build_info\{revision="[^"]+",version="[^"]+"\} 1$`,
		`^chat_redis_seconds_count\{op="begin"\} [1-9]`,
		`^chat_redis_seconds_count\{op="publish"\} [1-9]`,
		`^chat_model_first_piece_seconds_count\{model="fast"\} [1-9]`,
		`^chat_model_tokens_total\{kind="prompt",model="fast"\} [1-9]`,
		`^chat_model_tokens_total\{kind="completion",model="fast"\} [1-9]`,
		`^chat_http_seconds_count\{route="GET /sessions/:id",status="200"\} 1$`,
		`^chat_http_seconds_count\{route="GET none",status="404"\} 1$`,
		`^chat_turns_waiting 0$`,
		`^chat_generations_running [0-9]+$`,
	} {
		is := regexp.MustCompile(series)
		c.until(series, func() bool {
			return slices.ContainsFunc(c.metrics("chat_"), is.MatchString)
		})
	}
	all := strings.Join(c.metrics("chat_"), "\n")
	for _, private := range []string{"s-1", "queequeg", "canary", "tell me"} {
		assert.NotContains(t, all, private)
	}
}
