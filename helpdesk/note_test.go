package helpdesk_test

import (
	"strings"
	"testing"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckNote(t *testing.T) {
	require.ErrorIs(t, helpdesk.CheckNote(""), chatbox.MissingField)
	for _, wrong := range []string{" \n\t", strings.Repeat("ü", helpdesk.MaxNote+1)} {
		require.ErrorIs(t, helpdesk.CheckNote(wrong), chatbox.InvalidArgument)
	}
	for _, right := range []string{"x", " x\n", strings.Repeat("🙂", helpdesk.MaxNote)} {
		assert.NoError(t, helpdesk.CheckNote(right))
	}
}
