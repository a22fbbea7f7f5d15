package speech

import (
	"context"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestSpeak_StreamsWhileItIsMadeAndThenFromTheStore(t *testing.T) {
	w := newWorld(t)
	got := w.begin(t, "one ")
	assert.EqualValues(t, -1, got.Size)
	assert.Equal(t, chatbox.SpeechFileID(session(), answerID()), got.FileID)
	heard := make([]byte, 4)
	_, err := io.ReadFull(got.Body, heard)
	require.NoError(t, err, "before the vendor has ended")
	w.say <- []byte("two")
	w.say <- nil
	rest, err := readAll(t, got)
	require.NoError(t, err)
	assert.Equal(t, "one two", string(heard)+rest)

	again, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.NoError(t, err)
	assert.EqualValues(t, 7, again.Size)
	rest, err = readAll(t, again)
	require.NoError(t, err)
	assert.Equal(t, "one two", rest)
	assert.Equal(t, []string{"Hello there."}, w.asked)
	w.settled(t)
	assert.Equal(t, []string{OutcomeMade, OutcomeStored}, w.counted())
}

func TestSpeak_WhoAndWhat(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct{ user, session, answer string }{
		"a foreign user":         {bob, "s1", answerID()},
		"an unknown session":     {ann, "s2", answerID()},
		"an invalid session":     {ann, "?", answerID()},
		"no answer's id":         {ann, "s1", "m1"},
		"another session's":      {ann, "s1", chatbox.AnswerID(chatbox.SessionKey{Tenant: "t", ID: "s2"}, 3, 2)},
		"an unfinished answer":   {ann, "s1", chatbox.AnswerID(session(), 4, 1)},
		"an answer without text": {ann, "s1", chatbox.AnswerID(session(), 1, 1)},
	} {
		_, err := w.s.Speak(t.Context(), actor(tt.user), tt.session, tt.answer)
		require.ErrorIs(t, err, chatbox.NotFound, name)
	}
	w.sess.State.Erased = true
	_, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.ErrorIs(t, err, chatbox.NotFound, "erased")
	assert.Zero(t, w.times())
	assert.Zero(t, w.audited)
}

func TestSpeak_StaffIsAudited(t *testing.T) {
	w := newWorld(t)
	w.say <- []byte("one")
	w.say <- nil
	staff := actor(bob)
	staff.Roles = []string{chatbox.RoleChatViewer}
	got, err := w.s.Speak(t.Context(), staff, "s1", answerID())
	require.NoError(t, err)
	_, err = readAll(t, got)
	require.NoError(t, err)
	assert.Equal(t, 1, w.audited)
	staff.Tenant = "other"
	_, err = w.s.Speak(t.Context(), staff, "s1", answerID())
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Equal(t, 1, w.audited)
}

func TestSpeak_VendorRefuses(t *testing.T) {
	for refused, want := range map[*chatbox.Error]chatbox.Code{
		chatbox.NewError(chatbox.ModelTimeout, "late", nil):        chatbox.ModelTimeout,
		chatbox.NewError(chatbox.InvalidArgument, "no words", nil): chatbox.NotFound,
	} {
		w := newWorld(t)
		w.refuse = refused
		_, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
		require.ErrorIs(t, err, want)
		w.settled(t)
		assert.Empty(t, w.stored)
		assert.Equal(t, []string{OutcomeFailed}, w.counted())
	}
}

func TestSpeak_BreaksOff(t *testing.T) {
	w := newWorld(t)
	got := w.begin(t, "one")
	close(w.say)
	_, err := readAll(t, got)
	require.ErrorIs(t, err, chatbox.ModelFailed)
	w.settled(t)
	assert.Empty(t, w.stored)
}

func TestSpeak_NotStoredIsNotWhole(t *testing.T) {
	w := newWorld(t)
	w.keep = func() (bool, error) { return false, chatbox.NoSuchSession() }
	got := w.begin(t, "one")
	w.say <- nil
	_, err := readAll(t, got)
	require.ErrorIs(t, err, chatbox.NotFound, "the session was erased meanwhile")
}

func TestSpeak_CallerLeaves(t *testing.T) {
	w := newWorld(t)
	ctx, leave := context.WithCancelCause(t.Context())
	w.say <- []byte("one ")
	got, err := w.s.Speak(ctx, actor(ann), "s1", answerID())
	require.NoError(t, err)
	leave(errGone)
	_, err = readAll(t, got)
	require.ErrorIs(t, err, errGone)
	w.say <- []byte("two")
	w.say <- nil
	w.settled(t)
	assert.Equal(t, "one two", string(w.stored[got.FileID]), "the next call does not pay again")
}

func TestSpeak_ConcurrentCallsShareOneRequest(t *testing.T) {
	w := newWorld(t)
	first := w.begin(t, "one ")
	second, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.NoError(t, err)
	w.say <- []byte("two")
	w.say <- nil
	for _, s := range []Sound{first, second} {
		text, err := readAll(t, s)
		require.NoError(t, err)
		assert.Equal(t, "one two", text)
	}
	assert.Equal(t, 1, w.times())
	w.settled(t)
	assert.ElementsMatch(t, []string{OutcomeMade, OutcomeShared}, w.counted())
}

func TestSpeak_SlowListenerDelaysNothing(t *testing.T) {
	w := newWorld(t)
	slow := w.begin(t, "begin")
	piece := []byte(strings.Repeat("0123456789abcde\n", 1<<14))
	for range 12 { // three times the window
		w.say <- piece
	}
	w.say <- nil
	w.settled(t) // although nothing was read
	got, err := readAll(t, slow)
	require.NoError(t, err)
	assert.Equal(t, "begin"+strings.Repeat(string(piece), 12), got)
}

// A slow listener keeps no memory once the store has the speech.
func TestSpeak_IsReadFromTheStoreOnceItIsThere(t *testing.T) {
	w := newWorld(t)
	slow := w.begin(t, "one ")
	var first [4]byte
	_, err := io.ReadFull(slow.Body, first[:])
	require.NoError(t, err)
	ended := w.begin(t, "two")
	got, err := io.ReadAll(io.LimitReader(ended.Body, 7))
	require.NoError(t, err)
	assert.Equal(t, "one two", string(got))
	w.say <- nil
	w.settled(t)
	for _, s := range []Sound{slow, ended} {
		l, ok := s.Body.(*listener)
		require.True(t, ok)
		kept := cap(l.m.ring)
		assert.Zero(t, kept, "bytes in memory")
	}
	rest, err := readAll(t, slow)
	require.NoError(t, err)
	assert.Equal(t, "two", rest)
	delete(w.stored, slow.FileID)
	rest, err = readAll(t, ended)
	require.NoError(t, err, "the store is not asked for the end")
	assert.Empty(t, rest)
}

func TestSpeak_AnotherPodWasFirst(t *testing.T) {
	w := newWorld(t)
	id := chatbox.SpeechFileID(session(), answerID())
	w.keep = func() (bool, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.stored[id] = []byte("theirs")
		return false, nil
	}
	got := w.begin(t, "ours")
	w.say <- nil
	text, err := readAll(t, got)
	require.NoError(t, err)
	assert.Equal(t, "ours", text, "what was begun is played to its end")
	w.settled(t)
	assert.Equal(t, "theirs", string(w.stored[id]))
}

func TestSpeak_BoundsTheRequests(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.All, c.Each, c.Wait = 1, 1, time.Millisecond })
	_ = w.begin(t, "one")
	w.events[chatbox.AnswerKey(2, 1)] = chatbox.Event{Type: chatbox.TypeAnswer, Content: "More."}
	other := chatbox.AnswerID(session(), 2, 1)
	_, err := w.s.Speak(t.Context(), actor(ann), "s1", other)
	require.ErrorIs(t, err, chatbox.RateLimited, "of the caller")
	staff := actor(bob)
	staff.Roles = []string{chatbox.RoleAdmin}
	_, err = w.s.Speak(t.Context(), staff, "s1", other)
	require.ErrorIs(t, err, chatbox.Unavailable, "of the pod")
	assert.Equal(t, 1, w.times())
	assert.Equal(t, []string{OutcomeRefused, OutcomeRefused}, w.counted())
}

