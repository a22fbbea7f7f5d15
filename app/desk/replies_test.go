package desk_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"chatbox"
	"chatbox/app/desk"
	"chatbox/helpdesk"
)

func canned(shortcut, text string) helpdesk.CannedReply {
	return helpdesk.CannedReply{Shortcut: shortcut, Title: " Title ", Text: text}
}

func shortcutsOf(t *testing.T, o *office, a chatbox.Actor) []string {
	t.Helper()
	all, err := o.Replies(t.Context(), a)
	require.NoError(t, err)
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.Shortcut
	}
	return out
}

func TestReplies_WrittenReadChangedDeleted(t *testing.T) {
	o := open(t)
	hello, err := o.AddReply(t.Context(), bob, canned("hello", "Hello {{user_id}}"))
	require.NoError(t, err)
	assert.Equal(t, "Title", hello.Title)
	assert.Equal(t, "bob", hello.UpdatedBy)
	bye, err := o.AddReply(t.Context(), rob, canned("bye", "Bye"))
	require.NoError(t, err)
	all, err := o.Replies(t.Context(), vic)
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.CannedReply{bye, hello}, all, "by shortcut")

	_, err = o.AddReply(t.Context(), bob, canned("hello", "x"))
	require.ErrorIs(t, err, chatbox.Conflict)
	_, err = o.ReplaceReply(t.Context(), bob, helpdesk.CannedReply{ID: bye.ID, Shortcut: "hello", Text: "x"})
	require.ErrorIs(t, err, chatbox.Conflict)
	same, err := o.ReplaceReply(t.Context(), rob, helpdesk.CannedReply{ID: hello.ID, Shortcut: "hello", Text: "Hi"})
	require.NoError(t, err, "its own shortcut is no other's")
	assert.Equal(t, []string{hello.ID, "Hi", "", "rob"}, []string{same.ID, same.Text, same.Title, same.UpdatedBy})
	_, err = o.ReplaceReply(t.Context(), rob, helpdesk.CannedReply{ID: hello.ID, Shortcut: "welcome", Text: "Hi"})
	require.NoError(t, err)
	again, err := o.AddReply(t.Context(), bob, canned("hello", "the shortcut is free again"))
	require.NoError(t, err)
	assert.Equal(t, []string{"bye", "hello", "welcome"}, shortcutsOf(t, o, bob))

	require.NoError(t, o.DeleteReply(t.Context(), bob, again.ID))
	require.ErrorIs(t, o.DeleteReply(t.Context(), bob, again.ID), chatbox.NotFound)
	_, err = o.ReplaceReply(t.Context(), bob, again)
	require.ErrorIs(t, err, chatbox.NotFound)
	_, err = o.AddReply(t.Context(), bob, canned("hello", "and again"))
	require.NoError(t, err)
}

func TestReplies_WhoMayNot(t *testing.T) {
	o := open(t)
	r, err := o.AddReply(t.Context(), bob, canned("hello", "Hello"))
	require.NoError(t, err)
	o.recorded()
	foreign := bob
	foreign.Tenant = "other"
	for _, who := range []chatbox.Actor{staff("ann"), vic} {
		_, err := o.AddReply(t.Context(), who, canned("x", "x"))
		require.ErrorIs(t, err, chatbox.PermissionDenied)
		_, err = o.ReplaceReply(t.Context(), who, r)
		require.ErrorIs(t, err, chatbox.PermissionDenied)
		require.ErrorIs(t, o.DeleteReply(t.Context(), who, r.ID), chatbox.PermissionDenied)
	}
	_, err = o.Replies(t.Context(), staff("ann"))
	require.ErrorIs(t, err, chatbox.PermissionDenied)
	_, err = o.ReplaceReply(t.Context(), foreign, r)
	require.ErrorIs(t, err, chatbox.NotFound)
	require.ErrorIs(t, o.DeleteReply(t.Context(), foreign, r.ID), chatbox.NotFound)
	assert.Empty(t, shortcutsOf(t, o, foreign))
	assert.Empty(t, o.recorded())
	_, err = o.AddReply(t.Context(), foreign, canned("hello", "another tenant's"))
	require.NoError(t, err)
	assert.Equal(t, []string{"hello"}, shortcutsOf(t, o, bob))

	o.shut = true
	_, err = o.AddReply(t.Context(), bob, canned("x", "x"))
	require.ErrorIs(t, err, chatbox.StoreFailed)
	_, err = o.ReplaceReply(t.Context(), bob, r)
	require.ErrorIs(t, err, chatbox.StoreFailed)
	require.ErrorIs(t, o.DeleteReply(t.Context(), bob, r.ID), chatbox.StoreFailed)
	assert.Equal(t, []string{"hello"}, shortcutsOf(t, o, bob))
}

