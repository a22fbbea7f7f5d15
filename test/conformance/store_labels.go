package conformance

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"
	"chatbox/persistence"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// made makes sessions of one tenant, one millisecond after the other.
func made(t *testing.T, f StoreFixture, tenant string, n int) []chatbox.SessionKey {
	t.Helper()
	keys := make([]chatbox.SessionKey, n)
	for i := range n {
		keys[i] = chatbox.SessionKey{Tenant: tenant, ID: fmt.Sprintf("s%03d", i)}
		at := epoch.Add(time.Duration(i) * time.Millisecond)
		_, _, err := f.Sessions.Create(t.Context(), chatbox.Session{
			Key: keys[i], Owner: "u", CreatedAt: at, State: chatbox.State{Head: 1, StartedAt: at, LastActivity: at},
		})
		require.NoError(t, err)
	}
	return keys
}

func labelsReadBack(t *testing.T, f StoreFixture) {
	t.Helper()
	k := made(t, f, unique("t-"), 1)[0]
	tags := []string{"VIP", "größer", "한국어", "a b"}
	require.NoError(t, f.Labels.SetTags(t.Context(), k, tags))
	require.NoError(t, f.Labels.Assign(t.Context(), k, chatbox.Assignee{ID: "bob|1", Name: "Bob"}))
	is := func(tags []string, to chatbox.Assignee) {
		t.Helper()
		s, err := f.Sessions.Load(t.Context(), k)
		require.NoError(t, err)
		assert.Equal(t, tags, s.Tags, "in their order")
		assert.Equal(t, to, s.Assignee)
		page, err := f.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: k.Tenant, Sort: helpdesk.SortActivity, Limit: 5})
		require.NoError(t, err)
		assert.Equal(t, []chatbox.Session{s}, page.Sessions)
		again, created, err := f.Sessions.Create(t.Context(), chatbox.Session{Key: k, Owner: "v", CreatedAt: epoch})
		require.NoError(t, err)
		assert.False(t, created)
		assert.Equal(t, s, again)
	}
	is(tags, chatbox.Assignee{ID: "bob|1", Name: "Bob"})
	require.NoError(t, f.Sessions.SaveState(t.Context(), k, chatbox.State{Head: 2, LastActivity: epoch}))
	is(tags, chatbox.Assignee{ID: "bob|1", Name: "Bob"})
	require.NoError(t, f.Labels.SetTags(t.Context(), k, tags[1:2]))
	require.NoError(t, f.Labels.Assign(t.Context(), k, chatbox.Assignee{ID: "eve"}))
	is(tags[1:2], chatbox.Assignee{ID: "eve"})
	for range 2 {
		require.NoError(t, f.Labels.SetTags(t.Context(), k, nil))
		require.NoError(t, f.Labels.Assign(t.Context(), k, chatbox.Assignee{}))
	}
	is(nil, chatbox.Assignee{})
	for _, unknown := range []chatbox.SessionKey{{Tenant: k.Tenant, ID: "unknown"}, {Tenant: unique("t-"), ID: k.ID}} {
		require.ErrorIs(t, f.Labels.SetTags(t.Context(), unknown, tags), chatbox.NotFound)
		require.ErrorIs(t, f.Labels.Assign(t.Context(), unknown, chatbox.Assignee{ID: "eve"}), chatbox.NotFound)
	}
	is(nil, chatbox.Assignee{})
}

