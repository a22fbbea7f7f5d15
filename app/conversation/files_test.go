package conversation_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"chatbox"
	"chatbox/test/fakes"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func fileID(n int) string { return fmt.Sprintf("file_%026s", strings.Repeat(string(rune('a'+n)), 26)) }

// withFiles is a house in which everybody has uploaded ten files, of which the first
// is a picture and the second is a recording.
func withFiles(t *testing.T) *house {
	t.Helper()
	h := newHouse(t)
	for _, a := range []chatbox.Actor{ada, bob} {
		for n := range 10 {
			kind := "text/plain"
			if n < 2 {
				kind = []string{"image/png", "audio/webm"}[n]
			}
			h.files.Put(chatbox.File{Key: ownFile(a, n), Owner: a.UserID, Name: fmt.Sprintf("%d.bin", n), ContentType: kind, Size: int64(n + 1)})
		}
	}
	return h
}

// ownFile is the n-th file of the actor.
func ownFile(a chatbox.Actor, n int) chatbox.FileKey {
	if a.UserID == bob.UserID {
		n += 10
	}
	return a.File(fileID(n))
}

func upload(session, id string, file chatbox.FileKey) chatbox.Command {
	return chatbox.Command{Type: chatbox.TypeFileUpload, SessionID: session, ID: id, FileID: file.ID}
}

func asks(session, id string, files ...chatbox.FileKey) chatbox.Command {
	cmd := chatbox.Command{Type: chatbox.TypeUserMessage, SessionID: session, ID: id, Content: "What is this?"}
	for _, f := range files {
		cmd.FileIDs = append(cmd.FileIDs, f.ID)
	}
	return cmd
}

func TestFiles_AnUploadIsShownAndNotAnswered(t *testing.T) {
	h := withFiles(t)
	cmd := upload("s", "m1", ownFile(ada, 0))
	cmd.Content = "The beach\nin May"
	e, err := h.PostMessage(t.Context(), ada, cmd)
	require.NoError(t, err)
	assert.Nil(t, e.Turn)
	assert.Equal(t, fileID(0), e.FileID)
	assert.Equal(t, []chatbox.AttachedFile{{ID: fileID(0), Name: "0.bin", ContentType: "image/png", Size: 1}}, e.Files)
	assert.Equal(t, e.Files, h.history.Log(chatbox.SessionKey{ID: "s"})[0].Files, "they are in the history")
	assert.Equal(t, []string{"s"}, h.files.Sessions(ownFile(ada, 0)))
	sess, err := h.log.Owned(t.Context(), ada, "s")
	require.NoError(t, err)
	assert.Equal(t, "The beach", sess.Name)
	assert.EqualValues(t, 1, sess.State.Messages())

	_, err = h.PostMessage(t.Context(), ada, upload("bare", "m1", ownFile(ada, 3)))
	require.NoError(t, err)
	sess, err = h.log.Owned(t.Context(), ada, "bare")
	require.NoError(t, err)
	assert.Equal(t, "3.bin", sess.Name)
}

func TestFiles_OfAMessageKeepTheirOrder(t *testing.T) {
	h := withFiles(t)
	e, err := h.PostMessage(t.Context(), ada, asks("s", "m1", ownFile(ada, 5), ownFile(ada, 0)))
	require.NoError(t, err)
	require.Len(t, e.Files, 2)
	assert.Equal(t, fileID(5)+" "+fileID(0), e.Files[0].ID+" "+e.Files[1].ID)
	assert.Equal(t, chatbox.TurnPending, e.Turn.State)
	assert.Empty(t, e.FileID)
}

func TestFiles_ARecordingIsAnswered(t *testing.T) {
	h := withFiles(t)
	voice := upload("s", "v1", ownFile(ada, 1))
	voice.Type = chatbox.TypeVoiceMessage
	e, err := h.PostMessage(t.Context(), ada, voice)
	require.NoError(t, err)
	assert.Equal(t, &chatbox.Turn{State: chatbox.TurnPending, Run: 1}, e.Turn)
	sess, err := h.log.Owned(t.Context(), ada, "s")
	require.NoError(t, err)
	assert.EqualValues(t, 1, sess.State.LastUserSeq, "a retry answers it")
	assert.Empty(t, sess.Name, "the first words name the session")
	_, err = h.say(ada, "s", "m2", "Did you hear me?")
	require.NoError(t, err)
	sess, err = h.log.Owned(t.Context(), ada, "s")
	require.NoError(t, err)
	assert.Equal(t, "Did you hear me?", sess.Name)

	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	voice.ID = "v2"
	e, err = h.PostMessage(t.Context(), ada, voice)
	require.NoError(t, err)
	assert.Equal(t, chatbox.TurnHeld, e.Turn.State, "a person answers")

	voice.ID, voice.FileID = "v3", fileID(0)
	_, err = h.PostMessage(t.Context(), ada, voice)
	require.ErrorIs(t, err, chatbox.FileType, "a picture says nothing")
	fieldIs(t, err, "file_id")
}

