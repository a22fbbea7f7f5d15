package sessionlog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"

	"github.com/stretchr/testify/require"
)

// Who waits behind an append that waits for the history is told of the
// history, not that somebody is busy.
func TestSerial_SaysWhatKeepsTheOneInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s serial
		k := chatbox.SessionKey{ID: "s"}
		leave, err := s.enter(t.Context(), k)
		require.NoError(t, err)
		wait := func() error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := s.enter(ctx, k)
			return err
		}
		require.ErrorIs(t, wait(), chatbox.Unavailable)
		s.kept(k, chatbox.NewError(chatbox.StoreFailed, "", nil))
		require.ErrorIs(t, wait(), chatbox.StoreFailed)
		s.kept(k, nil)
		require.ErrorIs(t, wait(), chatbox.Unavailable)
		leave()
		leave, err = s.enter(t.Context(), k)
		require.NoError(t, err)
		leave()
		require.Empty(t, s.held)
	})
}
