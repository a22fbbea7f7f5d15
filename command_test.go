package chatbox_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
)

func TestCommand_MetadataIsMeasuredInCharacters(t *testing.T) {
	with := func(key, value string) error {
		return chatbox.Command{
			Type: chatbox.TypeUserMessage, Content: "hi", Metadata: map[string]string{key: value},
		}.Validate()
	}
	require.NoError(t, with(strings.Repeat("ä", 64), strings.Repeat("語", 1000)))
	for _, err := range []error{with(strings.Repeat("ä", 65), ""), with("k", strings.Repeat("語", 1001))} {
		var refused *chatbox.Error
		require.ErrorAs(t, err, &refused)
		assert.Equal(t, "metadata", refused.Field)
	}
}
