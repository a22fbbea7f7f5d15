package browser

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// named is a user with a name that is not the id.
func (o *office) named(id, name string) *tab {
	o.t.Helper()
	token, err := o.stack.Token(id, name)
	if err != nil {
		o.t.Fatal(err)
	}
	tb := openTab(o.t, o.stack.URL()+"/chatbox/console/#token="+token)
	tb.connected()
	return tb
}

const hostileWords = "**Bold** and https://example.org/a?b=c&d=e, <img src=x onerror=window.pwned=1> <script>window.pwned=2</script>\n" +
	"[click](javascript:window.pwned=3) [data](data:text/html,x) [bank.example](https://evil.example/login)"

// TestStaff_SeesTheWholeOfATalk: beside the messages the page shows their times
// and senders, earlier sessions, who is typing, and the last words in the list.
// Text in any language or markup is shown as text.
func TestStaff_SeesTheWholeOfATalk(t *testing.T) {
	t.Parallel()
	o := &office{t: t, stack: startStack(t)}
	o.ada, o.sam = o.named("u-77", "Ada Lovelace"), o.staff("sam", "Sam")
	o.sam.elsewhere(o.ada.connected())
	o.ada.say("My first question")
	o.ada.answered(1)
	o.ada.endTalk()
	o.ada.click("#begin-new")
	o.ada.click("#ask-person")
	o.ada.reads("#queue-place-text", "You are next in the queue.")
	o.ada.paste(hostileWords)
	o.ada.answered(1)

	// The list: the name, and the last words.
	o.sam.reads("#list .facts", "Ada Lovelace (u-77)")
	o.sam.reads("#list .words", "Model: ")
	o.sam.openTalk("u-77")
	o.sam.reads("#talk-facts", "Ada Lovelace (u-77) · watching")
	o.sam.reads("#panel-user", "Ada Lovelace (u-77)")
	o.sam.wait(`[...document.querySelectorAll("#lines .line:not(.day)")].every((n) => /\d\d:\d\d/.test(n.querySelector("time").textContent) && n.querySelector("time").dateTime) && document.querySelector("#lines .day").textContent === "Today"`)
	o.inertAndShown()
	o.sam.accessibleIfItCan("watching")

	// The talks before are read, and lead back.
	o.sam.reads("#earlier-talks .name", "My first question")
	o.sam.click("#earlier-talks .earlier-talk")
	o.sam.reads(".line.user .said", "My first question")
	o.sam.reads("#talk-facts", "Ada Lovelace")
	o.sam.shoot("staff-earlier")
	o.sam.click("#to-talk")
	o.sam.reads(".line.user .said", "Bold")
	o.sam.wait(`document.getElementById("take").checkVisibility()`)

	// Taken: the list goes to it.
	o.sam.click("#take")
	o.sam.wait(`document.querySelector('[data-filter="mine"]').getAttribute("aria-pressed") === "true" && document.querySelector("#list .talk-row[aria-current]")`)
	o.ada.reads("#held", "Sam answers here")
	o.ada.do(chromedp.SendKeys(chromedp.CSS("#input"), "I am writ"))
	o.sam.reads("#user-typing", "Ada Lovelace is writing")
	o.sam.shoot("staff-typing")
	o.sam.key("#words", "keyCode: 229")
	o.sam.typeInto("#words", "See https://example.org/help and **stay**.")
	o.sam.key("#words", "keyCode: 229")
	o.sam.key("#words", "isComposing: true")
	if n := eval[int](o.sam, `document.querySelectorAll(".line.admin").length`); n != 0 {
		t.Errorf("%d replies were sent in mid-word", n)
	}
	o.sam.press("Enter", 13, 0)
	o.ada.wait(`document.querySelector(".message.from-admin a")?.href === "https://example.org/help" && document.querySelector(".message.from-admin strong")`)
	o.sam.reads("#list .words", "Staff: See https://example.org/help")
	if live := eval[bool](o.sam, `document.querySelector("#lines[aria-live], #lines [aria-live]") !== null`); live {
		t.Error("each piece of an answer is read out")
	}
	o.sam.accessibleIfItCan("holding")
	o.hiddenWhileWordsCome()
	o.kept()
}

