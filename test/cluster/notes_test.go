package cluster

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/cmd/chatload/client"
	"chatbox/helpdesk"
)

// note writes one on the session and returns its id.
func (c *cluster) note(token, session, text string) string {
	c.t.Helper()
	status, n := c.request(token, http.MethodPost, "/chatbox/admin/sessions/"+session+"/notes", map[string]string{"text": text})
	require.Equal(c.t, http.StatusCreated, status, n)
	id, _ := n["id"].(string)
	return id
}

func ofNote(id, change string) func(client.Frame) bool {
	return func(f client.Frame) bool {
		return f.Type == "notification" && f.Metadata["event"] == "note" && f.Metadata["note_id"] == id && f.Metadata["change"] == change
	}
}

// Members of staff who have the session open are notified of a note, on any pod.
// Nobody else is, in particular not the session's user.
func TestNotes_HeardByThoseWhoLook(t *testing.T) {
	c := start(t, 3)
	ada := c.device("ada", "s-1", c.podURL(0))
	c.answered(ada, "s-1", c.say(ada, "s-1", "hello [[words=2]]"))
	bob, vic := c.admin("bob", c.podURL(1)), c.admin("vic", c.podURL(2), "chat_viewer")
	holder, other := c.admin("cat", c.podURL(0)), c.admin("rob", c.podURL(1), "admin")
	for _, d := range []*client.Client{bob, vic} {
		c.frame(d, "watch", "s-1")
		c.sees(d, "s-1", "the end of the resume", ofType(client.TypeResumed))
	}
	joined := c.frame(holder, "admin_join", "s-1")
	c.sees(holder, "s-1", "the ack", ackOf(joined))

	writer := c.staffToken("eve")
	id := c.note(writer, "s-1", "Zinnober")
	status, _ := c.request(writer, http.MethodPatch, "/chatbox/admin/sessions/s-1/notes/"+id, map[string]string{"text": "Zinnober, again"})
	require.Equal(t, http.StatusOK, status)
	status, _ = c.request(c.staffToken("rob", "admin"), http.MethodDelete, "/chatbox/admin/sessions/s-1/notes/"+id, nil)
	require.Equal(t, http.StatusOK, status)
	for _, d := range []*client.Client{bob, vic, holder} {
		for change, by := range map[string]string{"added": "eve", "edited": "eve", "deleted": "rob"} {
			assert.Equal(t, by, c.sees(d, "s-1", change, ofNote(id, change)).Metadata["admin_id"])
		}
	}
	c.acked(ada, "s-1", c.say(ada, "s-1", "and now?")) // behind the notes in the session's channel
	for _, d := range []*client.Client{ada, other} {
		for _, f := range received(d, "s-1") {
			assert.NotEqual(t, "notification", f.Type, "%+v", f)
		}
	}
	kept := c.note(writer, "s-1", "Zinnober, kept")
	c.sees(vic, "s-1", "the note", ofNote(kept, "added"))
	person := c.as("", "ada")
	for _, path := range []string{"/sessions/s-1", "/sessions/s-1/export", "/sessions/s-1/export?format=markdown"} {
		assert.NotContains(t, person.want(http.StatusOK, http.MethodGet, path, "").Body, "Zinnober")
	}
	person.want(http.StatusForbidden, http.MethodGet, "/admin/sessions/s-1/notes", "")
}

// Notes are erased with their session and with its owner, for every way of erasing
// and also with concurrent writes. Of an erased author only the name is removed.
func TestNotes_ErasedWithWhatTheyAreAbout(t *testing.T) {
	var b behind
	c := start(t, 3, b.watch, quickSweeps, func(cfg *devstack.Config) { cfg.Privacy.EraseFor = 3 * time.Second })
	rob := c.staffToken("rob", "admin")
	left := func(session string) []helpdesk.Card {
		t.Helper()
		page, err := b.Cards.List(c.ctx, helpdesk.CardQuery{Pile: helpdesk.CardPile{Kind: helpdesk.CardNote, Subject: session}, Limit: 9})
		require.NoError(t, err)
		return page.Cards
	}
	for session, user := range map[string]string{"s-1": "ada", "s-2": "ada", "s-3": "eve", "s-4": "stays"} {
		d := c.device(user, session, c.podURL(0))
		c.acked(d, session, c.say(d, session, "hello [[words=1]]"))
		c.note(rob, session, "a word about "+user)
		c.note(c.staffToken("bob"), session, "another")
	}
	c.as("", "ada").want(http.StatusOK, http.MethodDelete, "/sessions/s-1", "")
	assert.Empty(t, left("s-1"))
	status, _ := c.request(rob, http.MethodGet, "/chatbox/admin/sessions/s-1/notes", nil)
	assert.Equal(t, http.StatusNotFound, status)
	late := helpdesk.Card{Pile: helpdesk.CardPile{Kind: helpdesk.CardNote, Subject: "s-1"}, ID: "late", CreatedAt: time.Now()}
	require.NoError(t, b.Cards.Add(c.ctx, late, helpdesk.MaxNotes)) // as one that was under way
	c.until("the late note to be swept away", func() bool { return len(left("s-1")) == 0 })

	admin := c.staffToken("zoe", "admin")
	c.until("the person to be erased", func() bool {
		status, _ := c.request(admin, http.MethodDelete, "/chatbox/admin/users/ada", nil)
		return status == http.StatusOK
	})
	assert.Empty(t, left("s-2"))

	// A pod died after the mark: the sweep of any other pod continues.
	require.NoError(t, b.Erasures.BeginErasure(c.ctx, chatbox.UserKey{ID: "eve"}, time.Now().Add(time.Second)))
	c.until("the mark to be worked off", func() bool { return len(left("s-3")) == 0 })
	// The same with the tombstone alone, which is the first thing that is written.
	d := c.device("fay", "s-5", c.podURL(1))
	c.acked(d, "s-5", c.say(d, "s-5", "hello [[words=1]]"))
	c.note(rob, "s-5", "x")
	require.NoError(t, b.Tombs.Bury(c.ctx, chatbox.SessionKey{ID: "s-5"}, time.Now()))
	c.until("the tombstone to be worked off", func() bool { return len(left("s-5")) == 0 })

	c.until("the author to be erased", func() bool {
		status, _ := c.request(admin, http.MethodDelete, "/chatbox/admin/users/rob", nil)
		return status == http.StatusOK
	})
	authors := map[string]string{}
	for _, n := range left("s-4") {
		authors[string(n.Body)] = n.AuthorID + n.AuthorName
	}
	assert.Equal(t, map[string]string{"a word about stays": "", "another": "bobName of bob"}, authors)
	_, list := c.request(admin, http.MethodGet, "/chatbox/admin/sessions/s-4/notes", nil)
	assert.InDelta(t, 2, list["count"], 0)
}
