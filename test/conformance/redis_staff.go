package conformance

import (
	"testing"
	"time"

	"chatbox"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// present is an admin of the suite's own tenant as a process beats for them.
func (k *talk) present(id string) helpdesk.StaffMember {
	return helpdesk.StaffMember{User: chatbox.UserKey{Tenant: k.key.ID, ID: id}, Name: "Name of " + id, Status: helpdesk.StaffAvailable}
}

func (k *talk) beat(staff ...helpdesk.StaffMember) []helpdesk.StaffMember {
	k.t.Helper()
	require.NoError(k.t, k.c.BeatStaff(k.t.Context(), staff))
	return staff
}

func (k *talk) staff() []helpdesk.StaffMember {
	k.t.Helper()
	staff, err := k.c.Staff(k.t.Context(), k.key.ID)
	require.NoError(k.t, err)
	return staff
}

func (k *talk) staffIDs() []string {
	k.t.Helper()
	ids := []string{}
	for _, m := range k.staff() {
		ids = append(ids, m.User.ID)
	}
	return ids
}

func (k *talk) staffSays(m helpdesk.StaffMember, status helpdesk.StaffStatus) helpdesk.StaffMember {
	k.t.Helper()
	m.Status = status
	require.NoError(k.t, k.c.SayStaff(k.t.Context(), &m))
	return m
}

// otherProcess is another process with the same session and Redis.
func (k *talk) otherProcess() *talk {
	k.t.Helper()
	o := *k
	o.c, o.rdb = k.srv.RedisClient(k.t, nil)
	return &o
}

func redisStaff(t *testing.T, s RedisServer) {
	t.Helper()
	t.Run("WhoIsConnected", func(t *testing.T) { staffConnected(t, s) })
	t.Run("WhatTheySaid", func(t *testing.T) { staffSaid(t, s) })
	t.Run("Emptied", func(t *testing.T) { staffEmptied(t, s) })
	t.Run("SinceWhen", func(t *testing.T) { staffSince(t, s) })
	t.Run("UnreadableNames", func(t *testing.T) {
		k := newTalk(t, s, nil)
		k.beat(k.present("ada"))
		for _, key := range keysLike(t, k.rdb, "cb:t:*:said") {
			for f := range k.rdb.HGetAll(t.Context(), key).Val() {
				if len(f) > 4 && f[len(f)-4:] == ".box" {
					require.NoError(t, k.rdb.HSet(t.Context(), key, f, "sealed with a key of yesterday").Err())
				}
			}
		}
		require.Len(t, k.staff(), 1, "they are there all the same")
		assert.Empty(t, k.staff()[0].Name)
		k.beat(k.present("ada"))
		assert.Equal(t, "Name of ada", k.staff()[0].Name)
	})
	t.Run("RoundTrips", func(t *testing.T) {
		k := newTalk(t, s, nil)
		ada, other := k.present("ada"), k.present("bob")
		other.User.Tenant = ""
		for range 30 { // so that every master has the scripts
			k.key.ID += "x"
			ada.User.Tenant = k.key.ID
			k.beat(ada, other)
			k.staffSays(ada, helpdesk.StaffAway)
			k.staff()
		}
		trips := &RoundTrips{}
		k.rdb.AddHook(trips)
		if !sharded(k.rdb) { // there a pipeline is one per master
			assert.EqualValues(t, 1, trips.Of(func() { k.beat(ada, other, k.present("eve")) }))
		}
		assert.EqualValues(t, 1, trips.Of(func() { k.staff() }))
		assert.EqualValues(t, 1, trips.Of(func() { k.staffSays(ada, helpdesk.StaffAway) }))
		assert.Zero(t, trips.Of(func() { k.beat() }))
	})
}

func staffConnected(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	other := k.otherProcess()
	assert.Empty(t, k.staff())
	ada, bob, foreign := k.present("ada"), k.present("b@b.example"), k.present("foreign")
	foreign.User.Tenant = ""
	known := k.beat(bob, foreign, ada)
	other.beat(bob)
	assert.Equal(t, []helpdesk.StaffMember{known[2], known[0]}, k.staff(), "by id, each once, of the tenant alone")
	got, err := k.c.Staff(t.Context(), "")
	require.NoError(t, err)
	assert.Contains(t, got, known[1], "a tenant without a name is one")

	require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{bob.User, ada.User, foreign.User}))
	assert.Equal(t, []string{"b@b.example"}, k.staffIDs(), "still connected elsewhere")
	require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{bob.User}), "who is not there leaves without effect")
	require.NoError(t, other.c.LeaveStaff(t.Context(), []chatbox.UserKey{bob.User}))
	assert.Empty(t, k.staff())

	k.beat(ada, bob)
	s.Advance(t, 6*time.Second)
	k.beat(bob)
	s.Advance(t, 6*time.Second)
	assert.Equal(t, []string{"b@b.example"}, k.staffIDs(), "a process that gives no signs of life has nobody")
}

