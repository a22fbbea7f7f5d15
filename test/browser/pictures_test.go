package browser

import (
	"testing"
)

// TestPictures_KillOnTheStack takes docs/images/console.png: a pod of a real
// cluster was killed during its answer, and another pod continues the answer.
func TestPictures_KillOnTheStack(t *testing.T) {
	link, err := startStack(t).Link("reader")
	if err != nil {
		t.Fatal(err)
	}
	tb := openTab(t, link)
	tb.connected()
	tb.say("Write some Go code with a test")
	tb.answered(1)
	tb.say("Tell me a long story")
	tb.wait(`[...document.querySelectorAll('.answer[data-state="running"] .markdown')].at(-1)?.textContent.length > 260`)
	killServing(tb)
	tb.wait(`document.getElementById("feed").textContent.includes("answer continued where it was")`)
	tb.wait(`document.getElementById("feed").getAnimations({subtree: true}).every((one) => one.playState === "finished")`)
	tb.wait(`[...document.querySelectorAll('.pod[data-state="serving"]')].some((pod) => pod.textContent.includes("1 answer"))`)
	tb.shoot("console")
	tb.answered(2)
}

// TestPictures takes pictures of the page against the fake server. Other tests
// check what the pictures show.
func TestPictures(t *testing.T) {
	f := newFake(t)
	link := f.link("reader", true)
	tb := openTab(t, link)
	tb.connected()
	tb.wait(`document.querySelectorAll(".pod").length === 3`)
	tb.shoot("desktop-empty")

	tb.say("Show me what Markdown looks like here")
	tb.answered(1)
	tb.shoot("desktop-light")
	tb.dark()
	tb.shoot("desktop-dark")

	tb.say("Write some Go code with a test")
	tb.answered(2)
	tb.shoot("desktop-dark-code")

	light := openTab(t, link)
	light.connected()
	light.say("Write some Go code with a test")
	light.answered(1)
	light.say("Tell me a long story")
	light.wait(`[...document.querySelectorAll('.answer[data-state="running"] .markdown')].at(-1)?.textContent.length > 260`)
	light.shoot("mid-stream")
	from, _ := killServing(light)
	light.shoot("after-kill")
	light.answered(2)
	light.wait(`document.querySelector('.pod[data-pod="` + from + `"]').dataset.state === "dead"`)
	light.shoot("after-kill-complete")
}
