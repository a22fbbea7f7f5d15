package history

import (
	"context"
	"log/slog"
	"testing"

	"chatbox"
	"chatbox/app/sessionlog"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// damaged is a history in which some sessions cannot be read.
type damaged struct {
	Sessions
	sessionlog.Reader
	AuditLog

	fails map[string]error
}

func (d damaged) ReadInTurn(ctx context.Context, _ chatbox.Actor, read func(ctx context.Context) error) error {
	return read(ctx)
}

func (d damaged) AwaitRead(context.Context, chatbox.Actor) (func(), error) { return func() {}, nil }

func (d damaged) Record(context.Context, chatbox.Actor, chatbox.AuditAction, chatbox.AuditSubject) error {
	return nil
}

func (d damaged) Load(_ context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	return chatbox.Session{Key: k, State: chatbox.State{Head: 1}}, nil
}

func (d damaged) Range(_ context.Context, k chatbox.SessionKey, _, _ int64) ([]chatbox.Event, error) {
	if err := d.fails[k.ID]; err != nil {
		return nil, err
	}
	return []chatbox.Event{{Session: k, Seq: 1, Type: chatbox.TypeUserMessage, Content: "in " + k.ID}}, nil
}

// One session whose record is damaged has no last words, and the others have
// theirs; a history that is away is no empty list.
func TestPreviews_OneBadRecordKeepsNoneBack(t *testing.T) {
	d := damaged{fails: map[string]error{}}
	s := New(Deps{Sessions: d, Messages: d, Audit: d, Turns: d, Logger: slog.New(slog.DiscardHandler)})
	read := func() ([]string, error) {
		list, err := s.Previews(t.Context(), chatbox.Actor{UserID: "eve", Roles: []string{"admin"}}, []string{"s-1", "s-2", "s-3"})
		var words []string
		for _, p := range list {
			words = append(words, p.Excerpt)
		}
		return words, err
	}
	for _, code := range []chatbox.Code{chatbox.Unreadable, chatbox.Internal} {
		d.fails["s-2"] = chatbox.NewError(code, "", nil)
		words, err := read()
		require.NoError(t, err, "%s", code)
		assert.Equal(t, []string{"in s-1", "in s-3"}, words)
	}
	d.fails["s-2"] = chatbox.NewError(chatbox.StoreFailed, "the history cannot be reached", nil)
	_, err := read()
	require.ErrorIs(t, err, chatbox.StoreFailed)
}