// The search for an answer in a long session takes the processor for a while.
func TestSpeak_BoundsTheSearches(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Wait = time.Millisecond })
	w.sess.State.Head = math.MaxInt64
	unknown := chatbox.AnswerID(session(), 1, 9)
	ctx, leave := context.WithCancelCause(t.Context())
	defer leave(nil)
	ended := make(chan error)
	go func() {
		_, err := w.s.Speak(ctx, actor(ann), "s1", unknown)
		ended <- err
	}()
	require.Eventually(t, func() bool { return w.s.searches.Acts() == 1 }, 10*time.Second, time.Millisecond)
	_, err := w.s.Speak(t.Context(), actor(ann), "s1", unknown)
	require.ErrorIs(t, err, chatbox.RateLimited, "of the caller")
	staff := actor(bob)
	staff.Roles = []string{chatbox.RoleAdmin}
	_, err = w.s.Speak(t.Context(), staff, "s1", unknown)
	require.ErrorIs(t, err, chatbox.Unavailable, "of the pod")
	assert.Equal(t, []string{OutcomeRefused, OutcomeRefused}, w.counted())
	leave(errGone)
	require.ErrorIs(t, <-ended, errGone)
	require.Eventually(t, func() bool { return w.s.searches.Acts() == 0 }, 10*time.Second, time.Millisecond)
}

func TestRun_EndsTheSpeechThatIsMade(t *testing.T) {
	w := newWorld(t)
	got := w.begin(t, "one")
	w.stop()
	text, err := readAll(t, got)
	require.ErrorIs(t, err, chatbox.Draining)
	assert.Contains(t, "one", text)
	assert.Empty(t, w.stored)
	_, err = w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.ErrorIs(t, err, chatbox.Draining)
}

func TestSpeak_BoundsTheTime(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Make = time.Millisecond })
	_, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.ErrorIs(t, err, chatbox.ModelTimeout, "the vendor sends nothing")
}

func TestSpeak_PanicEndsOneSpeech(t *testing.T) {
	w := newWorld(t)
	w.panics = true
	_, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
	require.ErrorIs(t, err, chatbox.Internal)
	w.panics = false
	got := w.begin(t, "one")
	w.say <- nil
	_, err = readAll(t, got)
	require.NoError(t, err)
}
