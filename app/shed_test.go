package app

import (
	"testing"

	"chatbox"

	"github.com/stretchr/testify/assert"
)

func TestExcess(t *testing.T) {
	pod := func(id string, n int, state string) chatbox.PodInfo {
		return chatbox.PodInfo{ID: chatbox.PodID(id), Connections: n, State: state}
	}
	for name, c := range map[string]struct {
		own  int
		pods []chatbox.PodInfo
		want int
	}{
		"alone":                        {own: 5000},
		"alone, by its own old card":   {own: 5000, pods: []chatbox.PodInfo{pod("me", 10, podServing)}},
		"even":                         {own: 5000, pods: []chatbox.PodInfo{pod("b", 4600, podServing)}},
		"a new pod":                    {own: 5000, pods: []chatbox.PodInfo{pod("b", 0, podServing)}, want: 100},
		"a new pod of three":           {own: 5000, pods: []chatbox.PodInfo{pod("b", 5000, podServing), pod("c", 0, podServing)}, want: 100},
		"above the mean of others":     {own: 5000, pods: []chatbox.PodInfo{pod("b", 4000, podServing)}},
		"no more than the mean":        {own: 1010, pods: []chatbox.PodInfo{pod("b", 1290, podServing), pod("c", 700, podServing)}, want: 10},
		"at least one":                 {own: 6, pods: []chatbox.PodInfo{pod("b", 1, podServing)}, want: 1},
		"one that goes does not count": {own: 5000, pods: []chatbox.PodInfo{pod("b", 0, podDraining)}},
		"fewer than the others":        {own: 100, pods: []chatbox.PodInfo{pod("b", 5000, podServing)}},
	} {
		assert.Equal(t, c.want, excess("me", c.own, c.pods), name)
	}
}

// However uneven at first, every pod comes to within a quarter of the mean and
// they stop: nobody is sent to and fro.
func TestExcess_Converges(t *testing.T) {
	own := []int{9000, 9000, 0}
	rounds := 0
	for moved := true; moved; rounds++ {
		moved = false
		pods := make([]chatbox.PodInfo, len(own))
		for i, n := range own {
			pods[i] = chatbox.PodInfo{ID: chatbox.PodID(rune('a' + i)), Connections: n, State: podServing}
		}
		for i := range own {
			n := excess(pods[i].ID, pods[i].Connections, pods)
			if n == 0 {
				continue
			}
			moved = true
			own[i] -= n
			for j := range n { // round robin, the pod itself included
				own[j%len(own)]++
			}
		}
	}
	for _, n := range own {
		assert.InDelta(t, 6000, n, 1500)
	}
	assert.Less(t, rounds, 80, "within minutes")
}
