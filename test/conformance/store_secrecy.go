package conformance

import (
	"bytes"
	"encoding/base64"
	"testing"

	"chatbox"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func secrecyAtRest(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	canary := unique("canary-")
	e := said(k, 1, "text "+canary)
	e.FileID, e.FileURL = "file-"+canary, "https://example.org/"+canary
	e.Metadata = map[string]string{"k-" + canary: "v", "filename": canary}
	e.Files = []chatbox.AttachedFile{{ID: "file-" + canary, Name: canary, ContentType: canary}}
	appendAll(t, f.Stores, e)
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", OwnerName: "owner " + canary, Name: "name " + canary, CreatedAt: epoch})
	require.NoError(t, err)
	st := chatbox.State{Head: 1, HolderID: "admin", HolderName: "holder " + canary}
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, st))
	_, err = f.Ratings.Rate(t.Context(), k, chatbox.Rating{Score: 1, Comment: "comment " + canary, Time: epoch, Talk: 1, AdminID: "admin"})
	require.NoError(t, err)
	a := said(k, 2, "answer "+canary)
	a.Key, a.Type, a.Sender, a.UserID = chatbox.AnswerKey(1, 1), chatbox.TypeAnswer, chatbox.SenderAI, ""
	appendAll(t, f.Stores, a)
	_, err = f.Feedback.SetFeedback(t.Context(), k, 2, &chatbox.Feedback{Opinion: chatbox.OpinionDown, Comment: "feedback " + canary, Time: epoch})
	require.NoError(t, err)

	stored := f.AtRest(t)
	require.True(t, bytes.Contains(stored, []byte(k.ID)), "this is where the session is kept")
	assert.False(t, bytes.Contains(stored, []byte(canary)))
	inner := base64.RawStdEncoding.EncodeToString([]byte(canary))
	assert.False(t, bytes.Contains(stored, []byte(inner[4:len(inner)-4])))

	got, err := f.Messages.ByKey(t.Context(), k, e.Key)
	require.NoError(t, err)
	assert.Equal(t, e, got)
	s, err := f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.Equal(t, "name "+canary, s.Name)
	assert.Equal(t, "holder "+canary, s.State.HolderName)
	assert.Equal(t, "comment "+canary, s.Rating.Comment)
	got, err = f.Messages.ByKey(t.Context(), k, a.Key)
	require.NoError(t, err)
	assert.Equal(t, "feedback "+canary, got.Feedback.Comment)
}

func secrecyMoved(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	fill(t, f.Stores, k, 4)
	f.MoveBox(t, k, 1, 2)
	f.AlterBox(t, k, 3)
	want := []chatbox.Event{said(k, 1, "message 1"), unread(said(k, 2, "")), unread(said(k, 3, "")), said(k, 4, "message 4")}
	got, err := f.Messages.Range(t.Context(), k, 1, 4)
	require.NoError(t, err)
	assert.Equal(t, want, got, "the others are as they were")
	for _, e := range want {
		one, err := f.Messages.ByKey(t.Context(), k, e.Key)
		require.NoError(t, err)
		assert.Equal(t, e, one)
	}
}

func secrecyKeys(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	fill(t, f.Stores, k, 1)
	in := chatbox.Session{Key: k, Owner: "u", Name: "a name", CreatedAt: epoch}
	_, _, err := f.Sessions.Create(t.Context(), in)
	require.NoError(t, err)

	imposter, next := StoreKey(), nextKey()
	imposter.Secret[0]++
	for name, keys := range map[string][]persistence.Key{"same id": {imposter}, "other id": {next}} {
		wrong := f.Reopen(t, keys...)
		got, err := wrong.Messages.Range(t.Context(), k, 1, 1)
		require.NoError(t, err)
		assert.Equal(t, []chatbox.Event{unread(said(k, 1, ""))}, got, name)
		s, err := wrong.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		assert.True(t, s.Unreadable, name)
		assert.Empty(t, s.Name, name)
	}

	rotated := f.Reopen(t, next, StoreKey())
	appendAll(t, rotated, said(k, 2, "message 2"))
	got, err := rotated.Messages.Range(t.Context(), k, 1, 2)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{said(k, 1, "message 1"), said(k, 2, "message 2")}, got)
	got, err = f.Messages.Range(t.Context(), k, 2, 2)
	require.NoError(t, err)
	assert.Equal(t, []chatbox.Event{unread(said(k, 2, ""))}, got, "the new key seals")
}
