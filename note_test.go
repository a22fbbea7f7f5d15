package chatbox_test

import (
	"strings"
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckNote(t *testing.T) {
	require.ErrorIs(t, chatbox.CheckNote(""), chatbox.MissingField)
	for _, wrong := range []string{" \n\t", strings.Repeat("ü", chatbox.MaxNote+1)} {
		require.ErrorIs(t, chatbox.CheckNote(wrong), chatbox.InvalidArgument)
	}
	for _, right := range []string{"x", " x\n", strings.Repeat("🙂", chatbox.MaxNote)} {
		assert.NoError(t, chatbox.CheckNote(right))
	}
}
