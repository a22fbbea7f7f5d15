package chatbox

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCheckDisclosure(t *testing.T) {
	for _, text := range []string{"", "A model\nanswers you.", strings.Repeat("ä", MaxDisclosure)} {
		require.NoError(t, CheckDisclosure(text), text)
	}
	for text, want := range map[string]string{
		"\xff": "is not valid UTF-8", strings.Repeat("ä", MaxDisclosure+1): "is longer than 1,000 characters",
		"a\x00b": "has control characters", "\n": "has only white space",
	} {
		assert.EqualError(t, CheckDisclosure(text), want)
	}
}
