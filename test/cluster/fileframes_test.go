package cluster

import (
	"archive/zip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/cmd/chatload/client"
	"chatbox/cmd/chatload/ledger"
	"chatbox/test/fakespeech"
)

// uploaded uploads a file on the n-th pod.
func (c *cluster) uploaded(n int, token, name, content string) client.File {
	c.t.Helper()
	res, out := c.send(n, token, "", parcel{"file", name, content})
	require.Equal(c.t, http.StatusCreated, res.StatusCode, out)
	raw, err := json.Marshal(out)
	require.NoError(c.t, err)
	var f client.File
	require.NoError(c.t, json.Unmarshal(raw, &f))
	return f
}

// sent sends a frame with an id, waits for its ack, and returns its seq.
func (c *cluster) sent(d *client.Client, f client.Frame) int64 {
	c.t.Helper()
	id, err := d.Send(f)
	require.NoError(c.t, err)
	return c.acked(d, f.SessionID, id)
}

// refusal sends a frame without a repeat, and returns the error.
func (c *cluster) refusal(d *client.Client, f client.Frame) *client.WireError {
	c.t.Helper()
	f.ID = client.NewID()
	require.NoError(c.t, d.SendBare(f))
	return c.sees(d, f.SessionID, "the refusal", errorOf(f.ID)).Error
}

func eventAt(seq int64) func(client.Frame) bool {
	return func(f client.Frame) bool {
		return f.Seq == seq && f.Type != client.TypeAck && f.Type != client.TypeResumed
	}
}

// status is that of the content behind the file's address, or of the address
// itself.
func (c *cluster) status(n int, token string, f client.File) (int, string) {
	c.t.Helper()
	res, _ := c.ask(n, http.MethodGet, f.URL, token, nil, nil)
	if res.StatusCode != http.StatusFound {
		return res.StatusCode, ""
	}
	res, text := c.ask(n, http.MethodGet, res.Header.Get("Location"), "", nil, nil)
	return res.StatusCode, text
}

