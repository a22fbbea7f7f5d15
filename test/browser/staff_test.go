package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestStaff_TakesOverFromAnotherPod is the staff page and a user's page on a
// real cluster: the queue, the live view, the wall, both ways of speaking, and
// the reports.
func TestStaff_TakesOverFromAnotherPod(t *testing.T) {
	t.Parallel()
	stack := startStack(t)
	userLink, err := stack.Link("reader")
	if err != nil {
		t.Fatal(err)
	}
	staffLink, err := stack.StaffLink("sam", "Sam")
	if err != nil {
		t.Fatal(err)
	}
	user, staff := openTab(t, userLink), openTab(t, staffLink)
	user.connected()
	staff.wait(`document.documentElement.dataset.connection === "open"`)
	if hash := eval[string](staff, `location.hash`); strings.Contains(hash, "admin") {
		t.Errorf("the address still carries %q", hash)
	}
	staff.wait(`document.getElementById("nobody").checkVisibility()`)

	// The user asks for a person, from the menu.
	user.say("Tell me a long story")
	user.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 60`)
	user.do(chromedp.Click(chromedp.CSS("#menu-toggle")), chromedp.Click(chromedp.CSS(`#menu button:nth-child(2)`)))
	staff.wait(`document.querySelectorAll("#list .talk-row").length === 1`)
	staff.wait(`document.getElementById("waiting-count").textContent === "1"`)

	// By keyboard: to the list, and the conversation is watched live.
	staff.do(chromedp.Focus(chromedp.CSS("#list .talk-row")))
	staff.press("Enter", 13, 0)
	staff.do(chromedp.Click(chromedp.CSS("#list .talk-row")))
	staff.wait(`document.querySelector(".line.model.running .said")?.textContent.length > 60`)
	staff.shoot("staff-watching")
	staff.do(chromedp.Click(chromedp.CSS("#take")))
	staff.wait(`document.getElementById("leave").checkVisibility() && !document.getElementById("words").disabled`)
	staff.wait(`!document.querySelector(".line.model.running")`)
	user.wait(`document.querySelector("#held").checkVisibility()`)
	user.answered(1)

	staff.do(chromedp.SendKeys(chromedp.CSS("#words"), "Good day, this is Sam."))
	staff.press("Enter", 13, 0)
	user.wait(`[...document.querySelectorAll(".message.from-admin .text")].some((n) => n.textContent === "Good day, this is Sam.")`)
	user.say("How do I reach you?")
	staff.wait(`[...document.querySelectorAll(".line.user .said")].some((n) => n.textContent === "How do I reach you?")`)
	staff.shoot("staff-holding")
	user.shoot("user-held")

	staff.do(chromedp.Click(chromedp.CSS("#leave")))
	staff.wait(`document.getElementById("take").checkVisibility()`)
	user.wait(`!document.querySelector("#held").checkVisibility()`)
	user.say("And now, briefly?")
	user.answered(2)
	staff.wait(`[...document.querySelectorAll(".line.model .said")].length === 2 && !document.querySelector(".line.model.running")`)
	if n := eval[int](user, `document.querySelectorAll(".answer").length`); n != 2 {
		t.Errorf("%d answers, wanted the one cut off and the one after the hand-back", n)
	}

	for view, shown := range map[string]string{
		"metrics": "#figures dd", "cluster": "#pod-rows tr:nth-child(3)", "audit": "#audit-rows tr:nth-child(3)",
	} {
		staff.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-view="%s"]`, view))))
		staff.wait(fmt.Sprintf(`document.querySelector("%s")?.checkVisibility()`, shown))
		staff.shoot("staff-" + view)
	}
	staff.width(380, 760)
	staff.wait(`document.documentElement.scrollWidth <= 380`)
	staff.shoot("staff-narrow-audit")
	staff.do(chromedp.Click(chromedp.CSS(`[data-view="talks"]`)))
	staff.wait(`document.getElementById("talk").checkVisibility() && document.documentElement.scrollWidth <= 380`)
	staff.shoot("staff-narrow-talk")
	staff.do(chromedp.Click(chromedp.CSS("#back")))
	staff.wait(`document.getElementById("list").checkVisibility()`)
}
