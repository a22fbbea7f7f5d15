package files_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/files"
)

// spoken is the record of a file that is made for the session s1.
func spoken() (chatbox.File, chatbox.SessionKey) {
	k := chatbox.SessionKey{Tenant: "t", ID: "s1"}
	return chatbox.File{
		Key: chatbox.FileKey{Tenant: "t", ID: chatbox.SpeechFileID(k, "ans_1")}, Owner: "ann", Name: "answer.mp3", ContentType: "audio/mpeg",
	}, k
}

func say(text string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	}
}

func TestKeep_IsAFileOfTheSession(t *testing.T) {
	b := newBench(t)
	f, s := spoken()
	b.sessions["s1"] = chatbox.Session{Key: s, Owner: "ann"}
	first, err := b.Keep(t.Context(), f, s, say("sound"))
	require.NoError(t, err)
	assert.True(t, first)
	content, size, err := b.ReadInSession(t.Context(), s, f.Key.ID, 2)
	require.NoError(t, err)
	defer func() { _ = content.Close() }()
	rest, err := io.ReadAll(content)
	require.NoError(t, err)
	assert.Equal(t, "und", string(rest))
	assert.EqualValues(t, 5, size)
	assert.Empty(t, b.settled, "no quota")
	_, err = b.Link(t.Context(), ann, f.Key.ID, 0)
	require.NoError(t, err, "its owner reads it like any other")

	first, err = b.Keep(t.Context(), f, s, say("another pod's"))
	require.NoError(t, err)
	assert.False(t, first)
	assert.Len(t, b.names(t), 1, "one blob remains")

	require.NoError(t, b.Release(t.Context(), s))
	assert.Empty(t, b.names(t), "erased with its session")
	_, _, err = b.ReadInSession(t.Context(), s, f.Key.ID, 0)
	require.ErrorIs(t, err, chatbox.NotFound)
}

func TestKeep_BrokenOffLeavesNothing(t *testing.T) {
	b := newBench(t)
	f, s := spoken()
	b.sessions["s1"] = chatbox.Session{Key: s, Owner: "ann"}
	cut := errors.New("cut")
	_, err := b.Keep(t.Context(), f, s, func(w io.Writer) error {
		_, _ = io.WriteString(w, "sou")
		return cut
	})
	require.ErrorIs(t, err, cut)
	assert.Empty(t, b.names(t))
	_, err = b.store.Files().Get(t.Context(), f.Key)
	require.ErrorIs(t, err, chatbox.NotFound)
}

// erasing erases the session once the record of a file is stored, or once it is
// used.
type erasing struct {
	files.Records
	erase    func()
	afterUse bool
}

func (r erasing) Create(ctx context.Context, f chatbox.File) (chatbox.File, bool, error) {
	first, created, err := r.Records.Create(ctx, f)
	if !r.afterUse && f.Name == "answer.mp3" {
		r.erase()
	}
	return first, created, err
}

func (r erasing) Use(ctx context.Context, k chatbox.FileKey, id string, at time.Time) (chatbox.File, error) {
	f, err := r.Records.Use(ctx, k, id, at)
	if r.afterUse && id == "s1" {
		r.erase()
	}
	return f, err
}

func TestKeep_TheSessionIsErasedMeanwhile(t *testing.T) {
	for name, afterUse := range map[string]bool{"before the use": false, "after it": true} {
		t.Run(name, func(t *testing.T) {
			var b *bench
			f, s := spoken()
			b = newBench(t, func(_ *files.Config, d *files.Deps) {
				d.Records = erasing{Records: d.Records, afterUse: afterUse, erase: func() {
					b.sessions["s1"] = chatbox.Session{Key: s, Owner: "ann", Erased: true}
				}}
			})
			b.sessions["s1"] = chatbox.Session{Key: s, Owner: "ann"}
			_, err := b.Keep(t.Context(), f, s, say("sound"))
			require.ErrorIs(t, err, chatbox.NotFound)
			assert.Empty(t, b.names(t))
			_, err = b.store.Files().Get(t.Context(), f.Key)
			require.ErrorIs(t, err, chatbox.NotFound)
		})
	}
}

// failsOnce are sessions whose nth look fails.
type failsOnce struct {
	files.Sessions
	looks int
	at    int
}

func (f *failsOnce) Load(ctx context.Context, k chatbox.SessionKey) (chatbox.Session, error) {
	if f.looks++; f.looks == f.at {
		return chatbox.Session{}, chatbox.NewError(chatbox.Unavailable, "", nil)
	}
	return f.Sessions.Load(ctx, k)
}

func TestKeep_AFailureLeavesTheFileOfAnotherPod(t *testing.T) {
	for look, name := range []string{"before the use", "after it"} {
		t.Run(name, func(t *testing.T) {
			sessions := &failsOnce{at: -1}
			b := newBench(t, func(_ *files.Config, d *files.Deps) {
				sessions.Sessions = d.Sessions
				d.Sessions = sessions
			})
			f, s := spoken()
			b.sessions["s1"] = chatbox.Session{Key: s, Owner: "ann"}
			theirs := f
			theirs.Blob, theirs.CreatedAt = "aa/aa", b.now()
			_, _, err := b.store.Files().Create(t.Context(), theirs) // the other pod will use it
			require.NoError(t, err)
			sessions.at = look + 1
			_, err = b.Keep(t.Context(), f, s, say("sound"))
			require.ErrorIs(t, err, chatbox.Unavailable)
			stands, err := b.store.Files().Get(t.Context(), f.Key)
			require.NoError(t, err)
			assert.False(t, stands.Gone)
			assert.Empty(t, b.names(t), "nothing of ours stays")
		})
	}
}
