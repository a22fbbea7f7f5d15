package conversation_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/test/fakes"
)

// fetchingHouse is a house whose pods fetch files elsewhere. linking is another pod
// of the same cluster that shows links.
func fetchingHouse(t *testing.T) (h, linking *house) {
	t.Helper()
	files, history, redis := fakes.NewFiles(), fakes.NewHistory(), fakes.NewRedis()
	h, linking = houseWith(t, history, redis, nil, files, files), houseWith(t, history, redis, nil, files, nil)
	h.files, linking.files = files, files
	files.Elsewhere(planAt, "application/pdf")
	return h, linking
}

const planAt = "https://files.example.com/plan.pdf"

func elsewhere(t chatbox.Type, id, address string) chatbox.Command {
	return chatbox.Command{Type: t, SessionID: "s", ID: id, FileURL: address, Content: "Look"}
}

func TestFetched_TheEventHasTheFile(t *testing.T) {
	h, _ := fetchingHouse(t)
	e, err := h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt))
	require.NoError(t, err)
	assert.Empty(t, e.FileURL)
	assert.Equal(t, chatbox.FetchedFileID(ada.User(), "s", "m1", planAt), e.FileID)
	assert.Equal(t, []chatbox.AttachedFile{{ID: e.FileID, Name: "fetched", ContentType: "application/pdf", Size: 1}}, e.Files)
	assert.Equal(t, []string{"s"}, h.files.Sessions(ada.File(e.FileID)), "the session uses it")

	again, err := h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt))
	require.NoError(t, err)
	assert.Equal(t, e.Seq, again.Seq)
	_, err = h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt+"?2"))
	fieldIs(t, err, "id")
	assert.Equal(t, []string{planAt}, h.files.Fetched(), "a repeat fetches nothing, with any address")
	h.files.Lose(ada.File(e.FileID))
	_, err = h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt))
	require.NoError(t, err, "a repeat is acked also when the file is gone")
	assert.Len(t, h.files.Fetched(), 1)

	unnamed, err := h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "", planAt))
	require.NoError(t, err)
	assert.NotEqual(t, e.FileID, unnamed.FileID)
}

// A pod that died between the fetch and the append leaves the file, which the repeat
// of the message finds.
func TestFetched_ARepeatFindsTheFile(t *testing.T) {
	h, _ := fetchingHouse(t)
	h.files.FailUse(chatbox.NewError(chatbox.NotFound, "", nil))
	_, err := h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt))
	require.Error(t, err)
	h.files.FailUse(nil)
	_, err = h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeFileUpload, "m1", planAt))
	require.NoError(t, err)
	assert.Len(t, h.files.Fetched(), 1)
}

func TestFetched_Refusals(t *testing.T) {
	h, _ := fetchingHouse(t)
	for id, cmd := range map[string]chatbox.Command{
		"away": elsewhere(chatbox.TypeFileUpload, "m1", "https://10.0.0.1/x"), "no recording": elsewhere(chatbox.TypeVoiceMessage, "m2", planAt),
		"no https": elsewhere(chatbox.TypeFileUpload, "m3", "http://files.example.com/plan.pdf"),
	} {
		_, err := h.PostMessage(t.Context(), ada, cmd)
		require.Error(t, err, id)
		fieldIs(t, err, "file_url")
	}
	assert.Empty(t, h.types("s"))
	h.files.Elsewhere(planAt, "audio/ogg")
	e, err := h.PostMessage(t.Context(), ada, elsewhere(chatbox.TypeVoiceMessage, "m2", planAt))
	require.NoError(t, err, "the id is still free")
	assert.NotNil(t, e.Turn)
	assert.Len(t, h.files.Fetched(), 3)
}

// While pods with the two settings run side by side, either acks the repeats of the
// other's messages.
func TestFetched_BesidePodsThatLink(t *testing.T) {
	h, linking := fetchingHouse(t)
	for _, pods := range [][2]*house{{h, linking}, {linking, h}} {
		cmd := elsewhere(chatbox.TypeFileUpload, map[bool]string{true: "m1", false: "m2"}[pods[0] == h], planAt)
		first, err := pods[0].PostMessage(t.Context(), ada, cmd)
		require.NoError(t, err)
		assert.Equal(t, pods[0] == linking, first.FileURL == planAt)
		again, err := pods[1].PostMessage(t.Context(), ada, cmd)
		require.NoError(t, err)
		assert.Equal(t, first.Seq, again.Seq)
		cmd.FileURL += "?other"
		for _, pod := range pods {
			_, err = pod.PostMessage(t.Context(), ada, cmd)
			fieldIs(t, err, "id")
		}
	}
	assert.Len(t, h.files.Fetched(), 1)
}