func labelsFilter(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	keys := made(t, f, tenant, 30)
	for i, k := range keys {
		var tags []string
		if i%2 == 0 {
			tags = append(tags, "Even")
		}
		if i%3 == 0 {
			tags = append(tags, "third")
		}
		require.NoError(t, f.Labels.SetTags(t.Context(), k, tags))
		if i%5 == 0 {
			require.NoError(t, f.Labels.Assign(t.Context(), k, chatbox.Assignee{ID: fmt.Sprint("bob", i%2)}))
		}
		if i%7 == 0 {
			at := epoch.Add(time.Duration(i) * time.Millisecond)
			require.NoError(t, f.Sessions.SaveState(t.Context(), k, chatbox.State{Head: 2, StartedAt: at, LastActivity: at, HolderID: "eve", HolderName: "Eve"}))
		}
	}
	theirs := made(t, f, unique("t-"), 1)[0]
	require.NoError(t, f.Labels.SetTags(t.Context(), theirs, []string{"even"}))
	for name, c := range map[string]struct {
		q    helpdesk.StaffQuery
		pass func(i int) bool
	}{
		"one":             {helpdesk.StaffQuery{Tags: []string{"Even"}}, func(i int) bool { return i%2 == 0 }},
		"whatever case":   {helpdesk.StaffQuery{Tags: []string{"eVEN"}}, func(i int) bool { return i%2 == 0 }},
		"all of them":     {helpdesk.StaffQuery{Tags: []string{"even", "THIRD"}}, func(i int) bool { return i%6 == 0 }},
		"twice":           {helpdesk.StaffQuery{Tags: []string{"third", "Third"}}, func(i int) bool { return i%3 == 0 }},
		"none has it":     {helpdesk.StaffQuery{Tags: []string{"even", "eve"}}, func(int) bool { return false }},
		"assigned":        {helpdesk.StaffQuery{Assigned: "bob1"}, func(i int) bool { return i%10 == 5 }},
		"assigned nobody": {helpdesk.StaffQuery{Assigned: "bob"}, func(int) bool { return false }},
		"held":            {helpdesk.StaffQuery{HeldBy: "eve"}, func(i int) bool { return i%7 == 0 }},
		"everything":      {helpdesk.StaffQuery{HeldBy: "eve", Assigned: "bob0", Tags: []string{"even", "third"}}, func(i int) bool { return i == 0 }},
	} {
		var want []string
		for i := range keys {
			if c.pass(i) {
				want = append(want, keys[i].ID)
			}
		}
		for _, by := range []helpdesk.SessionSort{helpdesk.SortActivity, helpdesk.SortStart, helpdesk.SortUser} {
			c.q.Tenant, c.q.Sort, c.q.Limit = tenant, by, 3
			var got []string
			for _, s := range wholeLedger(t, f, c.q, len(want)) {
				got = append(got, s.Key.ID)
			}
			require.Equal(t, want, got, "%s by %s", name, by)
		}
	}
}

func labelsCount(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	none, err := f.Labels.Tags(t.Context(), tenant, 10)
	require.NoError(t, err)
	assert.Empty(t, none)
	keys := made(t, f, tenant, 6)
	for i, tags := range [][]string{{"b", "VIP"}, {"vip", "a"}, {"Vip"}, nil, {"old"}, {"gone"}} {
		require.NoError(t, f.Labels.SetTags(t.Context(), keys[i], tags))
	}
	require.NoError(t, f.Labels.SetTags(t.Context(), keys[4], []string{"c"}))
	require.NoError(t, f.Tombs.Bury(t.Context(), keys[5], epoch))
	require.NoError(t, f.Labels.SetTags(t.Context(), made(t, f, unique("t-"), 1)[0], []string{"theirs"}))
	want := []helpdesk.TagCount{{Tag: "Vip", Sessions: 3}, {Tag: "a", Sessions: 1}, {Tag: "b", Sessions: 1}, {Tag: "c", Sessions: 1}}
	got, err := f.Labels.Tags(t.Context(), tenant, 10)
	require.NoError(t, err)
	assert.Equal(t, want, got, "the most used first, as the session that was active last has it")
	got, err = f.Labels.Tags(t.Context(), tenant, 1)
	require.NoError(t, err)
	assert.Equal(t, want[:1], got)
}

func labelsWorkload(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	keys := made(t, f, tenant, 8)
	touch := func(i int, st chatbox.State) {
		t.Helper()
		st.Head, st.LastActivity = 2, epoch
		require.NoError(t, f.Sessions.SaveState(t.Context(), keys[i], st))
	}
	touch(0, chatbox.State{HolderID: "bob", Unread: 2})
	touch(1, chatbox.State{HolderID: "bob"})
	touch(2, chatbox.State{HolderID: "eve", Unread: 1})
	touch(3, chatbox.State{HelpPending: true, WaitingSince: epoch, Unread: 4})
	touch(5, chatbox.State{Ended: true, EndedAt: epoch})
	for _, i := range []int{0, 3, 4, 5, 6} { // held by the assignee, waiting, neither, ended, erased
		require.NoError(t, f.Labels.Assign(t.Context(), keys[i], chatbox.Assignee{ID: "bob", Name: "Bob"}))
	}
	require.NoError(t, f.Labels.Assign(t.Context(), keys[7], chatbox.Assignee{ID: "eve"}))
	require.NoError(t, f.Tombs.Bury(t.Context(), keys[6], epoch))
	for id, want := range map[string]helpdesk.Workload{
		"bob":    {Held: 2, HeldUnread: 1, Assigned: 3, AssignedWaiting: 1},
		"eve":    {Held: 1, HeldUnread: 1, Assigned: 1},
		"nobody": {},
		"":       {},
	} {
		got, err := f.Labels.Workload(t.Context(), chatbox.UserKey{Tenant: tenant, ID: id})
		require.NoError(t, err)
		assert.Equal(t, want, got, id)
		got, err = f.Labels.Workload(t.Context(), chatbox.UserKey{Tenant: unique("t-"), ID: id})
		require.NoError(t, err)
		assert.Equal(t, helpdesk.Workload{}, got, "another tenant's %s", id)
	}
}

