//go:build !race

package embedded_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"chatbox/test/budget"
)

func TestAllocations_Append(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "chat.db"), keyring(t))
	seq := int64(0)
	budget.Hold(t, budget.Budget{Objects: 76, Bytes: 6200}, 500, func() {
		seq++
		require.NoError(t, s.Messages().Append(t.Context(), childEvent(1, seq)))
	})
}
