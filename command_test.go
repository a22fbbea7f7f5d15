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

func TestCommand_FilesOfAMessage(t *testing.T) {
	some := func(n int) (ids []string) {
		for i := range n {
			ids = append(ids, strings.Repeat("x", i+1))
		}
		return ids
	}
	for name, tc := range map[string]struct {
		ids []string
		bad bool
	}{
		"none": {nil, false}, "ten": {some(10), false}, "eleven": {some(11), true}, "one twice": {[]string{"a", "b", "a"}, true}, "an empty one": {[]string{"a", ""}, true},
	} {
		err := chatbox.Command{Type: chatbox.TypeUserMessage, Content: "x", FileIDs: tc.ids}.Clean().Validate()
		assert.Equal(t, tc.bad, err != nil, name)
		if tc.bad {
			var refused *chatbox.Error
			require.ErrorAs(t, err, &refused)
			assert.Equal(t, "file_ids", refused.Field, name)
		}
	}
	for _, kind := range []chatbox.Type{chatbox.TypeFileUpload, chatbox.TypeVoiceMessage, chatbox.TypeHelpRequest, chatbox.TypeModelSelect} {
		assert.Empty(t, chatbox.Command{Type: kind, FileIDs: some(20)}.Clean().FileIDs, "only a message has many")
	}
	assert.Nil(t, chatbox.Command{Type: chatbox.TypeUserMessage, FileIDs: []string{}}.Clean().FileIDs)
}

func TestCommand_AddressOfAFile(t *testing.T) {
	const id = "file_abcdefghijklmnopqrstuvwxyz"
	for _, kind := range []chatbox.Type{chatbox.TypeFileUpload, chatbox.TypeVoiceMessage} {
		for address, want := range map[string]struct{ alone, beside string }{ // the field at fault
			"":                                       {"file_id", ""},
			"https://example.com/a":                  {"", ""},
			"HTTPS://example.com:8443/a%20b?x=1#y":   {"", ""},
			"https://ünï.example/ä":                  {"", ""},
			"https://[2001:db8::1]/a":                {"", ""},
			"http://example.com/a":                   {"file_url", "file_url"},
			"/chatbox/files/" + id:                   {"file_url", ""},
			"http://pod:8080/chatbox/files/" + id:    {"file_url", ""},
			"/chatbox/files/file_other":              {"file_url", "file_url"},
			"ftp://x/files/" + id:                    {"file_url", "file_url"},
			"javascript:alert(1)//files/" + id:       {"file_url", "file_url"},
			"javascript:alert(1)":                    {"file_url", "file_url"},
			"data:text/html,x":                       {"file_url", "file_url"},
			"//example.com/a":                        {"file_url", "file_url"},
			"https:example.com":                      {"file_url", "file_url"},
			"https://":                               {"file_url", "file_url"},
			"https:///a":                             {"file_url", "file_url"},
			"https://:443/a":                         {"file_url", "file_url"},
			"https://bank.example@evil.example/":     {"file_url", "file_url"},
			"https://example.com/\"onload=x":         {"file_url", "file_url"},
			"https://example.com/a b":                {"file_url", "file_url"},
			"https://example.com/a\nb":               {"file_url", "file_url"},
			"https://example.com/a\x00":              {"file_url", "file_url"},
			"https://example.com/\u202egnp.exe":      {"file_url", "file_url"},
			"https://example.com\\@evil.example":     {"file_url", "file_url"},
			"https://example.com/%zz":                {"file_url", "file_url"},
			" https://example.com/a":                 {"file_url", "file_url"},
			"\xff":                                   {"file_url", "file_url"},
			"https://x/" + strings.Repeat("a", 4096): {"file_url", "file_url"},
			"https://x/" + strings.Repeat("a", 4086): {"", ""},
			"https://x/files/" + id + "?forged=1":    {"", ""},
			"https://x/<script>":                     {"file_url", "file_url"},
		} {
			field := func(c chatbox.Command) string {
				err := c.Validate()
				if err == nil {
					return ""
				}
				var refused *chatbox.Error
				require.ErrorAs(t, err, &refused)
				return refused.Field
			}
			alone := chatbox.Command{Type: kind, FileURL: address}.Clean()
			assert.Equal(t, want.alone, field(alone), "%.60q", address)
			assert.Equal(t, address, alone.FileURL)
			beside := chatbox.Command{Type: kind, FileID: id, FileURL: address}.Clean()
			assert.Equal(t, want.beside, field(beside), "beside the id: %.60q", address)
			if want.beside == "" {
				assert.Empty(t, beside.FileURL, "the file's own address is shown")
			}
		}
	}
}

func TestEvent_SameRequestComparesFiles(t *testing.T) {
	of := func(ids ...string) chatbox.Event {
		e := chatbox.Event{Type: chatbox.TypeUserMessage, Content: "x"}
		for _, id := range ids {
			e.Files = append(e.Files, chatbox.AttachedFile{ID: id})
		}
		return e
	}
	first := of("a", "b")
	first.Files[0].Name, first.Files[1].Size = "a.txt", 7
	assert.True(t, first.SameRequest(of("a", "b")), "the client sends only their ids")
	for _, other := range []chatbox.Event{of(), of("a"), of("b", "a"), of("a", "b", "c"), of("a", "c")} {
		assert.False(t, first.SameRequest(other))
		assert.False(t, other.SameRequest(first))
	}
	first.Unreadable, first.Files = true, nil
	assert.True(t, first.SameRequest(of("a", "b")), "nobody can tell")
}
