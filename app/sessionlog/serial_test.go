package sessionlog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"

	"github.com/stretchr/testify/require"
)

// A caller that waits behind an append which waits for the history gets the
// history's error, not one that says "busy".
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