func TestFileFrames_FromPodToPod(t *testing.T) {
	c := start(t, 3)
	ann, eve := c.token("ann"), c.token("eve")
	pic := c.uploaded(0, ann, "beach ü.png", picture(t, 40, 30))
	note := c.uploaded(1, ann, "note.txt", "The code is 4711.")
	spare := c.uploaded(2, ann, "spare.txt", "spare")
	foreign := c.uploaded(2, eve, "eve.txt", "of eve")
	b, other := c.device("ann", "s-1", c.podURL(1)), c.device("ann", "s-1", c.podURL(2))
	bob := c.admin("bob", c.podURL(0))

	seq := c.sent(b, client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileID: pic.ID, FileURL: pic.URL, Content: "Look!"})
	require.EqualValues(t, 1, seq)
	_ = c.frame(other, "resume", "s-1")
	require.NoError(t, other.Resume("s-1"))
	shown := c.sees(other, "s-1", "the picture", eventAt(1))
	assert.Equal(t, client.TypeFileUpload, shown.Type)
	assert.Equal(t, pic.ID+" "+pic.URL+" Look!", shown.FileID+" "+shown.FileURL+" "+shown.Content)
	assert.Equal(t, []client.File{pic}, shown.Files)
	c.enters(bob, "watch", "s-1")
	asked, err := b.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "What is on these? [[words=2]]", FileIDs: []string{note.ID, pic.ID}})
	require.NoError(t, err)
	seq = c.acked(b, "s-1", asked)
	c.answered(other, "s-1", asked)
	for _, d := range []*client.Client{other, bob} {
		shown = c.sees(d, "s-1", "the message", eventAt(seq))
		assert.Equal(t, []client.File{note, pic}, shown.Files)
		assert.Empty(t, shown.FileID+shown.FileURL)
	}
	for n := range 3 {
		for _, who := range []string{ann, c.staffToken("bob")} {
			status, text := c.status(n, who, note)
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, "The code is 4711.", text)
		}
		status, _ := c.status(n, eve, note)
		assert.Equal(t, http.StatusNotFound, status)
	}

	// These files may not be sent, and a refusal changes nothing.
	for name, bad := range map[string]string{"foreign": foreign.ID, "unknown": "file_" + strings.Repeat("a", 26), "malformed": "../x", "with NUL": spare.ID + "\x00"} {
		for _, f := range []client.Frame{
			{Type: client.TypeFileUpload, FileID: bad},
			{Type: client.TypeVoiceMessage, FileID: bad},
			{Type: client.TypeUserMessage, Content: "x", FileIDs: []string{spare.ID, bad}},
		} {
			f.SessionID = "s-1"
			refused := c.refusal(b, f)
			field := "file_id"
			if f.Type == client.TypeUserMessage {
				field = "file_ids"
			}
			assert.Equal(t, "NOT_FOUND", refused.Code, name)
			assert.Contains(t, refused.Message, field, name)
		}
	}
	assert.Equal(t, "INVALID_FILE_TYPE", c.refusal(b, client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileID: spare.ID}).Code)
	assert.Equal(t, "NOT_FOUND", c.refusal(b, client.Frame{Type: client.TypeFileUpload, SessionID: "s-new", FileID: foreign.ID}).Code)
	res, _ := c.ask(0, http.MethodGet, "/chatbox/sessions/s-new", ann, nil, nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode, "no session was made")

	// The history, a new device, and REST.
	me := c.as("", "ann")
	me.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"r1","content":"again [[words=1]]","file_ids":["`+pic.ID+`"]}`)
	me.want(http.StatusAccepted, http.MethodPost, "/sessions/s-1/messages", `{"id":"r1","content":"again [[words=1]]","file_ids":["`+pic.ID+`"]}`)
	me.want(http.StatusBadRequest, http.MethodPost, "/sessions/s-1/messages", `{"id":"r1","content":"again [[words=1]]","file_ids":["`+note.ID+`"]}`)
	me.want(http.StatusNotFound, http.MethodPost, "/sessions/s-1/messages", `{"content":"x","file_ids":["`+foreign.ID+`"]}`)
	c.answered(other, "s-1", "r1")
	seq = c.sent(b, client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileURL: "https://files.example.com/a.pdf"})
	log := c.history("ann", "s-1")
	require.Len(t, log, int(seq))
	assert.Equal(t, []client.File{pic}, log[0].Files)
	assert.Equal(t, pic.ID+" "+pic.URL, log[0].FileID+" "+log[0].FileURL)
	assert.Equal(t, []client.File{note, pic}, log[1].Files)
	assert.Equal(t, "https://files.example.com/a.pdf", log[seq-1].FileURL)
	late := c.device("ann", "", c.podURL(2))
	require.NoError(t, late.SendBare(client.Frame{Type: client.TypeResume, SessionID: "s-1"}))
	for _, m := range log {
		f := c.sees(late, "s-1", "the replay", eventAt(m.Seq))
		assert.Equal(t, m.Files, f.Files)
		assert.Equal(t, m.FileID+" "+m.FileURL, f.FileID+" "+f.FileURL)
	}
	var page struct {
		Sessions []client.SessionInfo `json:"sessions"`
	}
	require.NoError(t, json.Unmarshal([]byte(me.want(http.StatusOK, http.MethodGet, "/sessions", "").Body), &page))
	assert.Equal(t, seq, page.Sessions[0].MessageCount)
	assert.Equal(t, "Look!", page.Sessions[0].Name)
	c.judge("ann", "s-1", []ledger.Class{ledger.ErrorShown}, b)
}

// A shared or exported session says what its files are. Only the export has them.
func TestFileFrames_ExportsAndShares(t *testing.T) {
	c := start(t, 2)
	ann, me := c.token("ann"), c.as("", "ann")
	pic, note := c.uploaded(0, ann, "beach.png", picture(t, 400, 300)), c.uploaded(1, ann, "note.txt", strings.Repeat("The code is 4711.\n", 50_000))
	d := c.device("ann", "s-1", c.podURL(0))
	c.sent(d, client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileID: pic.ID})
	c.answered(d, "s-1", func() string {
		id, err := d.Send(client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "Well? [[words=1]]", FileIDs: []string{note.ID}})
		require.NoError(t, err)
		return id
	}())
	text := me.want(http.StatusOK, http.MethodGet, "/sessions/s-1/export?format=markdown", "").Body
	assert.Contains(t, text, "*file* `beach.png` (image/png)")
	assert.Contains(t, text, "*file* `note.txt` (text/plain)")
	assert.NotContains(t, text, pic.ID)

	archive := me.want(http.StatusOK, http.MethodGet, "/sessions/s-1/export?format=zip", "").Body
	r, err := zip.NewReader(strings.NewReader(archive), int64(len(archive)))
	require.NoError(t, err)
	found := map[string]string{}
	for _, f := range r.File {
		rc, err := f.Open()
		require.NoError(t, err)
		all, err := io.ReadAll(rc)
		require.NoError(t, err)
		found[f.Name] = string(all)
	}
	assert.Len(t, found, 4)
	assert.Equal(t, strings.Repeat("The code is 4711.\n", 50_000), found["files/2-note.txt"])
	assert.Equal(t, int64(len(found["files/1-beach.png"])), pic.Size)
	assert.Contains(t, found["conversation.json"], `"path":"files/1-beach.png"`)

	token, _ := me.want(http.StatusOK, http.MethodPost, "/sessions/s-1/share", "").field(t, "share_token").(string)
	public := person{c: c}.want(http.StatusOK, http.MethodGet, "/shared/"+token, "").Body
	assert.Contains(t, public, `"files":[{"filename":"beach.png","content_type":"image/png"}]`)
	assert.Contains(t, public, `"files":[{"filename":"note.txt","content_type":"text/plain"}]`)
	for _, secret := range []string{pic.ID, note.ID, "/files/", "file_url", "file_id"} {
		assert.NotContains(t, public, secret)
	}
}

// A repeat of a frame is acked also when its file is gone, and the file's erasure
// leaves nothing that can be reached.
func TestFileFrames_RepeatAndErase(t *testing.T) {
	c := start(t, 2, quickSweeps)
	ann, me := c.token("ann"), c.as("", "ann")
	one, both := c.uploaded(0, ann, "one.txt", "only in s-1"), c.uploaded(0, ann, "both.txt", "in both")
	d, second := c.device("ann", "s-1", c.podURL(0)), c.device("ann", "s-2", c.podURL(1))
	upload := client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileID: one.ID, ID: "u1"}
	require.NoError(t, d.SendBare(upload))
	c.sees(d, "s-1", "the ack", ackOf("u1"))
	c.sent(d, client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileID: both.ID})
	c.sent(second, client.Frame{Type: client.TypeFileUpload, SessionID: "s-2", FileID: both.ID})
	also := client.Frame{Type: client.TypeFileUpload, SessionID: "s-2", FileID: one.ID, ID: "u2"}
	require.NoError(t, second.SendBare(also))
	c.sees(second, "s-2", "the ack", ackOf("u2"))
	res, _ := c.ask(0, http.MethodGet, one.URL, ann, nil, nil)
	link := res.Header.Get("Location")

	me.want(http.StatusOK, http.MethodDelete, "/sessions/s-2", "")
	status, _ := c.status(1, ann, one)
	assert.Equal(t, http.StatusOK, status, "another session has it")
	me.want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	for _, f := range []client.File{one, both} {
		for n := range 2 {
			status, _ := c.status(n, ann, f)
			assert.Equal(t, http.StatusNotFound, status)
		}
	}
	res, _ = c.ask(1, http.MethodGet, link, "", nil, nil)
	assert.Equal(t, http.StatusNotFound, res.StatusCode, "also by an earlier link")
	third := c.device("ann", "s-3", c.podURL(1))
	assert.Equal(t, "NOT_FOUND", c.refusal(third, client.Frame{Type: client.TypeFileUpload, SessionID: "s-3", FileID: one.ID}).Code)
	again := c.device("ann", "", c.podURL(0))
	refused := c.refusal(again, upload)
	assert.Equal(t, "NOT_FOUND", refused.Code, "of an erased session nothing is acked")
}

// Many posts race with the erasure of their session. After the erasure
// nobody reaches a file of the session, except the uploader of one that was not shown.
func TestFileFrames_PostsRaceWithAnErasure(t *testing.T) {
	var b behind
	c := start(t, 2, b.watch, quickSweeps)
	gone, kept := 0, 0
	ann, me, bob := c.token("ann"), c.as("", "ann"), c.staffToken("bob")
	for round := range 4 {
		session := fmt.Sprint("r-", round)
		var files []client.File
		for i := range 8 {
			files = append(files, c.uploaded(i%2, ann, "f.txt", fmt.Sprint("content ", round, i)))
		}
		me.want(http.StatusAccepted, http.MethodPost, "/sessions/"+session+"/messages", `{"content":"hi [[words=1]]"}`)
		var posts sync.WaitGroup
		for i, f := range files {
			posts.Go(func() {
				body := `{"content":"x [[words=1]]","file_ids":["` + f.ID + `"]}`
				res, text := c.ask(i%2, http.MethodPost, "/chatbox/sessions/"+session+"/messages", ann, http.Header{"Content-Type": {"application/json"}}, strings.NewReader(body))
				assert.Contains(t, []int{http.StatusAccepted, http.StatusNotFound, http.StatusConflict}, res.StatusCode, text)
			})
		}
		me.want(http.StatusOK, http.MethodDelete, "/sessions/"+session, "")
		posts.Wait()
		for i, f := range files {
			c.until("the end of every use", func() bool {
				got, err := b.Files.Get(c.ctx, chatbox.FileKey{ID: f.ID})
				return errors.Is(err, chatbox.NotFound) || err == nil && (got.Gone || got.UsedAt.IsZero())
			})
			got, err := b.Files.Get(c.ctx, chatbox.FileKey{ID: f.ID})
			if err == nil && !got.Gone {
				kept++
				continue
			}
			gone++
			for _, who := range []string{ann, bob} {
				status, _ := c.status(i%2, who, f)
				assert.Equal(t, http.StatusNotFound, status)
			}
		}
		assert.Len(t, b.left(t, chatbox.SessionKey{ID: session}), 1, "its end")
	}
	t.Log(gone, "files went with their session,", kept, "were never used")
}

func TestFileFrames_RecordingsAndStaff(t *testing.T) {
	c := start(t, 2)
	ann, bobs := c.token("ann"), c.staffToken("bob")
	voice := c.uploaded(0, ann, "rec.wav", fakespeech.Recording())
	assert.EqualValues(t, 1000, voice.DurationMS)
	d, bob := c.device("ann", "s-1", c.podURL(1)), c.admin("bob", c.podURL(0))
	id, err := d.Send(client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileID: voice.ID})
	require.NoError(t, err)
	assert.NotEmpty(t, c.answered(d, "s-1", id), "its reply_to is the recording's id")

	join := c.frame(bob, "admin_join", "s-1")
	c.sees(bob, "s-1", "ack of the takeover", ackOf(join))
	form := c.uploaded(1, bobs, "form.txt", "please fill in")
	status, _ := c.status(0, ann, form)
	assert.Equal(t, http.StatusNotFound, status, "not sent yet")
	seq := c.sent(bob, client.Frame{Type: client.TypeUserMessage, SessionID: "s-1", Content: "Here.", FileIDs: []string{form.ID}})
	shown := c.sees(d, "s-1", "the form", eventAt(seq))
	assert.Equal(t, "admin", shown.Sender)
	assert.Equal(t, []client.File{form}, shown.Files)
	status, text := c.status(0, ann, form)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "please fill in", text)
	seq = c.sent(bob, client.Frame{Type: client.TypeFileUpload, SessionID: "s-1", FileID: form.ID})
	assert.Equal(t, "bob", c.sees(d, "s-1", "the form again", eventAt(seq)).Metadata["admin_id"])
	held := c.sent(d, client.Frame{Type: client.TypeVoiceMessage, SessionID: "s-1", FileID: voice.ID})
	heard := c.sees(bob, "s-1", "a recording for bob", eventAt(held))
	assert.Equal(t, voice.URL, heard.FileURL)
	status, _ = c.status(1, bobs, voice)
	assert.Equal(t, http.StatusOK, status)
	status, out := c.request(bobs, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]any{"content": "one more", "file_ids": []string{form.ID}})
	assert.Equal(t, http.StatusAccepted, status, out)
	status, out = c.request(bobs, http.MethodPost, "/chatbox/admin/sessions/s-1/messages", map[string]any{"content": "no", "file_ids": []string{voice.ID}})
	assert.Equal(t, http.StatusNotFound, status, "the user's file is not the holder's to send: %v", out)
	c.silent(d, "s-1")
}
