package hub

import (
	"testing"

	"chatbox"
	"chatbox/cluster"
	"chatbox/helpdesk"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (s *stage) commit(typ chatbox.Type, admin string) {
	s.t.Helper()
	s.tr.commit(chatbox.Event{Type: typ, Sender: chatbox.SenderUser, Metadata: map[string]string{chatbox.MetaAdminID: admin}})
	s.flow()
}

// stirred reports whether somebody is to be told.
func (s *stage) stirred() bool {
	select {
	case <-s.fs.WaitingChanged():
		return true
	default:
		return false
	}
}

func (s *stage) waiting(unsent bool) bool {
	s.t.Helper()
	of := s.fs.Waiting(unsent)
	if len(of) == 0 {
		return false
	}
	require.Equal(s.t, map[string][]chatbox.SessionKey{s.tr.key.Tenant: {s.tr.key}}, of)
	return true
}

func place(position, waiting int) helpdesk.QueuePosition {
	return helpdesk.QueuePosition{Position: position, Waiting: waiting}
}

// A socket that got its place with the confirmation of its request receives only
// changes.
func TestPlace_ToldInAnotherWayIsNotRepeated(t *testing.T) {
	s := newStage(t)
	asks, other := s.socket("asks", "u", true), s.socket("other", "u", true)
	s.fs.PositionSent("asks", s.tr.key, place(9, 9))
	s.commit(chatbox.TypeHelpRequest, "")
	s.fs.PositionSent("asks", s.tr.key, place(1, 1))
	s.fs.PositionSent("nobody", s.tr.key, place(1, 1))
	s.fs.SendPosition(s.tr.key, place(1, 1))
	s.fs.SendPosition(s.tr.key, place(1, 2))
	assert.Equal(t, []string{"resumed 0", "event 1", "place 1 of 2"}, s.got(asks))
	assert.Equal(t, []string{"resumed 0", "event 1", "place 1 of 1", "place 1 of 2"}, s.got(other))
}

func TestPlace_IsToldWhileTheSessionWaits(t *testing.T) {
	s := newStage(t)
	c := s.socket("c", "u", true)
	assert.False(t, s.waiting(false))
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.Equal(t, []string{"resumed 0"}, s.got(c), "it has not asked")
	assert.False(t, s.stirred())

	s.commit(chatbox.TypeHelpRequest, "")
	assert.True(t, s.stirred())
	assert.True(t, s.waiting(true))
	assert.False(t, s.waiting(true), "told once")
	assert.True(t, s.waiting(false))
	s.fs.SendPosition(s.tr.key, place(2, 2))
	s.fs.SendPosition(s.tr.key, place(2, 2))
	s.fs.SendPosition(s.tr.key, place(2, 3))
	s.commit(chatbox.TypeHelpRequest, "")
	s.fs.SendPosition(s.tr.key, place(2, 3))
	s.fs.SendPosition(s.tr.key, place(1, 3))
	s.commit(chatbox.TypeAdminJoin, "bob")
	assert.False(t, s.waiting(false))
	s.fs.SendPosition(s.tr.key, place(1, 2))
	s.commit(chatbox.TypeHelpRequest, "")
	assert.False(t, s.waiting(false), "somebody is there")
	s.commit(chatbox.TypeAdminLeave, "bob")
	assert.False(t, s.waiting(false))
	s.commit(chatbox.TypeHelpRequest, "")
	assert.True(t, s.waiting(true))
	s.fs.SendPosition(s.tr.key, place(1, 3))
	s.commit(chatbox.TypeSessionEnded, "")
	assert.False(t, s.waiting(false))
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.Equal(t, []string{
		"resumed 0", "event 1", "place 2 of 2", "place 2 of 3", "event 2", "place 1 of 3", "event 3", "event 4", "event 5", "event 6",
		"place 1 of 3", "event 7",
	}, s.got(c), "what a socket was told last is not told again, but after somebody had come it is")
}

func TestPlace_WhoComesBackIsTold(t *testing.T) {
	s := newStage(t)
	first := s.socket("c", "u", true)
	s.commit(chatbox.TypeHelpRequest, "")
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.True(t, s.waiting(true))
	assert.True(t, s.stirred())

	second := s.socket("d", "u", true)
	assert.True(t, s.stirred(), "at once")
	assert.True(t, s.waiting(true))
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.Equal(t, []string{"resumed 1", "place 1 of 1"}, s.got(second))
	assert.Equal(t, []string{"resumed 0", "event 1", "place 1 of 1"}, s.got(first), "who knows it is not told again")

	s.join(first, 1)
	assert.True(t, s.stirred(), "a resume asks for it")
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.Equal(t, []string{"resumed 1", "place 1 of 1"}, s.got(first))

	s.fs.LeaveAll("c")
	assert.True(t, s.waiting(false))
	s.fs.LeaveAll("d")
	assert.False(t, s.waiting(false), "nobody is here")
	assert.Empty(t, s.fs.waiters.waiting, "nothing is left behind")
	assert.Empty(t, s.fs.waiters.unsent)
	back := s.socket("e", "u", true)
	assert.True(t, s.waiting(true), "a pod that has not seen the request knows of it by the fold")
	s.fs.SendPosition(s.tr.key, place(1, 1))
	assert.Equal(t, []string{"resumed 1", "place 1 of 1"}, s.got(back))
}

func TestPlace_IsTheOwnersAlone(t *testing.T) {
	s := newStage(t)
	staff := s.socket("w", "bob", false)
	_, err := s.fs.Enter(staff.id, s.tr.key)
	require.NoError(t, err)
	require.NoError(t, s.fs.Join(t.Context(), staff.id, s.tr.key, Join{Owner: s.tr.owner, As: cluster.ByWatching, Announce: true, Recovered: true}))
	s.commit(chatbox.TypeHelpRequest, "")
	assert.False(t, s.waiting(false), "no socket of the owner is here")
	s.socket("c", "u", true)
	assert.True(t, s.waiting(false))
	s.fs.SendPosition(s.tr.key, place(1, 1))
	staff.settle()
	for _, f := range staff.frames {
		assert.Nil(t, f.Place)
	}
	s.fs.SendPosition(chatbox.SessionKey{ID: "nobodys"}, place(1, 1))
}
