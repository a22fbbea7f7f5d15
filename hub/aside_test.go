package hub

import (
	"testing"

	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (s *stage) aside(to cluster.Audience, event string, after int64) cluster.Update {
	return cluster.Update{Session: s.tr.key, Owner: s.tr.owner, Notification: &cluster.Notification{To: to, Event: event, After: after}}
}

func TestAside_IsForItsAudience(t *testing.T) {
	s := newStage(t)
	owner, staff := s.socket("c", "u", true), s.socket("w", "bob", false)
	_, err := s.fs.Enter(staff.id, s.tr.key)
	require.NoError(t, err)
	staff.mark(0)
	require.NoError(t, s.fs.Join(t.Context(), staff.id, s.tr.key, Join{Owner: s.tr.owner, As: cluster.ByWatching, Announce: true, Recovered: true}))
	for to, event := range map[cluster.Audience]string{cluster.ToOwner: "how was it", cluster.ToStaff: "a note", "of a later version": "nobody's"} {
		assert.True(t, s.fs.Deliver(s.aside(to, event, 0)))
	}
	assert.Equal(t, []string{"resumed 0", "how was it"}, s.got(owner))
	staff.settle() // the test's client belongs to an owner: it reports frames for others as faults
	var received []string
	for _, f := range staff.frames {
		if f.Notification != nil {
			received = append(received, f.Notification.Event)
		}
	}
	assert.Equal(t, []string{"a note"}, received)
}

// A notification that follows a lost event waits for that event. A socket that
// attaches meanwhile receives the notification once.
func TestAside_FollowsItsEvent(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	s.tr.message("")
	lost := s.tr.channel
	s.tr.channel = nil
	assert.False(t, s.fs.Deliver(s.aside(cluster.ToOwner, "how was it", 1)), "read what is missing")
	assert.Equal(t, []string{"resumed 0"}, s.got(c))
	s.tr.channel = lost
	s.flow()
	assert.Equal(t, []string{"resumed 0", "event 1", "how was it"}, s.got(c))
	s.tr.message("")
	s.flow()
	assert.Equal(t, []string{"resumed 0", "event 1", "how was it", "event 2"}, s.got(c), "once")
}

func TestAside_ThoseThatWaitAreBounded(t *testing.T) {
	s := newStage(t)
	s.socket("c", "u", true)
	for range 2 * maxParked {
		assert.False(t, s.fs.Deliver(s.aside(cluster.ToOwner, "how was it", 9)))
	}
	assert.Len(t, s.fs.feed(s.tr.key).parked, maxParked)
}

func TestWatched_IsToldToEachOfTheOwnersSocketsOnce(t *testing.T) {
	s := newStage(t)
	first, stranger := s.socket("c", "u", true), s.socket("x", "eve", true)
	tell := func(on bool) {
		assert.True(t, s.fs.Deliver(cluster.Update{Session: s.tr.key, Watched: &cluster.Watched{On: on}}))
	}
	tell(false)
	tell(true)
	tell(true)
	second := s.socket("d", "u", true)
	tell(true)
	tell(false)
	tell(false)
	assert.Equal(t, []string{"resumed 0", "watched", "unwatched"}, s.got(first))
	assert.Equal(t, []string{"resumed 0", "watched", "unwatched"}, s.got(second))
	assert.Equal(t, []string{"resumed 0"}, s.got(stranger))
}
