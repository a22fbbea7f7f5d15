package hub

import (
	"testing"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRead_GoesForwardAndToTheOthers(t *testing.T) {
	s := newStage(t)
	s.tr.message("k")
	s.flow()
	a, b := s.socket("a", "u", true), s.socket("b", "u", true)
	stranger := s.socket("x", "stranger", true)
	read := func(conn chatbox.ConnID, user string, seq int64) {
		t.Helper()
		require.True(t, s.fs.Deliver(cluster.Update{Session: s.tr.key, Owner: "u", Read: &cluster.Read{
			Conn: conn, UserID: user, Sender: chatbox.SenderUser, Seq: seq,
		}}))
	}
	read(a.id, "u", 1)
	read(a.id, "u", 1)
	read(b.id, "u", 3)
	read(a.id, "u", 2)
	read("elsewhere", "bob", 2)
	assert.Equal(t, []string{"resumed 1", "read u 3", "read bob 2"}, s.got(a))
	assert.Equal(t, []string{"resumed 1", "read u 1", "read bob 2"}, s.got(b))
	assert.Equal(t, []string{"resumed 1"}, s.got(stranger))

	late := s.socket("late", "u", false)
	_, err := s.fs.Enter(late.id, s.tr.key)
	require.NoError(t, err)
	read(b.id, "u", 4) // while it is joining
	_, state, _ := s.tr.read(1)
	late.mark(1)
	require.NoError(t, s.fs.Join(t.Context(), late.id, s.tr.key, Join{
		From: 1, State: state, Announce: true, Recovered: true,
		Reads: []cluster.Read{{UserID: "u", Seq: 2}, {UserID: "cy", Seq: 9}},
	}))
	assert.Equal(t, []string{"resumed 1", "read bob 2", "read cy 9", "read u 4"}, s.got(late))
}
