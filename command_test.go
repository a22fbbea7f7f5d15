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

// An unchecked address must not reach other people's screens by way of a frame
// that is not about a file.
func TestCommand_OnlyFilesHaveAFilesAddress(t *testing.T) {
	c := chatbox.Command{Content: "a\x00b", ModelID: "m", FileID: "f", FileURL: "javascript:alert(1)"}
	for _, kind := range []chatbox.Type{chatbox.TypeUserMessage, chatbox.TypeHelpRequest, chatbox.TypeModelSelect} {
		c.Type = kind
		assert.Equal(t, chatbox.Command{Type: kind, Content: "ab", ModelID: "m"}, c.Clean())
	}
	c.Type = chatbox.TypeFileUpload
	assert.Equal(t, "f", c.Clean().FileID)
}
