package conformance

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chatbox"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sessionRace(t *testing.T, f StoreFixture) {
	t.Helper()
	pods := []Stores{f.Stores, f.Reopen(t, StoreKey())}
	for range 5 {
		k := newKey()
		const racers = 12
		var wg sync.WaitGroup
		owners, made := make([]string, racers), make([]bool, racers)
		for i := range racers {
			wg.Go(func() {
				in := chatbox.Session{Key: k, Owner: fmt.Sprint("u", i), Name: fmt.Sprint("name ", i), CreatedAt: epoch}
				s, created, err := pods[i%len(pods)].Sessions.Create(t.Context(), in)
				if err != nil {
					t.Error(err)
				}
				owners[i], made[i] = s.Owner, created
				if created {
					assert.Equal(t, in, s)
				}
			})
		}
		wg.Wait()
		winner := slices.Index(made, true)
		require.GreaterOrEqual(t, winner, 0)
		assert.Equal(t, -1, slices.Index(made[winner+1:], true), "one made it")
		for _, o := range owners {
			assert.Equal(t, fmt.Sprint("u", winner), o, "all were told the same owner")
		}
	}
}

func fullState() chatbox.State {
	return chatbox.State{
		Head: 9, HolderID: "a", HolderName: "Ada", Ended: true, EndedAt: epoch.Add(time.Minute), AnswerableFrom: 3,
		LastUserSeq: 8, ModelID: "m", LastActivity: epoch.Add(time.Hour), Tokens: 1 << 40, Answers: 2, ResponseTotal: 3000,
		ResponseMax: 2000, HelpRequested: true, HelpPending: true, AdminAssisted: true, Talk: chatbox.Talk{From: 7, Ended: 5, By: 4},
	}
}

func sessionReadsBack(t *testing.T, f StoreFixture) {
	t.Helper()
	for name, in := range map[string]chatbox.Session{
		"bare":   {Key: newKey(), Owner: "u", CreatedAt: epoch},
		"full":   {Key: newKey(), Owner: "ü|$.x", OwnerName: "Ünal \x00 😀", Name: "  naïve 😀", CreatedAt: epoch, IssuedAt: epoch.Add(-time.Minute), State: fullState()},
		"erased": {Key: newKey(), Owner: "u", CreatedAt: epoch, Erased: true},
	} {
		got, created, err := f.Sessions.Create(t.Context(), in)
		require.NoError(t, err, name)
		assert.True(t, created, name)
		assert.Equal(t, in, got, name)
		again := in
		again.Owner, again.OwnerName, again.Name = "somebody else", "y", "x"
		got, created, err = f.Sessions.Create(t.Context(), again)
		require.NoError(t, err, name)
		assert.False(t, created, name)
		assert.Equal(t, in, got, name)
		got, err = f.Sessions.Load(t.Context(), in.Key)
		require.NoError(t, err, name)
		assert.Equal(t, in, got, name)
		held, err := f.Sessions.Held(t.Context())
		require.NoError(t, err, name)
		st := in.State
		assert.Equal(t, st.HolderID != "", slices.Contains(held, chatbox.Holding{Session: in.Key, Holder: st.HolderID, Since: st.AnswerableFrom}), name)
	}
	_, err := f.Sessions.Load(t.Context(), newKey())
	require.ErrorIs(t, err, chatbox.NotFound)
}

func sessionTouch(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, fullState()), "a touch makes no session")
	_, err := f.Sessions.Load(t.Context(), k)
	require.ErrorIs(t, err, chatbox.NotFound)

	_, _, err = f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
	require.NoError(t, err)
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, fullState()))
	for _, late := range []chatbox.State{{}, {Head: 8, ModelID: "late"}, {Head: 9, ModelID: "same"}} {
		require.NoError(t, f.Sessions.SaveState(t.Context(), k, late))
	}
	s, err := f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.Equal(t, fullState(), s.State)

	var wg sync.WaitGroup
	for _, head := range []int64{40, 12, 33, 11, 60, 25, 59} {
		wg.Go(func() {
			st := chatbox.State{Head: head, Tokens: head, LastActivity: epoch}
			assert.NoError(t, f.Sessions.SaveState(t.Context(), k, st))
		})
	}
	wg.Wait()
	s, err = f.Sessions.Load(t.Context(), k)
	require.NoError(t, err)
	assert.Equal(t, chatbox.State{Head: 60, Tokens: 60, LastActivity: epoch}, s.State, "the latest fold, whole")
}

