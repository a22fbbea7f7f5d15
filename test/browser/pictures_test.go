package browser

import (
	"testing"
)

// TestPictures takes the pictures that documents show; what they show is checked elsewhere.
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