// paste puts a text of several lines into the user's box, in place of what is there, and sends it.
func (tb *tab) paste(text string) {
	tb.t.Helper()
	eval[bool](tb, fmt.Sprintf(`(() => { const n = document.getElementById("input"); n.focus(); n.value = %q; n.dispatchEvent(new Event("input")); return true; })()`, text))
	tb.press("Enter", 13, 0)
}

// inertAndShown: marks and links of a user's words are shown, and nothing runs.
func (o *office) inertAndShown() {
	o.t.Helper()
	o.sam.wait(`document.querySelector(".line.user strong")?.textContent === "Bold" && document.querySelector('.line.user a[href="https://example.org/a?b=c&d=e"]')`)
	for name, condition := range map[string]string{
		"a script ran":               `window.pwned !== undefined`,
		"an element came in by text": `document.querySelector(":is(#lines, #list) :is(script, img, iframe, style, form)")`,
		"a link leads elsewhere":     `[...document.querySelectorAll("#lines a")].some((a) => !["http:", "https:"].includes(a.protocol) || !a.relList.contains("noopener"))`,
		"a link says it leads to another place, and nothing tells": `![...document.querySelectorAll("#lines .leads")].some((n) => n.textContent.includes("evil.example"))`,
	} {
		if eval[bool](o.sam, "Boolean("+condition+")") {
			o.t.Error(name)
		}
	}
}

// hiddenWhileWordsCome: what comes while another view is shown stands in view afterwards.
func (o *office) hiddenWhileWordsCome() {
	o.t.Helper()
	o.sam.width(1280, 500)
	o.ada.paste(strings.Repeat("Long. ", 400))
	o.sam.wait(`document.getElementById("lines").scrollTop > 0`)
	o.sam.click(`[data-view="settings"]`)
	o.ada.paste("Said while nobody looked")
	o.sam.wait(`document.getElementById("lines").textContent.includes("Said while nobody looked")`)
	o.sam.accessibleIfItCan("settings")
	o.sam.click(`[data-view="talks"]`)
	o.sam.wait(`(() => { const n = document.getElementById("lines"); return n.clientHeight > 0 && n.scrollHeight - n.scrollTop - n.clientHeight < 4; })()`)
	o.sam.width(1280, 860)
}

// kept: what staff has written without a connection is sent when there is one, also where another talk was opened.
func (o *office) kept() {
	o.t.Helper()
	if said := eval[string](o.sam, `(window.dispatchEvent(new Event("offline")), document.getElementById("desk-banner").textContent + document.getElementById("desk-banner").checkVisibility())`); !strings.HasPrefix(said, "This device is offline.") || !strings.HasSuffix(said, "true") {
		o.t.Errorf("as soon as the browser said so the page showed %q", said)
	}
	o.sam.typeInto("#words", "Written offline")
	o.sam.press("Enter", 13, 0)
	o.sam.reads(".line.admin.pending .state", "Waits for the connection")
	o.sam.shoot("staff-offline")
	o.sam.click("#earlier-talks .earlier-talk")
	eval[bool](o.sam, `window.dispatchEvent(new Event("online"))`)
	o.ada.reads(".message.from-admin .text", "Written offline")
}

func (tb *tab) accessibleIfItCan(state string) {
	tb.t.Helper()
	if _, err := axeSource(); err == nil {
		tb.accessible(state)
	}
}

