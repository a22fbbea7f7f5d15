package desk_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"chatbox"
	"chatbox/app/desk"
	"chatbox/cluster"
	"chatbox/persistence"
	"chatbox/persistence/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Under these names the types' methods of the same name can be promoted.
type (
	notes   = desk.Notes
	replies = desk.Replies
	support = desk.Support
)

// office is a desk with a real store that records notifications and audit
// entries.
type office struct {
	*notes
	*replies
	*support

	t     *testing.T
	store *embedded.Store

	mu   sync.Mutex // guards following
	told []cluster.Update
	acts []chatbox.AuditAction
	shut bool // the audit log fails
	deaf bool // notifications fail
}

func (o *office) PublishEphemeral(_ context.Context, u cluster.Update) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.deaf {
		return errors.New("redis is away")
	}
	o.told = append(o.told, u)
	return nil
}

func (o *office) Record(_ context.Context, _ chatbox.Actor, action chatbox.AuditAction, _ chatbox.AuditSubject) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.shut {
		return chatbox.NewError(chatbox.StoreFailed, "", nil)
	}
	o.acts = append(o.acts, action)
	return nil
}

// recorded returns the audit entries since the last call.
func (o *office) recorded() []chatbox.AuditAction {
	o.mu.Lock()
	defer o.mu.Unlock()
	acts := o.acts
	o.acts = nil
	return acts
}

func open(t *testing.T) *office {
	t.Helper()
	ring, err := persistence.NewKeyring([]persistence.Key{{ID: "k", Secret: [32]byte{1, 2, 3}}})
	require.NoError(t, err)
	st, err := embedded.Open(t.Context(), filepath.Join(t.TempDir(), "chat.db"), ring)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close(context.WithoutCancel(t.Context()))) })
	o := &office{t: t, store: st}
	logger := slog.New(slog.DiscardHandler)
	o.notes = desk.NewNotes(desk.NotesDeps{Catalog: st.Sessions(), Cards: st.Cards(), Audit: o, Ephemerals: o, Logger: logger})
	o.support = desk.NewSupport(desk.Config{}, desk.SupportDeps{Cards: st.Cards(), Audit: o, Logger: logger})
	o.replies = desk.NewReplies(desk.RepliesDeps{
		Catalog: st.Sessions(), Cards: st.Cards(), Audit: o, Support: o.support, Logger: logger,
	})
	return o
}

// session creates a session of ann's in the tenant t.
func (o *office) session(id string, change ...func(*chatbox.Session)) {
	o.t.Helper()
	s := chatbox.Session{
		Key: chatbox.SessionKey{Tenant: "t", ID: id}, Owner: "ann", Name: "About " + id, CreatedAt: time.UnixMilli(1_750_000_000_000).UTC(),
	}
	for _, f := range change {
		f(&s)
	}
	_, created, err := o.store.Sessions().Create(o.t.Context(), s)
	require.NoError(o.t, err)
	require.True(o.t, created)
	require.NoError(o.t, o.store.Sessions().SaveState(o.t.Context(), s.Key, s.State))
}

func staff(id string, roles ...string) chatbox.Actor {
	return chatbox.Actor{Tenant: "t", UserID: id, Name: "Name of " + id, Roles: roles}
}
