package speech

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func staff() chatbox.Actor {
	a := actor(bob)
	a.Roles = []string{chatbox.RoleChatViewer}
	return a
}

// A caller gets an error while a store hangs. The work keeps its place until the
// store answers, so that a store that hangs costs a bounded number of goroutines.
func TestSpeak_AStoreHangs(t *testing.T) {
	for port, stored := range map[string]bool{"audit": true, "read": true, "keep": false} {
		t.Run(port, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				bound, held := w.s.cfg.Look, w.s.looks
				if stored {
					w.stored[chatbox.SpeechFileID(session(), answerID())] = []byte("one")
				} else {
					bound, held = w.s.cfg.Quiet, w.s.lanes
					w.say <- []byte("one")
					w.say <- nil
				}
				w.hangs = port
				began := time.Now()
				_, err := w.s.Speak(t.Context(), staff(), "s1", answerID())
				require.ErrorIs(t, err, chatbox.Unavailable)
				assert.Equal(t, bound, time.Since(began))
				assert.Equal(t, 1, held.Acts())
				assert.Equal(t, []string{OutcomeFailed}, w.counted())
				close(w.hang)
				synctest.Wait()
				assert.Zero(t, held.Acts())
				assert.Zero(t, w.contents(), "a content that came too late is closed")
				got, err := w.s.Speak(t.Context(), staff(), "s1", answerID())
				require.NoError(t, err)
				text, err := readAll(t, got)
				require.NoError(t, err)
				assert.Equal(t, "one", text)
				assert.Equal(t, 2, w.audited)
			})
		})
	}
}

func TestSpeak_AStoreThatHangsTakesBoundedPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hangs = "read"
		for range looksEach {
			go func() { _, _ = w.s.Speak(t.Context(), actor(ann), "s1", answerID()) }()
		}
		synctest.Wait()
		<-time.After(w.s.cfg.Look)
		began := time.Now()
		_, err := w.s.Speak(t.Context(), actor(ann), "s1", answerID())
		require.ErrorIs(t, err, chatbox.RateLimited)
		assert.Equal(t, w.s.cfg.Wait, time.Since(began))
		assert.Equal(t, looksEach, w.s.looks.Acts())
		close(w.hang)
		synctest.Wait()
		assert.Zero(t, w.s.looks.Acts())
	})
}

func TestSpeak_TheCallerLeavesAStoreThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.stored[chatbox.SpeechFileID(session(), answerID())] = []byte("one")
		w.hangs = "read"
		ctx, leave := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { leave(errGone) })
		_, err := w.s.Speak(ctx, actor(ann), "s1", answerID())
		require.ErrorIs(t, err, errGone)
		close(w.hang)
		synctest.Wait()
		assert.Zero(t, w.contents())
	})
}

// A listener that has the whole sound waits for the store no longer than for the
// vendor.
func TestListener_TheStoreHangsAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.hangs = "end of keep"
		got := w.begin(t, "one")
		w.say <- nil
		var heard [3]byte
		_, err := io.ReadFull(got.Body, heard[:])
		require.NoError(t, err)
		began := time.Now()
		_, err = got.Body.Read(heard[:])
		require.ErrorIs(t, err, chatbox.Unavailable)
		assert.Equal(t, w.s.cfg.Quiet, time.Since(began))
		require.NoError(t, got.Body.Close())
		assert.Equal(t, 1, w.s.lanes.Acts())
		close(w.hang)
		synctest.Wait()
		assert.Zero(t, w.s.lanes.Acts())
		assert.Equal(t, "one", string(w.stored[got.FileID]))
	})
}

func TestListener_TheStoreHangsWhenItIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		got := w.begin(t, "one")
		w.say <- nil
		synctest.Wait()
		w.hangs = "read"
		began := time.Now()
		_, err := got.Body.Read(make([]byte, 3))
		require.ErrorIs(t, err, chatbox.Unavailable)
		assert.Equal(t, w.s.cfg.Look, time.Since(began))
		require.NoError(t, got.Body.Close())
		close(w.hang)
		synctest.Wait()
		assert.Zero(t, w.s.looks.Acts())
		assert.Zero(t, w.contents())
	})
}
