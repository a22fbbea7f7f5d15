package browser

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"

	"chatbox"
	"chatbox/app/devstack"
)

// office is two members of staff and two users, each in a browser of their own.
type office struct {
	t                  *testing.T
	stack              *devstack.Stack
	sam, kim, ada, ben *tab
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{t: t, stack: startStack(t)}
	o.ada, o.ben = o.user("ada"), o.user("ben")
	o.sam, o.kim = o.staff("sam", "Sam"), o.staff("kim", "Kim Larsen")
	return o
}

func (o *office) user(id string) *tab {
	o.t.Helper()
	link, err := o.stack.Link(id)
	if err != nil {
		o.t.Fatal(err)
	}
	tb := openTab(o.t, link)
	tb.connected()
	return tb
}

func (o *office) staff(id, name string) *tab {
	o.t.Helper()
	link, err := o.stack.StaffLink(id, name)
	if err != nil {
		o.t.Fatal(err)
	}
	tb := openTab(o.t, link)
	tb.connected()
	return tb
}

// elsewhere loads a page again until another pod serves it.
func (tb *tab) elsewhere(pod string) {
	tb.t.Helper()
	for range 10 {
		if tb.connected() != pod {
			return
		}
		tb.do(chromedp.Reload())
		tb.wait(`document.readyState === "complete"`)
	}
	tb.t.Fatalf("ten times in a row on %s", pod)
}

// click clicks an element that is visible and at rest: a click at the place of one
// that scrolls away would miss it.
func (tb *tab) click(selector string) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`(() => {
		const n = document.querySelector(%q);
		if (!n?.checkVisibility() || n.disabled) return false;
		const { top, left } = n.getBoundingClientRect(), place = top + " " + left, rests = window.clickPlace === place;
		window.clickPlace = rests ? "" : place;
		return rests;
	})()`, selector))
	tb.do(chromedp.Click(chromedp.CSS(selector)))
}

func (tb *tab) typeInto(selector, text string) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() && !document.querySelector(%q).disabled`, selector, selector))
	tb.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// fill gives a field its value at once.
func (tb *tab) fill(selector, value string) {
	tb.t.Helper()
	eval[bool](tb, fmt.Sprintf(`(() => { const n = document.querySelector(%q); n.value = %q; n.dispatchEvent(new Event("change")); return true; })()`, selector, value))
}

// reads waits until an element shows a text, perhaps among others.
func (tb *tab) reads(selector, text string) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`[...document.querySelectorAll(%q)].some((n) => n.checkVisibility() && n.textContent.includes(%q))`, selector, text))
}

// openTalk opens the conversation of a user from staff's list.
func (tb *tab) openTalk(user string) {
	tb.t.Helper()
	row := fmt.Sprintf(`[...document.querySelectorAll("#list .talk-row")].find((n) => n.querySelector(".facts").textContent.includes(%q))`, user)
	tb.wait(row)
	eval[bool](tb, "("+row+".click(), true)")
	tb.wait(`document.querySelectorAll("#lines .line").length > 0`)
	tb.reads("#panel-user", user)
}

// askForHelp writes something and asks for a person.
func (tb *tab) askForHelp(words string) {
	tb.t.Helper()
	tb.say(words)
	tb.answered(1)
	tb.click("#menu-toggle")
	tb.click(`#menu button:nth-child(2)`)
}

// TestStaff_WorksTogether is what staff does with each other and for their
// users, over several pods: the queue, notes, tags, assignment, canned replies,
// transfer, ratings.
func TestStaff_WorksTogether(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.sam.elsewhere(o.ada.connected())
	o.kim.elsewhere(o.sam.connected())
	o.queueIsShown()
	o.notesAndTags()
	o.cannedReply()
	o.transferred()
	o.rated()
}

