package access

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeTickets stores tickets in memory; down makes it unavailable.
type fakeTickets struct {
	mu   sync.Mutex // guards following
	kept map[string]chatbox.Actor
	life time.Duration
	down bool
}

func (f *fakeTickets) PutTicket(_ context.Context, ticket string, a chatbox.Actor, life time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.down {
		return chatbox.NewError(chatbox.Unavailable, "", nil)
	}
	f.kept[ticket], f.life = a, life
	return nil
}

func (f *fakeTickets) TakeTicket(ctx context.Context, ticket string) (chatbox.Actor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, bounded := ctx.Deadline(); !bounded || f.down {
		return chatbox.Actor{}, chatbox.NewError(chatbox.Unavailable, "", nil)
	}
	a, ok := f.kept[ticket]
	if !ok {
		return a, chatbox.NewError(chatbox.NotFound, "", nil)
	}
	delete(f.kept, ticket)
	return a, nil
}

func newGate(change func(*Config, *Deps)) (*Gate, *fakeTickets) {
	tickets := &fakeTickets{kept: map[string]chatbox.Actor{}}
	cfg, deps := DefaultConfig(), Deps{Tickets: tickets, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg, &deps)
	}
	return New(cfg, deps), tickets
}

func TestTicket_StandsForItsActorOnce(t *testing.T) {
	g, tickets := newGate(nil)
	ann := chatbox.Actor{Tenant: "acme", UserID: "ann", Roles: []string{"admin"}, ExpiresAt: time.Unix(9, 0)}
	one, life, err := g.Ticket(t.Context(), ann)
	require.NoError(t, err)
	assert.Equal(t, 30*time.Second, life)
	assert.Equal(t, life, tickets.life)
	assert.GreaterOrEqual(t, len(one), 26)
	two, _, err := g.Ticket(t.Context(), ann)
	require.NoError(t, err)
	assert.NotEqual(t, one, two)
	got, err := g.Redeem(t.Context(), one)
	require.NoError(t, err)
	assert.Equal(t, ann, got)
	for _, bad := range []string{one, "", "x", string(make([]byte, 1000))} {
		_, err = g.Redeem(t.Context(), bad)
		require.ErrorIs(t, err, chatbox.Unauthenticated)
	}
}

func TestTicket_WithoutRedisSaysSo(t *testing.T) {
	g, tickets := newGate(nil)
	tickets.down = true
	_, _, err := g.Ticket(t.Context(), chatbox.Actor{UserID: "ann"})
	require.ErrorIs(t, err, chatbox.Unavailable)
	_, err = g.Redeem(t.Context(), "any")
	require.ErrorIs(t, err, chatbox.Unavailable, "not a bad ticket: the client may come again")
}