func staffSaid(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	ada := k.beat(k.present("ada"))[0]
	assert.Equal(t, helpdesk.StaffAvailable, ada.Status)
	assert.True(t, ada.Said.IsZero())

	said := k.otherProcess().staffSays(ada, helpdesk.StaffAway)
	assert.False(t, said.Said.IsZero())
	assert.Equal(t, []helpdesk.StaffMember{said}, k.staff())
	assert.Equal(t, said, k.beat(ada)[0], "what was said elsewhere, and later, counts")
	assert.Equal(t, []helpdesk.StaffMember{said}, k.staff())
	again := k.staffSays(said, helpdesk.StaffAvailable)
	assert.True(t, again.Said.After(said.Said), "also within a millisecond")
	assert.Equal(t, again, k.beat(said)[0])

	away := k.staffSays(again, helpdesk.StaffAway)
	require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{ada.User}))
	assert.Empty(t, k.staff(), "who only says something is not connected")
	s.Advance(t, 4*time.Minute)
	assert.Equal(t, helpdesk.StaffAway, k.beat(k.present("ada"))[0].Status, "a few minutes without a socket change nothing")
	require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{ada.User}))
	for range 3 { // what is others' is kept meanwhile
		s.Advance(t, 2*time.Minute)
		k.beat(k.present("bob"))
	}
	back := k.beat(k.present("ada"))[0]
	assert.Equal(t, helpdesk.StaffAvailable, back.Status, "more of them do")
	assert.True(t, back.Said.IsZero())
	assert.Equal(t, away.User, back.User)
}

func staffEmptied(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	began := time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	ada := k.present("ada")
	ada.Since = began
	ada = k.staffSays(k.beat(ada)[0], helpdesk.StaffAway)
	forget := func() {
		t.Helper()
		for _, key := range keysLike(t, k.rdb, "cb:t:*") {
			require.NoError(t, k.rdb.Del(t.Context(), key).Err())
		}
	}
	forget()
	assert.Empty(t, k.staff())
	k.beat(ada)
	assert.Equal(t, []helpdesk.StaffMember{ada}, k.staff(), "filled again from what the process remembers")

	forget()
	now := k.staffSays(ada, helpdesk.StaffAvailable)
	assert.Equal(t, now.Status, k.beat(ada)[0].Status, "the older memory undoes nothing")
	forget()
	k.beat(now)
	k.otherProcess().beat(ada)
	assert.Equal(t, now.Status, k.staff()[0].Status, "of two memories the later one counts")
	assert.Equal(t, began, k.staff()[0].Since)
}

func staffSince(t *testing.T, s RedisServer) {
	t.Helper()
	k := newTalk(t, s, nil)
	ada := k.present("ada")
	ada.Since = time.Now().Add(-time.Hour).UTC().Truncate(time.Millisecond)
	k.beat(ada)
	since := func() time.Time {
		t.Helper()
		require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{ada.User}))
		return k.beat(k.present("ada"))[0].Since
	}
	assert.Equal(t, ada.Since, since(), "a page that was loaded anew is no new beginning")
	s.Advance(t, 50*time.Second)
	assert.Equal(t, ada.Since, since())
	s.Advance(t, 70*time.Second)
	assert.True(t, since().After(ada.Since), "a longer absence is one")
	require.NoError(t, k.c.LeaveStaff(t.Context(), []chatbox.UserKey{ada.User}))
	s.Advance(t, 70*time.Second)
	said := k.staffSays(k.present("ada"), helpdesk.StaffAway)
	assert.True(t, said.Since.After(ada.Since))
}