func sessionName(t *testing.T, f StoreFixture) {
	t.Helper()
	k := newKey()
	require.ErrorIs(t, f.Sessions.SetName(t.Context(), k, "x", false), chatbox.NotFound)
	_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "u", CreatedAt: epoch})
	require.NoError(t, err)
	for _, step := range []struct {
		name  string
		empty bool
		want  string
	}{
		{"first", true, "first"},
		{"second", true, "first"},
		{"second", false, "second"},
		{"", false, ""},
		{"third 😀", true, "third 😀"},
	} {
		require.NoError(t, f.Sessions.SetName(t.Context(), k, step.name, step.empty))
		s, err := f.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		assert.Equal(t, step.want, s.Name)
	}
}

// sessionList pages over equal and different times in pages of every size.
func sessionList(t *testing.T, f StoreFixture) {
	t.Helper()
	user := chatbox.UserKey{Tenant: unique("t-"), ID: "u"}
	var want []string
	const n = 23
	for i := range n {
		id := fmt.Sprintf("s%02d", i)
		at := epoch.Add(-time.Duration(i/5) * time.Second) // five of each time
		in := chatbox.Session{Key: chatbox.SessionKey{Tenant: user.Tenant, ID: id}, Owner: "u", CreatedAt: at}
		_, _, err := f.Sessions.Create(t.Context(), in)
		require.NoError(t, err)
		want = append(want, id)
	}
	for _, limit := range []int{1, 4, 5, 7, n - 1, n, 200} {
		var got []string
		cursor := ""
		for pages := 0; ; pages++ {
			require.Less(t, pages, n+1)
			page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: user, Limit: limit, Cursor: cursor})
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Sessions), limit)
			for _, s := range page.Sessions {
				got = append(got, s.Key.ID)
			}
			if cursor = page.Next; cursor == "" {
				break
			}
		}
		assert.Equal(t, want, got, "pages of %d", limit)
	}
}

func sessionListOrder(t *testing.T, f StoreFixture) {
	t.Helper()
	user := chatbox.UserKey{Tenant: unique("t-"), ID: "u"}
	key := func(id string) chatbox.SessionKey { return chatbox.SessionKey{Tenant: user.Tenant, ID: id} }
	for i, s := range []chatbox.Session{
		{Key: key("a"), Owner: "u"},
		{Key: key("b"), Owner: "u"},
		{Key: key("c"), Owner: "u"},
		{Key: key("other"), Owner: "v"},
		{Key: key("gone"), Owner: "u", Erased: true},
	} {
		s.CreatedAt = epoch.Add(time.Duration(i) * time.Minute)
		_, _, err := f.Sessions.Create(t.Context(), s)
		require.NoError(t, err)
	}
	list := func(status string) (ids []string) {
		t.Helper()
		page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: user, Status: status, Limit: 10})
		require.NoError(t, err)
		assert.Empty(t, page.Next)
		for _, s := range page.Sessions {
			ids = append(ids, s.Key.ID)
		}
		return ids
	}
	assert.Equal(t, []string{"c", "b", "a"}, list(""), "without events by creation")
	require.NoError(t, f.Sessions.SaveState(t.Context(), key("a"), chatbox.State{Head: 1, LastActivity: epoch.Add(time.Hour)}))
	require.NoError(t, f.Sessions.SaveState(t.Context(), key("c"),
		chatbox.State{Head: 1, LastActivity: epoch.Add(time.Second), Ended: true, EndedAt: epoch.Add(time.Second)}))
	assert.Equal(t, []string{"a", "b", "c"}, list(""))
	assert.Equal(t, []string{"a", "b"}, list("active"))
	assert.Equal(t, []string{"c"}, list("ended"))
	page, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: chatbox.UserKey{Tenant: user.Tenant, ID: "w"}, Limit: 10})
	require.NoError(t, err)
	assert.Empty(t, page.Sessions)
}

func sessionListRefuses(t *testing.T, f StoreFixture) {
	t.Helper()
	user := chatbox.UserKey{Tenant: unique("t-"), ID: "u"}
	for _, cursor := range []string{
		"x", "????", "null", base64.RawURLEncoding.EncodeToString([]byte("1|x|y")),
		base64.RawURLEncoding.EncodeToString([]byte(`1|1|{"$gt":""}`)),
	} {
		_, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: user, Limit: 1, Cursor: cursor})
		var e *chatbox.Error
		require.ErrorAs(t, err, &e, cursor)
		assert.Equal(t, chatbox.InvalidArgument, e.Code)
		assert.Equal(t, "cursor", e.Field)
	}
	_, err := f.Sessions.List(t.Context(), chatbox.SessionQuery{User: user, Limit: 1, Status: "open"})
	require.ErrorIs(t, err, chatbox.InvalidArgument)
}
