//go:build fault

package fault

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"chatbox/cmd/chatload/client"
)

func TestDevices_OneMovesToTheThirdPodInMidAnswer(t *testing.T) {
	c := start(t, setup{})
	// Its own way in, so that the device's second connection goes to the third pod.
	moving := startBalancer(c.ctx, t, []*pod{c.pods[0], c.pods[2]})
	until(c.ctx, t, "both are ready", longestWait, moving.allReady)
	a := c.device("ada", "s-1", moving.url())
	question := c.ask(250, 20*time.Millisecond)
	id := c.say(a, "s-1", question)
	c.streaming(a, "s-1", id, 50)
	b := c.device("ada", "s-1", c.pods[1].url())
	c.streaming(b, "s-1", id, 200)
	dropped := time.Now()
	a.Drop(0)
	c.alike("s-1", id, question, modelAnew, a, b)
	if got, want := podsOf(a), []string{"pod-1", "pod-3"}; !slices.Equal(got, want) {
		t.Errorf("the device was on %v, want %v", got, want)
	}
	if n := len(c.model.asked(question)); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
	r := c.judge(sitting{user: "ada", session: "s-1"}, a, b)
	figure(t, "devices", "2 devices on 3 pods, %d answers verified, lost 0, repeated 0; drop to next piece on the third pod %v",
		r.Verified, c.nextPiece(a, dropped).Sub(dropped).Round(time.Millisecond))
}

// podsOf is where a device has been, in order.
func podsOf(d *client.Client) []string {
	var names []string
	for _, e := range d.Transcript() {
		if e.Act == client.ActReceived && e.Frame.Type == client.TypeConnectionStatus && e.Frame.Models != nil {
			names = append(names, e.Frame.Metadata["pod"])
		}
	}
	return names
}

// models are what the rounds of a test use in turn.
var models = []string{modelAnew, modelContinue, modelVaried}

func TestKill_AnswerIsFinishedElsewhereOnce(t *testing.T) {
	c := start(t, setup{})
	var claims, nexts []float64 // milliseconds
	rounds := pick(3, 40)
	for round := range rounds {
		user, session := fmt.Sprintf("user-%d", round), fmt.Sprintf("s-%d", round)
		a := c.device(user, session, c.balancer.url())
		model := models[round%len(models)]
		c.choose(a, session, model)
		question := c.ask(400, 20*time.Millisecond)
		id := c.say(a, session, question)
		c.streaming(a, session, id, 100)
		victim := c.generating(question)
		b := c.device(user, session, c.other(victim).url())
		c.streaming(b, session, id, 200)
		killed := time.Now()
		signal(t, victim.process, syscall.SIGKILL)
		c.alike(session, id, question, model, a, b)
		claim, next := c.handover(b, question, victim, killed)
		claims, nexts = append(claims, float64(claim.Milliseconds())), append(nexts, float64(next.Milliseconds()))
		if restarts := restartsOf(b, session, id); (restarts > 0) != (model == modelAnew) {
			t.Errorf("round %d: the answer was begun again %d times", round, restarts)
		}
		c.judge(sitting{user: user, session: session, model: model}, a, b)
		c.leave(a, b)
		c.restart(victim)
	}
	figure(t, "kill", "%d times kill -9 of the generating pod in mid-answer: lost 0, repeated 0, text equal; "+
		"kill to claim, median %.0f ms, worst %.0f ms; kill to next piece, median %.0f ms, worst %.0f ms (promised < 2 s)",
		rounds, median(claims), slices.Max(claims), median(nexts), slices.Max(nexts))
	if worst := slices.Max(nexts); worst > 4000 {
		t.Errorf("kill to next piece: %.0f ms", worst)
	}
}

// handover says how long after cut another pod asked the model, and how long
// after it the device was shown the next piece.
func (c *cluster) handover(d *client.Client, question string, from *pod, cut time.Time) (claim, next time.Duration) {
	c.t.Helper()
	calls := c.model.asked(question)
	if len(calls) != 2 || calls[0].pod != from.name || calls[1].pod == from.name {
		c.t.Errorf("the model was asked by %v, want %s and then another", calls, from.name)
		return 0, 0
	}
	claimed := calls[1].began
	return claimed.Sub(cut).Round(time.Millisecond), c.nextPiece(d, claimed).Sub(cut).Round(time.Millisecond)
}

func restartsOf(d *client.Client, session, id string) (n int) {
	d.View(func(t *client.Tracker) { n = answerOf(t, session, id).Restarts })
	return n
}

func TestPause_ThePodThatComesBackChangesNothing(t *testing.T) {
	c := start(t, setup{})
	var worst time.Duration
	rounds := pick(2, 6)
	for round := range rounds {
		user, session := fmt.Sprintf("user-%d", round), fmt.Sprintf("s-%d", round)
		first := c.device(user, session, c.balancer.url())
		model := models[(round+2)%len(models)] // first the one that shows most
		c.choose(first, session, model)
		question := c.ask(400, 20*time.Millisecond)
		id := c.say(first, session, question)
		c.streaming(first, session, id, 100)
		victim := c.generating(question)
		inside := c.device(user, session, victim.url())
		outside := c.device(user, session, c.other(victim).url())
		c.streaming(inside, session, id, 200)
		c.streaming(outside, session, id, 200)
		stopped := time.Now()
		signal(t, victim.process, syscall.SIGSTOP)
		if round%2 == 0 { // both are giving the answer at the same time, at the same place
			until(c.ctx, t, "another pod goes on", longestWait, func(context.Context) bool { return len(c.model.asked(question)) > 1 })
		} else {
			hold(c.ctx, t, 7*time.Second)
		}
		signal(t, victim.process, syscall.SIGCONT)
		c.alike(session, id, question, model, first, inside, outside)
		_, next := c.handover(outside, question, victim, stopped)
		worst = max(worst, next)
		c.judge(sitting{user: user, session: session, model: model}, first, inside, outside)
		c.leave(first, inside, outside)
		c.ready(victim)
	}
	c.untouched()
	figure(t, "pause", "%d times SIGSTOP of the generating pod until another goes on or for 7 s, then SIGCONT: 3 transcripts equal, one final; "+
		"stop to next piece, worst %v (promised < 8 s)", rounds, worst)
	if worst > 16*time.Second {
		t.Errorf("stop to next piece: %v", worst)
	}
}