func TestReplies_Render(t *testing.T) {
	o := open(t)
	o.session("s", func(s *chatbox.Session) { s.OwnerName = "Ann A." })
	o.session("nameless", func(s *chatbox.Session) { s.Name = "" })
	r, err := o.AddReply(t.Context(), rob, canned("all",
		"{{user_id}}/{{user_name}}/{{session_name}}/{{admin_id}}/{{admin_name|we}}/{{ date }}/{{time}}"))
	require.NoError(t, err)
	content, missing, err := o.RenderReply(t.Context(), vic, r.ID, "s")
	require.NoError(t, err)
	assert.Regexp(t, `^ann/Ann A\./About s/vic/Name of vic/\d{4}-\d\d-\d\d/\d\d:\d\d$`, content)
	assert.Empty(t, missing)
	unnamed := bob
	unnamed.Name = ""
	content, missing, err = o.RenderReply(t.Context(), unnamed, r.ID, "nameless")
	require.NoError(t, err)
	assert.Contains(t, content, "/{{session_name}}/bob/we/")
	assert.Equal(t, []string{"user_name", "session_name"}, missing)

	_, err = o.SetSupport(t.Context(), rob, helpdesk.Settings{TimeZone: "Pacific/Kiritimati"})
	require.NoError(t, err)
	zone, err := time.LoadLocation("Pacific/Kiritimati")
	require.NoError(t, err)
	before := time.Now()
	content, _, err = o.RenderReply(t.Context(), bob, r.ID, "s")
	require.NoError(t, err)
	parts := strings.Split(content, "/")
	said, err := time.ParseInLocation("2006-01-02 15:04", parts[len(parts)-2]+" "+parts[len(parts)-1], zone)
	require.NoError(t, err)
	assert.WithinDuration(t, before, said, 2*time.Minute, "the team's clock")

	foreign := bob
	foreign.Tenant = "other"
	for _, wrong := range []struct {
		a       chatbox.Actor
		id, s   string
		refusal chatbox.Code
	}{
		{staff("ann"), r.ID, "s", chatbox.PermissionDenied},
		{foreign, r.ID, "s", chatbox.NotFound},
		{bob, "x", "s", chatbox.NotFound},
		{bob, r.ID, "unknown", chatbox.NotFound},
		{bob, r.ID, "a b", chatbox.NotFound},
	} {
		_, _, err := o.RenderReply(t.Context(), wrong.a, wrong.id, wrong.s)
		require.ErrorIs(t, err, wrong.refusal)
	}
}