func labelsGo(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant := unique("t-")
	keys := made(t, f, tenant, 3)
	for _, k := range keys {
		require.NoError(t, f.Labels.SetTags(t.Context(), k, []string{"VIP"}))
		require.NoError(t, f.Labels.Assign(t.Context(), k, chatbox.Assignee{ID: "leaver", Name: "Lea"}))
	}
	require.NoError(t, f.Labels.Assign(t.Context(), keys[2], chatbox.Assignee{ID: "bob", Name: "Bob"}))
	require.NoError(t, f.Tombs.Bury(t.Context(), keys[0], epoch))
	require.ErrorIs(t, f.Labels.SetTags(t.Context(), keys[0], []string{"late"}), chatbox.NotFound)
	require.ErrorIs(t, f.Labels.Assign(t.Context(), keys[0], chatbox.Assignee{ID: "bob"}), chatbox.NotFound)
	gone, err := f.Sessions.Load(t.Context(), keys[0])
	require.NoError(t, err)
	assert.Empty(t, gone.Tags)
	assert.Equal(t, chatbox.Assignee{}, gone.Assignee)
	tags, err := f.Labels.Tags(t.Context(), tenant, 5)
	require.NoError(t, err)
	assert.Equal(t, []helpdesk.TagCount{{Tag: "VIP", Sessions: 2}}, tags)

	_, err = f.Erasures.Disown(t.Context(), chatbox.UserKey{Tenant: unique("t-"), ID: "leaver"})
	require.NoError(t, err)
	_, err = f.Erasures.Disown(t.Context(), chatbox.UserKey{Tenant: tenant, ID: "leaver"})
	require.NoError(t, err)
	for i, want := range map[int]chatbox.Assignee{1: {}, 2: {ID: "bob", Name: "Bob"}} {
		s, err := f.Sessions.Load(t.Context(), keys[i])
		require.NoError(t, err)
		assert.Equal(t, want, s.Assignee, "an erased person looks after nothing")
		assert.Equal(t, []string{"VIP"}, s.Tags)
	}
}

func labelsSecret(t *testing.T, f StoreFixture) {
	t.Helper()
	tenant, canary := unique("t-"), unique("x")
	keys := made(t, f, tenant, 2)
	require.NoError(t, f.Labels.SetTags(t.Context(), keys[0], []string{canary}))
	require.NoError(t, f.Labels.Assign(t.Context(), keys[0], chatbox.Assignee{ID: "bob", Name: "Bob " + canary}))
	stored := f.AtRest(t)
	require.True(t, bytes.Contains(stored, []byte(tenant)))
	assert.False(t, bytes.Contains(stored, []byte(canary)))

	next := persistence.Key{ID: "next", Secret: [32]byte{1, 2, 3}}
	rotated := StoreFixture{Stores: f.Reopen(t, next, StoreKey())}
	require.NoError(t, rotated.Labels.SetTags(t.Context(), keys[1], []string{canary, "new"}))
	q := helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortActivity, Limit: 1, Tags: []string{canary}}
	got := wholeLedger(t, rotated, q, 2)
	require.Len(t, got, 2)
	assert.Equal(t, []string{canary}, got[0].Tags, "under whatever key it was written")
	assert.Equal(t, "Bob "+canary, got[0].Assignee.Name)
	for _, most := range []int{1, 10} {
		tags, err := rotated.Labels.Tags(t.Context(), tenant, most)
		require.NoError(t, err)
		want := []helpdesk.TagCount{{Tag: canary, Sessions: 2}, {Tag: "new", Sessions: 1}}
		assert.Equal(t, want[:min(most, 2)], tags, "one tag, though it has a mark for each key")
	}
	wrong := f.Reopen(t, next)
	page, err := wrong.Ledger.All(t.Context(), helpdesk.StaffQuery{Tenant: tenant, Sort: helpdesk.SortActivity, Limit: 5})
	require.NoError(t, err)
	require.Len(t, page.Sessions, 2)
	for _, s := range page.Sessions {
		assert.Equal(t, s.Key == keys[0], s.Unreadable)
	}
	tags, err := wrong.Labels.Tags(t.Context(), tenant, 5)
	require.NoError(t, err)
	assert.ElementsMatch(t, []helpdesk.TagCount{{Tag: canary, Sessions: 1}, {Tag: "new", Sessions: 1}}, tags)
}