// queueIsShown: both see their places, and staff sees the same order.
func (o *office) queueIsShown() {
	o.t.Helper()
	o.ada.askForHelp("The zebra invoice is wrong")
	o.ada.reads("#queue-place-text", "You are next in the queue.")
	o.ben.askForHelp("Where is my parcel?")
	o.ben.reads("#queue-place-text", "You are number 2 of 2 in the queue.")
	o.ben.shoot("user-queue")
	o.sam.reads("#waiting-count", "2")
	o.sam.wait(`[...document.querySelectorAll("#list .facts")].map((n) => n.textContent.slice(0, 8)).join() === "#1 · ada,#2 · ben"`)
}

// notesAndTags: what one writes beside the conversation, the other sees.
func (o *office) notesAndTags() {
	o.t.Helper()
	o.sam.openTalk("ada")
	o.kim.openTalk("ada")
	o.sam.typeInto("#note", "Has called before")
	o.sam.press("Enter", 13, 2)
	o.sam.reads(".note-row .note-text", "Has called before")
	o.kim.reads(".note-row .note-text", "Has called before")
	if own := eval[bool](o.kim, `document.querySelector(".note-row .note-acts button")?.checkVisibility() ?? false`); own {
		o.t.Error("a colleague's note offers to be edited")
	}
	o.sam.typeInto("#tag", "billing\r")
	o.sam.reads("#panel-tags .chip", "billing")
	o.sam.wait(`document.querySelectorAll("#tag-filter option").length === 2`)
	o.sam.fill("#tag-filter", "billing")
	o.sam.wait(`document.querySelectorAll("#list .talk-row").length === 1`)
	o.sam.reads("#list .facts", "ada")
	o.sam.shoot("staff-tagged")
	o.sam.click("#tag-chosen .chip button")
	o.sam.wait(`document.querySelectorAll("#list .talk-row").length === 2`)

	o.kim.click("#availability")
	o.kim.reads("#availability-text", "Away")
	o.sam.click("#assign")
	o.sam.reads(".menu [role=menuitem]", "Kim Larsenaway")
	o.sam.shoot("staff-assign")
	o.sam.press("k", 75, 0)
	o.sam.wait(`document.activeElement.textContent.startsWith("Kim Larsen")`)
	eval[bool](o.sam, `(document.activeElement.click(), true)`)
	o.sam.reads("#assignee", "Kim Larsen")
	o.kim.reads(".toast", "has assigned a conversation to you")
	o.kim.reads("#assigned-count", "1")
}

// cannedReply: made in the settings, found by its shortcut, filled, sent. The
// one behind in the queue moves up.
func (o *office) cannedReply() {
	o.t.Helper()
	o.sam.click(`[data-view="settings"]`)
	o.sam.click("#new-reply")
	o.sam.typeInto("#reply-shortcut", "hello")
	o.sam.typeInto("#reply-title", "Greeting")
	o.sam.typeInto("#reply-text", "Good day, this is {{admin_name}}.")
	o.sam.click("#reply-form [type=submit]")
	o.sam.reads(`#replies [data-reply="hello"]`, "Greeting")
	o.sam.shoot("staff-settings")
	o.sam.click(`[data-view="talks"]`)
	o.sam.click("#take")
	o.ada.wait(`document.querySelector("#held").checkVisibility() && !document.getElementById("queue-place").checkVisibility()`)
	o.ben.reads("#queue-place-text", "You are next in the queue.")

	o.sam.typeInto("#words", "/hel")
	o.sam.reads(".picker-row", "/hello")
	o.sam.shoot("staff-picker")
	o.sam.press("Enter", 13, 0)
	o.sam.wait(`document.getElementById("words").value === "Good day, this is Sam." && document.activeElement.id === "words"`)
	o.sam.press("Enter", 13, 0)
	o.ada.reads(".message.from-admin .text", "Good day, this is Sam.")

	// Escape gives back what was typed: a message may begin with a slash.
	o.sam.typeInto("#words", "/etc")
	o.sam.press("Escape", 27, 0)
	o.sam.wait(`document.getElementById("words").value === "/etc" && !document.getElementById("picker").checkVisibility()`)
	o.sam.fill("#words", "")
}