// If pods write concurrently, a shortcut has one reply, and every acknowledged
// reply is stored.
func TestReplies_OneOfARaceForAShortcut(t *testing.T) {
	o := open(t)
	var wg sync.WaitGroup
	won := make(chan string, 40)
	for i := range 10 {
		wg.Go(func() {
			for j := range 4 {
				r, err := o.AddReply(t.Context(), bob, canned(fmt.Sprint("s", j), fmt.Sprint(i)))
				if err == nil {
					won <- r.ID
				} else if !errors.Is(err, chatbox.Conflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(won)
	var ids []string
	for id := range won {
		ids = append(ids, id)
	}
	all, err := o.Replies(t.Context(), bob)
	require.NoError(t, err)
	assert.Equal(t, []string{"s0", "s1", "s2", "s3"}, shortcutsOf(t, o, bob))
	for _, r := range all {
		assert.Contains(t, ids, r.ID)
	}
	assert.Len(t, ids, 4)
}

// If replies are renamed concurrently, even one reply by several callers, each
// reply's shortcut is reserved and no other shortcut is.
func TestReplies_RenamedAtOnce(t *testing.T) {
	o := open(t)
	var ids []string
	for i := range 2 {
		r, err := o.AddReply(t.Context(), bob, canned(fmt.Sprint("s", i), "x"))
		require.NoError(t, err)
		ids = append(ids, r.ID)
	}
	const names = 5
	var wg sync.WaitGroup
	for i := range 6 {
		wg.Go(func() {
			for j := range 5 {
				r := canned(fmt.Sprint("s", (i*3+j*2)%names), "x")
				r.ID = ids[i%2]
				_, err := o.ReplaceReply(t.Context(), bob, r)
				for errors.Is(err, chatbox.Unavailable) { // too many at once
					_, err = o.ReplaceReply(t.Context(), bob, r)
				}
				if err != nil && !errors.Is(err, chatbox.Conflict) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	used := shortcutsOf(t, o, bob)
	require.Len(t, used, 2)
	assert.NotEqual(t, used[0], used[1])
	for i := range names {
		name := fmt.Sprint("s", i)
		_, err := o.AddReply(t.Context(), bob, canned(name, "x"))
		if slices.Contains(used, name) {
			require.ErrorIs(t, err, chatbox.Conflict, name)
		} else {
			assert.NoError(t, err, name)
		}
	}
}

func TestReplies_Bounded(t *testing.T) {
	o := open(t)
	const room, racers = 3, 8
	for i := range helpdesk.MaxReplies - room {
		c := helpdesk.Card{
			Pile: helpdesk.CardPile{Tenant: "t", Kind: helpdesk.CardReply}, ID: fmt.Sprint(i),
			Body: fmt.Appendf(nil, `{"shortcut":"old-%d","text":"x"}`, i), CreatedAt: time.UnixMilli(int64(i)),
		}
		require.NoError(t, o.store.Cards().Add(t.Context(), c, helpdesk.MaxReplies))
	}
	var wg sync.WaitGroup
	won := make(chan string, racers)
	for i := range racers {
		wg.Go(func() {
			r, err := o.AddReply(t.Context(), bob, canned(fmt.Sprint("new-", i), "x"))
			if err == nil {
				won <- r.Shortcut
			} else if !errors.Is(err, chatbox.Full) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Len(t, won, room)
	all, err := o.Replies(t.Context(), bob)
	require.NoError(t, err)
	require.Len(t, all, helpdesk.MaxReplies)
	require.NoError(t, o.DeleteReply(t.Context(), bob, all[0].ID))
	for i := range racers {
		_, err = o.AddReply(t.Context(), bob, canned(fmt.Sprint("new-", i), "x"))
		if err == nil {
			return // the refusal had not kept the shortcut
		}
		require.ErrorIs(t, err, chatbox.Conflict)
	}
	t.Error("nothing found room")
}

// dying are cards whose pod dies before it writes a reply.
type dying struct{ desk.Cards }

func (dying) Add(_ context.Context, c helpdesk.Card, _ int) error {
	if c.Pile.Kind == helpdesk.CardReply {
		return chatbox.NewError(chatbox.StoreFailed, "", nil)
	}
	return nil
}

// A claim without a reply blocks the shortcut only while the write may still run.
func TestReplies_AClaimNobodyMadeGoodIsDoubted(t *testing.T) {
	o := open(t)
	put := func(since time.Time) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"hello": map[string]any{"reply": "dead", "since": since}})
		require.NoError(t, err)
		p := helpdesk.CardPile{Tenant: "t", Kind: helpdesk.CardShortcuts}
		require.NoError(t, o.store.Cards().Delete(t.Context(), p, "all"))
		require.NoError(t, o.store.Cards().Add(t.Context(), helpdesk.Card{Pile: p, ID: "all", Body: body, CreatedAt: since}, 1))
	}
	put(time.Now())
	_, err := o.AddReply(t.Context(), bob, canned("hello", "x"))
	require.ErrorIs(t, err, chatbox.Conflict)
	put(time.Now().Add(-2 * time.Minute))
	_, err = o.AddReply(t.Context(), bob, canned("hello", "x"))
	require.NoError(t, err)
	assert.Equal(t, []string{"hello"}, shortcutsOf(t, o, bob))

	away := open(t)
	away.replies.Cards = dying{away.store.Cards()}
	_, err = away.AddReply(t.Context(), bob, canned("hello", "x"))
	require.ErrorIs(t, err, chatbox.StoreFailed)
	assert.Empty(t, shortcutsOf(t, away, bob))
}
