package cluster

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Many admins take over at once, on four pods: each another session, or all the
// same one. Concurrent takeovers wait for each other, and none fails as if a
// server were unavailable.
func TestTakeover_ACrowdIsNoOutage(t *testing.T) {
	const crowd = 64
	c := start(t, 4)
	for name, of := range map[string]func(i int) string{
		"a session each":   func(i int) string { return fmt.Sprint("s-", i) },
		"the same session": func(int) string { return "s-shared" },
	} {
		t.Run(name, func(t *testing.T) {
			for i := range crowd {
				if of(i) != of(0) || i == 0 {
					status, body := c.request(c.token("ada"), http.MethodPost, "/chatbox/sessions/"+of(i)+"/messages", map[string]any{"content": "hello"})
					require.Less(t, status, 300, "%v", body)
				}
			}
			statuses := make([]int, crowd)
			var wg sync.WaitGroup
			for i := range crowd {
				wg.Go(func() {
					status, body := c.request(c.staffToken(fmt.Sprint("admin-", i)), http.MethodPost, "/chatbox/admin/takeover/"+of(i), nil)
					if statuses[i] = status; status != http.StatusOK && status != http.StatusConflict {
						t.Errorf("admin-%d: %d %v", i, status, body)
					}
				})
			}
			wg.Wait()
			held := 0
			for _, s := range statuses {
				if s == http.StatusOK {
					held++
				}
			}
			if of(1) == of(0) {
				assert.Equal(t, 1, held)
			} else {
				assert.Equal(t, crowd, held)
			}
		})
	}
}