// transferred: a colleague who watches becomes the holder and speaks; who gave it away watches on.
func (o *office) transferred() {
	o.t.Helper()
	o.sam.click("#transfer")
	o.sam.reads(".menu [role=menuitem]", "Kim Larsen")
	o.sam.click(".talk-acts .menu [role=menuitem]")
	o.ada.reads(".note", "Kim Larsen joined")
	o.kim.typeInto("#words", "I take it from here.")
	o.kim.press("Enter", 13, 0)
	o.ada.reads(".message.from-admin .text", "I take it from here.")
	o.sam.reads(".line.admin .said", "I take it from here.")
	o.sam.reads("#talk-facts", "held by Kim Larsen")
	o.kim.click("#leave")
}

// rated checks that the user is asked after the talk, and that staff sees the rating.
func (o *office) rated() {
	o.t.Helper()
	o.ada.reads("#rating-question", "How was the talk with Kim Larsen?")
	o.ada.do(chromedp.Reload())
	o.ada.reads("#rating-question", "How was the talk with Kim Larsen?")
	o.ada.do(chromedp.Focus(chromedp.CSS("#stars input")))
	for range 3 {
		o.ada.press("ArrowRight", 39, 0)
	}
	o.ada.reads("#rating-said", "good")
	o.ada.typeInto("#rating-comment", "Quick and friendly")
	o.ada.shoot("user-rating")
	o.ada.width(380, 760)
	o.ada.fits("user-rating-narrow")
	o.ada.click("#rating-send")
	o.ada.wait(`!document.getElementById("rating").checkVisibility()`)
	o.ada.do(chromedp.Reload())
	o.ada.connected()
	o.sam.click(`[data-filter="all"]`)
	o.sam.reads("#list .score", "4")
	o.sam.reads("#rating-words", "Quick and friendly")
	o.sam.click(`[data-view="metrics"]`)
	o.sam.reads("#figures dd", "4 of 5")
	o.sam.dark()
	o.sam.shoot("staff-metrics-dark")
	if asked := eval[bool](o.ada, `document.getElementById("rating").checkVisibility()`); asked {
		o.t.Error("whoever has rated is asked again")
	}
}

// fits takes a picture of a narrow page that must not scroll sideways.
func (tb *tab) fits(name string) {
	tb.t.Helper()
	tb.shoot(name)
	if wide := eval[int](tb, `document.documentElement.scrollWidth`); wide > 380 {
		tb.t.Errorf("%s is %d px wide", name, wide)
	}
}

// TestStaff_SearchesAndBlocks is finding a conversation by its words, keeping
// its user out, and what a viewer and a narrow window have of it all.
func TestStaff_SearchesAndBlocks(t *testing.T) {
	t.Parallel()
	o := &office{t: t, stack: startStack(t)}
	o.ada, o.sam = o.user("ada"), o.staff("sam", "Sam")
	o.sam.elsewhere(o.ada.connected())
	o.closedToday()
	o.ada.askForHelp("The zebra invoice is wrong")
	o.ada.reads("#queue-place-text", "We are back in the morning.")
	o.ada.shoot("user-away")
	o.found()
	o.blocked()
	o.viewer()
	o.narrow()
}

// closedToday closes support by the settings' form.
func (o *office) closedToday() {
	o.t.Helper()
	o.sam.click(`[data-view="settings"]`)
	o.sam.wait(`document.getElementById("support-state").textContent !== ""`)
	o.sam.fill("#hours", "Mon 00:00-00:01")
	o.sam.fill("#away", "We are back in the morning.")
	eval[bool](o.sam, `(() => { const d = new Date(); for (const n of [0, 1]) { document.getElementById("day").value = new Date(d.getTime() + n * 864e5).toISOString().slice(0, 10); document.getElementById("add-day").click(); } return true; })()`)
	o.sam.click("#support-form [type=submit]")
	o.sam.reads("#support-saved", "Saved.")
	o.sam.reads("#support-state", "Closed now")
	o.sam.reads("#days .chip", "20")
	o.sam.shoot("staff-hours")
}

