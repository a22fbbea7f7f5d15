package app

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"chatbox/internal/outage"
)

func TestPodName_OnlyALivingOtherIsRefused(t *testing.T) {
	at := time.Now()
	var n podName
	assert.Equal(t, outage.Preparing, n.state(), "nobody has answered yet")
	assert.Equal(t, nameSeen, n.saw("card 1", at))
	assert.Equal(t, outage.NameTaken, n.state())
	assert.Equal(t, nameSame, n.saw("card 1", at.Add(time.Second)))
	assert.Equal(t, nameLive, n.saw("card 2", at.Add(2*time.Second)), "it is renewed")
}

func TestPodName_ADeadOnesCardIsReplaced(t *testing.T) {
	at := time.Now()
	var n podName
	n.saw("card", at)
	assert.Empty(t, n.replaceable(at.Add(nameSilent-time.Millisecond)))
	assert.Equal(t, "card", n.replaceable(at.Add(nameSilent)))
	assert.Equal(t, nameOwn, n.saw("", at.Add(nameSilent)))
	assert.Empty(t, n.state())
	assert.Empty(t, n.replaceable(at.Add(time.Hour)))
	assert.Equal(t, nameSame, n.saw("", at))
}

func TestPodName_OfTwoOneGivesWay(t *testing.T) {
	at := time.Now()
	var n podName
	n.saw("", at)
	assert.Equal(t, nameLost, n.saw("other 1", at), "Redis was emptied, or the pod was paused for long")
	assert.Equal(t, outage.NameTaken, n.state(), "it is not ready while it looks")
	assert.Equal(t, nameLive, n.saw("other 2", at))
}