func fieldIs(t *testing.T, err error, field string) {
	t.Helper()
	var refusal *chatbox.Error
	require.ErrorAs(t, err, &refusal)
	assert.Equal(t, field, refusal.Field)
	assert.Contains(t, refusal.Message, field)
}

// A refused file changes nothing: no session is created, no other file of the
// frame is used, and the frame's id stays free.
func TestFiles_ThoseOfOthersAreUnknown(t *testing.T) {
	for name, bad := range map[string]string{
		"unknown": fileID(25), "somebody else's": ownFile(bob, 0).ID, "malformed": "../../etc/passwd", "with NUL": fileID(0) + "\x00", "long": strings.Repeat("x", 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			h := withFiles(t)
			key := chatbox.FileKey{ID: bad}
			_, err := h.PostMessage(t.Context(), ada, upload("s", "m1", key))
			require.ErrorIs(t, err, chatbox.NotFound)
			fieldIs(t, err, "file_id")
			_, err = h.PostMessage(t.Context(), ada, asks("s", "m1", ownFile(ada, 0), key))
			require.ErrorIs(t, err, chatbox.NotFound)
			fieldIs(t, err, "file_ids")
			assert.Empty(t, h.types("s"))
			assert.Empty(t, h.files.Sessions(ownFile(ada, 0)))
			_, err = h.history.Load(t.Context(), chatbox.SessionKey{ID: "s"})
			require.ErrorIs(t, err, chatbox.NotFound)
			_, err = h.PostMessage(t.Context(), ada, asks("s", "m1", ownFile(ada, 0)))
			require.NoError(t, err)
		})
	}
}

func TestFiles_ARefusedFrameUsesNone(t *testing.T) {
	h := withFiles(t)
	_, err := h.say(bob, "bobs", "m1", "mine")
	require.NoError(t, err)
	_, err = h.say(ada, "over", "m1", "bye")
	require.NoError(t, err)
	require.NoError(t, h.End(t.Context(), ada, "over"))
	for session, want := range map[string]chatbox.Code{"bobs": chatbox.NotYours, "over": chatbox.Ended} {
		for _, cmd := range []chatbox.Command{upload(session, "x", ownFile(ada, 2)), asks(session, "y", ownFile(ada, 2)), asks(session, "", ownFile(ada, 2))} {
			_, err := h.PostMessage(t.Context(), ada, cmd)
			require.ErrorIs(t, err, want)
		}
	}
	_, err = h.PostAsHolder(t.Context(), bob, asks("over", "z", ownFile(bob, 2)))
	require.ErrorIs(t, err, chatbox.Ended)
	assert.Empty(t, h.files.Sessions(ownFile(ada, 2)))
	assert.Empty(t, h.files.Sessions(ownFile(bob, 2)))
}

func TestFiles_ARepeatIsAnsweredFirst(t *testing.T) {
	h := withFiles(t)
	cmds := []chatbox.Command{upload("s", "m1", ownFile(ada, 2)), asks("s", "m2", ownFile(ada, 2), ownFile(ada, 3))}
	var first []chatbox.Event
	for _, cmd := range cmds {
		e, err := h.PostMessage(t.Context(), ada, cmd)
		require.NoError(t, err)
		first = append(first, e)
	}
	other := []chatbox.Command{
		upload("s", "m1", ownFile(ada, 3)), asks("s", "m1", ownFile(ada, 2)), asks("s", "m2", ownFile(ada, 3), ownFile(ada, 2)),
		asks("s", "m2", ownFile(ada, 2)), asks("s", "m2"), upload("s", "m2", ownFile(ada, 2)), asks("s", "m2", ownFile(bob, 2)),
	}
	check := func(name string) {
		for i, cmd := range cmds {
			e, err := h.PostMessage(t.Context(), ada, cmd)
			require.NoError(t, err, name)
			assert.Equal(t, first[i].Seq, e.Seq, name)
			assert.Equal(t, first[i].Files, e.Files, name)
		}
		for _, cmd := range other {
			_, err := h.PostMessage(t.Context(), ada, cmd)
			require.ErrorIs(t, err, chatbox.InvalidArgument, name)
			fieldIs(t, err, "id")
		}
	}
	check("at once")
	assert.Empty(t, h.files.Sessions(ownFile(ada, 4)))
	h.files.Lose(ownFile(ada, 2))
	check("the file is gone")
	h.redis.Flush()
	check("Redis was emptied")
	require.NoError(t, h.End(t.Context(), ada, "s"))
	check("the session has ended")
	_, err := h.PostMessage(t.Context(), ada, upload("s", "m3", ownFile(ada, 2)))
	require.ErrorIs(t, err, chatbox.NotFound, "no repeat")
}

