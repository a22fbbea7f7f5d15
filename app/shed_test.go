package app

import (
	"math/rand/v2"
	"testing"
	"time"

	"chatbox"
	"chatbox/cluster"

	"github.com/stretchr/testify/assert"
)

func TestShedder_Lot(t *testing.T) {
	pod := func(id string, n int, state string) cluster.PodInfo {
		return cluster.PodInfo{ID: chatbox.PodID(id), Connections: n, State: state}
	}
	for name, c := range map[string]struct {
		own   int
		going bool
		pods  []cluster.PodInfo
		want  int
	}{
		"alone":                        {own: 5000},
		"alone, by its own old card":   {own: 5000, pods: []cluster.PodInfo{pod("me", 10, podServing)}},
		"even":                         {own: 5000, pods: []cluster.PodInfo{pod("b", 4600, podServing)}},
		"a new pod":                    {own: 5000, pods: []cluster.PodInfo{pod("b", 0, podServing)}, want: 500},
		"a new pod of three":           {own: 5000, pods: []cluster.PodInfo{pod("b", 5000, podServing), pod("c", 0, podServing)}, want: 500},
		"a little above the mean":      {own: 5000, pods: []cluster.PodInfo{pod("b", 4200, podServing)}},
		"the same, on its way down":    {own: 5000, going: true, pods: []cluster.PodInfo{pod("b", 4200, podServing)}, want: 200},
		"by chance":                    {own: 120, pods: []cluster.PodInfo{pod("b", 90, podServing)}},
		"few, but far more":            {own: 141, pods: []cluster.PodInfo{pod("b", 1, podServing), pod("c", 1, podServing), pod("d", 1, podServing)}, want: 14},
		"at least one":                 {own: 105, going: true, pods: []cluster.PodInfo{pod("b", 99, podServing)}, want: 1},
		"one that goes does not count": {own: 5000, pods: []cluster.PodInfo{pod("b", 0, podDraining)}},
		"fewer than the others":        {own: 100, pods: []cluster.PodInfo{pod("b", 5000, podServing)}},
		"too few to move":              {own: 99, pods: []cluster.PodInfo{pod("b", 0, podServing)}},
	} {
		s := &shedder{above: 100, going: c.going, from: c.own}
		assert.Equal(t, c.want, s.lot("me", c.own, c.pods, time.Now()), name)
	}
}

// After a scale-up every pod reaches the mean within two minutes, however the
// balancer distributes the clients, and then shedding stops.
func TestShedder_MeetsTheOthersWithinTwoMinutes(t *testing.T) {
	for name, own := range map[string][]int{
		"the second pod": {10_000, 0}, "of four": {141, 1, 1, 1}, "twice as many": {5000, 5100, 4900, 0, 0, 0},
		"the fourth pod": {10_000, 10_000, 10_000, 0},
	} {
		for _, balancer := range []string{"round robin", "random"} {
			t.Run(name+", "+balancer, func(t *testing.T) {
				own := append([]int(nil), own...)
				sum := 0
				for _, n := range own {
					sum += n
				}
				mean := float64(sum) / float64(len(own))
				shedders := make([]shedder, len(own))
				now := time.Now()
				r := rand.New(rand.NewPCG(1, 2))
				next, moved := 0, 0
				round := func() {
					pods := make([]cluster.PodInfo, len(own))
					for i, n := range own {
						pods[i] = cluster.PodInfo{ID: chatbox.PodID(rune('a' + i)), Connections: n, State: podServing}
					}
					moved = 0
					for i := range own {
						shedders[i].above = 30
						n := shedders[i].lot(pods[i].ID, own[i], pods, now)
						own[i] -= n
						moved += n
						for range n {
							if next++; balancer == "random" {
								next = r.IntN(len(own))
							}
							own[next%len(own)]++
						}
					}
					now = now.Add(shedEvery)
				}
				for range int(2 * time.Minute / shedEvery) {
					round()
				}
				for i, n := range own {
					assert.InDelta(t, mean, n, max(0.15*mean, 15), "%s of %v", string(rune('a'+i)), own)
				}
				assert.LessOrEqual(t, moved, int(0.02*float64(sum))+3, "hardly anybody moves any more: %v", own)
			})
		}
	}
}

// A pod that gets no clients from the balancer always looks empty.
func TestShedder_GivesUpWhereEverybodyComesBack(t *testing.T) {
	s, now, lots := &shedder{above: 100}, time.Now(), 0
	pods := []cluster.PodInfo{{ID: "b", State: podServing}}
	for range int(time.Minute / shedEvery) {
		if s.lot("me", 5000, pods, now) > 0 {
			lots++
		}
		now = now.Add(shedEvery)
	}
	assert.Equal(t, shedPatience, lots)
	assert.Positive(t, s.lot("me", 5000, pods, now.Add(shedPause)), "it tries again")
}