// found: a word leads to the place where it was said, which is read and not watched.
func (o *office) found() {
	o.t.Helper()
	o.sam.click(`[data-view="search"]`)
	o.sam.typeInto("#search-q", "zebra\r")
	o.sam.reads(".hit mark", "zebra")
	o.sam.shoot("staff-search")
	o.sam.press("Tab", 9, 0)
	o.sam.do(chromedp.Focus(chromedp.CSS(".hit")))
	o.sam.do(chromedp.SendKeys(chromedp.CSS(".hit"), "\r"))
	o.sam.reads(".line.found .said", "The zebra invoice is wrong")
	o.sam.wait(`document.getElementById("reading").checkVisibility() && !document.getElementById("reply").checkVisibility() && !document.getElementById("take").checkVisibility()`)
	o.sam.shoot("staff-reading")
	if told := eval[bool](o.ada, `document.getElementById("watched").checkVisibility()`); told {
		o.t.Error("whoever is read about is told of a watcher")
	}
	o.sam.click("#watch-live")
	o.ada.reads("#watched", "reading along")
	o.ada.shoot("user-watched")
	o.sam.wait(`document.getElementById("take").checkVisibility() && document.querySelectorAll("#lines .line").length > 2`)
}

// blocked: the user's page is told honestly, and comes back when it may.
func (o *office) blocked() {
	o.t.Helper()
	o.sam.click("#block")
	o.sam.typeInto("#block-reason", "Insults")
	o.sam.shoot("staff-block")
	o.sam.click("dialog [type=submit]")
	o.ada.reads("#banner-text", "Staff has blocked this account")
	o.ada.shoot("user-blocked")
	o.ada.do(chromedp.Reload()) // no socket, no list: the page still says why
	o.ada.reads("#banner-text", "Staff has blocked this account")
	o.sam.reads("#blocked", "Insults")
	o.sam.click(`[data-view="settings"]`)
	o.sam.reads("#blocks li", "ada")
	o.sam.click("#blocks li button")
	o.sam.click("dialog [type=submit]")
	o.sam.wait(`document.querySelectorAll("#blocks li").length === 0`)
	o.ada.click("#connect-now")
	o.ada.connected()
}

// viewer has no button that would be refused.
func (o *office) viewer() {
	o.t.Helper()
	token, err := o.stack.Token("vera", "Vera", chatbox.RoleChatViewer)
	if err != nil {
		o.t.Fatal(err)
	}
	vera := openTab(o.t, o.stack.URL()+"/chatbox/console/staff.html#admin="+token)
	vera.connected()
	vera.openTalk("ada")
	for _, button := range []string{"#availability", "#take", "#end", "#transfer", "#reply", "#assign", "#tag", "#note", "#block"} {
		if eval[bool](vera, fmt.Sprintf(`document.querySelector(%q).checkVisibility()`, button)) {
			o.t.Errorf("a viewer sees %s", button)
		}
	}
	vera.shoot("staff-viewer")
	vera.click(`[data-view="settings"]`)
	vera.wait(`document.getElementById("support-state").textContent !== ""`)
	if n := eval[int](vera, `[...document.querySelectorAll("#view-settings button, #view-settings input, #view-settings textarea")].filter((n) => n.checkVisibility() && !n.disabled).length`); n != 0 {
		o.t.Errorf("a viewer could press or fill %d things in the settings", n)
	}
}

// narrow checks every view on a phone.
func (o *office) narrow() {
	o.t.Helper()
	o.sam.width(380, 760)
	for _, view := range []string{"search", "settings", "metrics", "talks"} {
		o.sam.click(fmt.Sprintf(`[data-view=%q]`, view))
		o.sam.fits("staff-narrow-" + view)
	}
	o.sam.click("#panel-toggle")
	o.sam.reads("#panel", "Notes")
	o.sam.fits("staff-narrow-panel")
	o.sam.dark()
	o.sam.fits("staff-narrow-panel-dark")
	o.sam.click("#back")
	o.sam.wait(`document.querySelector("#list .talk-row")?.checkVisibility()`)
	o.sam.fits("staff-narrow-list-dark")
	o.ada.width(380, 760)
	o.ada.fits("user-narrow-away")
}