// The file goes between the check and its use.
func TestFiles_GoneAtTheLastMoment(t *testing.T) {
	h := withFiles(t)
	h.files.FailUse(&chatbox.Error{Code: chatbox.NotFound, Field: "file_id", Message: "file_id: no such file"})
	_, err := h.PostMessage(t.Context(), ada, upload("s", "m1", ownFile(ada, 2)))
	require.ErrorIs(t, err, chatbox.NotFound)
	assert.Empty(t, h.types("s"))
	h.files.FailUse(nil)
	_, err = h.PostMessage(t.Context(), ada, upload("s", "m1", ownFile(ada, 2)))
	require.NoError(t, err)
}

func TestFiles_AnOutageOfTheirRecordsIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := withFiles(t)
		h.files.FailUse(chatbox.NewError(chatbox.StoreFailed, "", nil))
		time.AfterFunc(3*time.Second, func() { h.files.FailUse(nil) })
		_, err := h.PostMessage(t.Context(), ada, asks("s", "m1", ownFile(ada, 2)))
		require.NoError(t, err)
		assert.Len(t, h.types("s"), 1)
	})
}

func TestFiles_TheHolderSendsTheirOwn(t *testing.T) {
	h := withFiles(t)
	_, err := h.say(ada, "s", "m1", "hello")
	require.NoError(t, err)
	require.NoError(t, h.TakeOver(t.Context(), bob, "s"))
	e, err := h.PostAsHolder(t.Context(), bob, asks("s", "b1", ownFile(bob, 0)))
	require.NoError(t, err)
	assert.Equal(t, chatbox.SenderAdmin, e.Sender)
	assert.Equal(t, ownFile(bob, 0).ID, e.Files[0].ID)
	assert.Equal(t, []string{"s"}, h.files.Sessions(ownFile(bob, 0)))
	sent, err := h.PostAsHolder(t.Context(), bob, upload("s", "b2", ownFile(bob, 1)))
	require.NoError(t, err)
	assert.Nil(t, sent.Turn)
	_, err = h.PostAsHolder(t.Context(), bob, asks("s", "b3", ownFile(ada, 0)))
	require.ErrorIs(t, err, chatbox.NotFound)
	sess, err := h.log.Owned(t.Context(), ada, "s")
	require.NoError(t, err)
	assert.False(t, sess.State.Unreplied())
}

// A link to a file elsewhere needs no file of ours.
func TestFiles_ALinkIsKeptAsItIs(t *testing.T) {
	h := newHouse(t)
	link := chatbox.Command{Type: chatbox.TypeFileUpload, SessionID: "s", ID: "m1", FileURL: "https://files.example.com/a%20b?sig=1#x"}
	e, err := h.PostMessage(t.Context(), ada, link)
	require.NoError(t, err)
	assert.Equal(t, link.FileURL, e.FileURL)
	assert.Empty(t, e.Files)
	again, err := h.PostMessage(t.Context(), ada, link)
	require.NoError(t, err)
	assert.Equal(t, e.Seq, again.Seq)
	link.FileURL = "https://files.example.com/b"
	_, err = h.PostMessage(t.Context(), ada, link)
	require.ErrorIs(t, err, chatbox.InvalidArgument)
}

func TestFiles_WithoutAStore(t *testing.T) {
	h := houseWith(t, fakes.NewHistory(), fakes.NewRedis(), nil, nil, nil)
	link := upload("s", "m1", chatbox.FileKey{})
	link.FileURL = "https://files.example.com/a"
	voice := upload("s", "m1", ownFile(ada, 1))
	voice.Type = chatbox.TypeVoiceMessage
	for _, cmd := range []chatbox.Command{upload("s", "m1", ownFile(ada, 0)), link, voice} {
		_, err := h.PostMessage(t.Context(), ada, cmd)
		require.ErrorIs(t, err, chatbox.InvalidArgument)
		fieldIs(t, err, "type")
	}
	_, err := h.PostMessage(t.Context(), ada, asks("s", "m1", ownFile(ada, 0)))
	require.ErrorIs(t, err, chatbox.InvalidArgument)
	fieldIs(t, err, "file_ids")
	assert.Empty(t, h.types("s"))
	_, err = h.PostMessage(t.Context(), ada, asks("s", "m1"))
	require.NoError(t, err)
}
