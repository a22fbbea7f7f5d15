package conversation

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/internal/sleep"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// rota is who holds what, as the records have it, and who is connected.
type rota struct {
	Sessions

	held []chatbox.Holding
	here map[string]bool
}

func (r *rota) Held(context.Context) ([]chatbox.Holding, error) { return r.held, nil }

func (r *rota) Present(_ context.Context, users []chatbox.UserKey) ([]bool, error) {
	here := make([]bool, len(users))
	for i, u := range users {
		here[i] = r.here[u.ID]
	}
	return here, nil
}

// The grace time belongs to a holding: an admin who hands a session back and
// takes it over again, both by requests alone, has all of it again.
func TestAbsent_CountsEachHoldingByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &rota{}
		s := &Service{deps: Deps{Sessions: r, Presence: r}, cfg: Config{AdminGrace: time.Minute}}
		gone := holdings{}
		look := func() []chatbox.Holding {
			overdue, err := s.absent(t.Context(), gone)
			require.NoError(t, err)
			return overdue
		}
		first := chatbox.Holding{Session: chatbox.SessionKey{ID: "s"}, Holder: "bob", Since: 3}
		again := first
		again.Since = 5
		r.held = []chatbox.Holding{first}
		assert.Empty(t, look())
		sleep.For(t.Context(), 59*time.Second)
		assert.Empty(t, look())
		r.held = []chatbox.Holding{again}
		assert.Empty(t, look())
		sleep.For(t.Context(), 2*time.Second)
		assert.Empty(t, look(), "not a minute of this one")
		sleep.For(t.Context(), 58*time.Second)
		assert.Equal(t, []chatbox.Holding{again}, look())
		r.here = map[string]bool{"bob": true}
		assert.Empty(t, look())
		assert.Empty(t, gone)
	})
}