// TestStaff_IsAlertedOnDemand: without the button there is no sound and no
// notification. With it, both name the user who asks for a person.
func TestStaff_IsAlertedOnDemand(t *testing.T) {
	t.Parallel()
	o := &office{t: t, stack: startStack(t)}
	o.ada, o.sam = o.user("ada"), o.staff("sam", "Sam")
	o.sam.atOnce(`window.shown = []; window.asked = 0;
		window.Notification = class { static permission = "default"; static async requestPermission() { window.asked += 1; return this.permission = "granted"; } constructor(title, {body}) { window.shown.push(body); } close() {} };
		document.hasFocus = () => false;`)
	o.sam.wait(`document.getElementById("alerts").checkVisibility() && document.getElementById("alerts").getAttribute("aria-pressed") === "false"`)
	o.ada.click("#ask-person")
	o.sam.reads(".toast", "asks for a person")
	quiet := `window.asked === 0 && window.shown.length === 0 && !document.documentElement.dataset.sounded`
	if !eval[bool](o.sam, quiet) {
		t.Error("nobody had asked for alerts")
	}
	o.sam.click("#alerts")
	o.sam.wait(`window.asked === 1 && document.getElementById("alerts").getAttribute("aria-pressed") === "true"`)
	o.sam.openTalk("ada")
	o.sam.click("#take")
	o.ada.reads("#held", "Sam")
	o.ada.say("Are you there? Secret 4711")
	o.sam.wait(`window.shown.includes("A user you speak with has written.") && Number(document.documentElement.dataset.sounded) >= 1`)
	if eval[bool](o.sam, `window.shown.some((text) => text.includes("4711"))`) {
		t.Error("a notification shows the words")
	}
	eval[bool](o.sam, `(window.before = true)`)
	o.sam.do(chromedp.Reload())
	o.sam.wait(`!window.before && document.documentElement.dataset.connection === "open"`)
	o.sam.wait(`document.getElementById("alerts").getAttribute("aria-pressed") === "true"`)
	o.sam.click("#alerts")
	o.sam.wait(`document.getElementById("alerts").getAttribute("aria-pressed") === "false"`)
}

// TestStaff_PageIsAccessible: every view, wide and narrow.
func TestStaff_PageIsAccessible(t *testing.T) {
	t.Parallel()
	needsAxe(t)
	o := &office{t: t, stack: startStack(t)}
	o.ada, o.sam = o.user("ada"), o.staff("sam", "Sam")
	o.sam.reads("#nobody", "Nobody is waiting.")
	o.sam.accessible("empty")
	o.ada.say("Show me Markdown")
	o.ada.answered(1)
	o.ada.click("#ask-person")
	o.sam.openTalk("ada")
	o.sam.typeInto("#note", "Has called before")
	o.sam.press("Enter", 13, 2)
	o.sam.reads(".note-row .note-text", "Has called before")
	o.sam.typeInto("#tag", "billing\r")
	o.sam.reads("#panel-tags .chip", "billing")
	o.sam.accessible("watching")
	o.sam.click("#block")
	o.sam.wait(`document.querySelector("dialog[open]")`)
	o.sam.accessible("dialog")
	o.sam.press("Escape", 27, 0)
	for view, shown := range map[string]string{"metrics": "#figures dd", "cluster": "#pod-rows tr", "audit": "#audit-rows tr", "search": "#search-form", "settings": "#support-form"} {
		o.sam.click(fmt.Sprintf(`[data-view=%q]`, view))
		o.sam.wait(fmt.Sprintf(`document.querySelector(%q)?.checkVisibility()`, shown))
		o.sam.accessible(view)
	}
	o.sam.click(`[data-view="settings"]`)
	o.sam.click("#new-reply")
	o.sam.accessible("a new reply")
	o.sam.click(`[data-view="talks"]`)
	o.sam.click("#take")
	o.sam.wait(`document.getElementById("leave").checkVisibility()`)
	o.sam.click("#canned")
	o.sam.wait(`document.getElementById("picker").checkVisibility()`)
	o.sam.accessible("canned replies")
	o.sam.press("Escape", 27, 0)
	o.sam.phone()
	o.sam.accessible("telephone")
	o.sam.click("#panel-toggle")
	o.sam.accessible("details on a telephone")
	o.sam.insets(47, 34, 0, 0)
	o.sam.click("#panel-close")
	if low := eval[float64](o.sam, `innerHeight - document.getElementById("say").getBoundingClientRect().bottom`); low < 34 {
		t.Errorf("the button to send lies %v px above the edge", low)
	}
	out := openTab(t, o.stack.URL()+"/chatbox/console/staff.html")
	out.accessible("signed out")
}
