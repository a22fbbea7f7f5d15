package browser

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// phone gives the tab the size of a common phone.
func (tb *tab) phone() {
	tb.t.Helper()
	tb.width(390, 844)
}

// atOnce runs a script in the page before any of its own, from the next load on.
func (tb *tab) atOnce(script string) {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script})
		return err
	}), chromedp.Reload())
	tb.connected()
}

// key tells an element of a key as a browser does that is in the middle of something.
func (tb *tab) key(selector, init string) {
	tb.t.Helper()
	eval[bool](tb, fmt.Sprintf(`document.querySelector(%q).dispatchEvent(new KeyboardEvent("keydown", {key: "Enter", bubbles: true, cancelable: true, %s}))`, selector, init))
}

func (tb *tab) menu(entry int) {
	tb.t.Helper()
	tb.click("#menu-toggle")
	tb.click(fmt.Sprintf("#menu button:nth-child(%d)", entry))
}

// endTalk ends the conversation that is shown.
func (tb *tab) endTalk() {
	tb.t.Helper()
	tb.menu(4)
	tb.click("dialog .primary")
	tb.wait(`document.getElementById("closed").checkVisibility()`)
}

// says lets a person write into every session of the fake.
func (f *fake) says(kind, id, content string, more frame) {
	f.mu.Lock()
	defer f.mu.Unlock()
	meta := frame{"admin_id": "p1", "admin_name": "The night desk"}
	maps.Copy(meta, more)
	for _, s := range f.sessions {
		f.appendLocked(s, frame{"type": kind, "id": id, "sender": "admin", "content": content, "metadata": meta}, nil)
	}
}

// The page measures the box when it becomes visible: a hidden box has no height,
// and on a phone there is no other way to write.
func TestConsole_BoxHasItsHeightAfterItWasHidden(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.phone()
	tb.connected()
	box := func(when string) {
		t.Helper()
		tb.wait(`document.getElementById("input").checkVisibility()`)
		if tall := eval[float64](tb, `document.getElementById("input").getBoundingClientRect().height`); tall < 20 {
			t.Errorf("%s the box is %v px tall", when, tall)
		}
	}
	box("at first")
	tb.say("One")
	tb.answered(1)
	tb.endTalk()
	tb.click("#begin-new")
	box("after a new start")
	tb.say("Two")
	tb.answered(1)

	// From an ended session to an open one, with a draft of three lines in it.
	eval[bool](tb, `(() => { const n = document.getElementById("input"); n.value = "a\nb\nc"; n.dispatchEvent(new Event("input")); return true; })()`)
	pick := func(name string) {
		t.Helper()
		tb.click("#drawer-toggle")
		tb.wait(`document.getElementById("sidebar").getBoundingClientRect().left === 0`)
		eval[bool](tb, fmt.Sprintf(`([...document.querySelectorAll("[data-session]")].find((n) => n.textContent.startsWith(%q)).click(), true)`, name))
	}
	pick("One")
	tb.wait(`document.getElementById("closed").checkVisibility()`)
	pick("Two")
	box("after an ended one")
	tb.wait(`document.getElementById("input").value === "a\nb\nc" && document.getElementById("input").getBoundingClientRect().height > 50`)
}

// Text that a reconnect repeats is no progress. The page reports that the answer
// has continued, and after how long, when the next word arrives.
func TestConsole_ContinuedIsToldWithTheNextWord(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", true))
	serving := tb.connected()
	tb.say("Tell me a long story")
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 300`)
	f.mu.Lock()
	for _, pod := range f.pods {
		for _, s := range f.sessions {
			if pod.id == serving {
				s.answer.pod = pod
			}
		}
	}
	f.mu.Unlock()
	eval[bool](tb, `(() => {
		window.seen = [];
		let length = () => 0;
		import(new URL("js/main.js", location.href)).then(({chat}) => { length = () => chat.current.items().at(-1).text.length; });
		new MutationObserver(() => window.seen.push([document.getElementById("feed").firstElementChild.textContent, length()])).observe(document.getElementById("feed"), {childList: true});
		return true;
	})()`)
	killServing(tb)
	tb.answered(1)
	line := func(words string) (text string, length float64) {
		t.Helper()
		for _, one := range eval[[][]any](tb, "window.seen") {
			if text = str(one[0]); strings.Contains(text, words) {
				return text, one[1].(float64)
			}
		}
		t.Fatalf("the story never says %q: %v", words, eval[[][]any](tb, "window.seen"))
		return "", 0
	}
	_, atMove := line("socket moved")
	told, atWord := line("answer continued where it was")
	if atWord <= atMove {
		t.Errorf("told at %v characters, the socket had moved at %v", atWord, atMove)
	}
	// The page counts from when it noticed the loss, which may be later than the lease began to run out.
	var pause float64
	if _, err := fmt.Sscanf(afterWord(told), "%f s", &pause); err != nil || pause <= 0 {
		t.Errorf("%q names no pause", told)
	}
}

// A word to a person is not the model's to answer, also once the person has
// gone; a question after that is.
func TestConsole_ThanksToAPersonNeedNoAnswer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.atOnce(`window.ahead = 0; Date.now = ((now) => () => now() + window.ahead)(Date.now);`)
	tb.say("I need a person")
	tb.answered(1)
	f.says("admin_join", "j1", "", nil)
	f.says("user_message", "p1", "Done. Anything else?", nil)
	tb.reads(".message.from-admin", "Anything else?")
	f.mu.Lock()
	f.mute = true
	f.mu.Unlock()
	tb.say("thank you")
	tb.wait(`document.querySelectorAll('.message.from-user[data-state="sent"]').length === 2`)
	f.says("admin_leave", "l1", "", nil)
	tb.reads(".note", "left")
	later := func(offered bool) {
		t.Helper()
		eval[bool](tb, `(window.ahead += 60_000, true)`)
		if shown := eval[bool](tb, `new Promise((done) => setTimeout(() => done(document.getElementById("silent").checkVisibility()), 1200))`); shown != offered {
			t.Errorf("another answer is offered: %v", shown)
		}
	}
	later(false)
	tb.do(chromedp.Reload())
	tb.connected()
	tb.reads(".note", "left")
	later(false)
	tb.say("And now?")
	tb.wait(`document.querySelectorAll('.message.from-user[data-state="sent"]').length === 3`)
	later(true)
	tb.shoot("silent")
}

// The browser knows at once what a silent socket would show after half a minute.
func TestConsole_OfflineIsToldAtOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.say("First")
	tb.answered(1)
	said := eval[string](tb, `(window.dispatchEvent(new Event("offline")), document.documentElement.dataset.connection + "|" + document.getElementById("banner-text").textContent + "|" + document.getElementById("banner").checkVisibility())`)
	if !strings.HasPrefix(said, "offline|This device is offline.") || !strings.HasSuffix(said, "|true") {
		t.Errorf("as soon as the browser said so the page showed %q", said)
	}
	f.mu.Lock()
	f.refuse = true
	f.mu.Unlock()
	tb.say("Second")
	tb.reads(`.message[data-state="pending"] .state`, "Waits for the connection")
	tb.shoot("offline-at-once")
	f.mu.Lock()
	f.refuse = false
	f.mu.Unlock()
	eval[bool](tb, `window.dispatchEvent(new Event("online"))`)
	tb.answered(2)
	if shown := eval[bool](tb, `document.getElementById("banner").checkVisibility()`); shown {
		t.Error("online again, and the banner is still there")
	}
}

// Enter that chooses a word in an input method sends nothing; Safari tells of it by the key's number alone.
func TestConsole_InputMethodsKeepTheirEnter(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.do(chromedp.SendKeys(chromedp.CSS("#input"), "にほん"))
	tb.key("#input", "keyCode: 229")
	tb.key("#input", "isComposing: true")
	tb.key("#input", "shiftKey: true, keyCode: 13")
	if n := eval[int](tb, `document.querySelectorAll(".message").length`); n != 0 {
		t.Errorf("%d messages were sent in mid-word", n)
	}
	tb.key("#input", "keyCode: 13")
	tb.answered(1)
	// Escape that gives a word up stops no answer.
	tb.say("Answer slowly, word by word")
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 20`)
	eval[bool](tb, `document.getElementById("input").dispatchEvent(new KeyboardEvent("keydown", {key: "Escape", keyCode: 229, bubbles: true}))`)
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 60`)
}

// A person is one tap away, before the first word too; while one is there the
// page offers neither another nor a model.
func TestConsole_PersonIsOneTapAway(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.phone()
	tb.connected()
	tb.wait(`document.getElementById("model-picker").checkVisibility()`)
	tb.wait(`(() => { const {left, right, top, bottom, height} = document.getElementById("ask-person").getBoundingClientRect(); return left >= 0 && right <= 390 && top >= 0 && bottom <= 844 && height >= 32; })()`)
	tb.shoot("phone-empty")
	tb.click("#ask-person")
	tb.reads(`.note[data-state="sent"]`, "You asked for a person")
	f.says("admin_join", "j1", "", nil)
	tb.reads("#held", "The night desk")
	for _, gone := range []string{"ask-person", "model-picker"} {
		if eval[bool](tb, fmt.Sprintf(`document.getElementById(%q).checkVisibility()`, gone)) {
			t.Errorf("a person is there, and #%s is too", gone)
		}
	}
	f.says("user_message", "p1", "Good evening. See [the page](https://example.org/help).", nil)
	tb.wait(`document.querySelector(".message.from-admin a")?.href === "https://example.org/help"`)
	if said := eval[string](tb, `document.getElementById("announcer").textContent`); !strings.Contains(said, "The night desk said: Good evening.") {
		t.Errorf("a screen reader was told %q", said)
	}
	tb.shoot("phone-held")
	f.says("admin_leave", "l1", "", nil)
	tb.wait(`document.getElementById("ask-person").checkVisibility() && document.getElementById("model-picker").checkVisibility()`)
}

// The page shows that the server has refused a request, and does not show it as
// done.
func TestConsole_RefusedHelpIsNotShownAsDone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	f.mu.Lock()
	f.noHelp = true
	f.mu.Unlock()
	tb.click("#ask-person")
	tb.reads(`.note[data-state="failed"]`, "No person was asked for.")
	tb.wait(`!document.getElementById("ask-person").disabled`)
	tb.click(".note button:last-child")
	tb.wait(`!document.querySelector(".note") && document.getElementById("empty").checkVisibility()`)
}

const (
	hebrew = "שלום, מה שלומך? version 2.0 (beta)!"
	arabic = "مرحبا، كيف يمكنني المساعدة؟"
)

// Each text runs as its own letters do, and no name turns what stands around it.
func TestConsole_RightToLeftAndMixed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.phone()
	tb.connected()
	tb.say(hebrew)
	tb.answered(1)
	tb.say("Plain English " + arabic)
	tb.answered(2)
	tb.say("bidi: a list and a table")
	tb.answered(3)
	direction := func(selector, want string) {
		t.Helper()
		tb.wait(fmt.Sprintf(`document.querySelector(%q)`, selector))
		if got := eval[string](tb, fmt.Sprintf(`getComputedStyle(document.querySelector(%q)).direction`, selector)); got != want {
			t.Errorf("%s runs %s", selector, got)
		}
	}
	direction(".message .text", "rtl")
	direction("#transcript > li:nth-child(3) .text", "ltr")
	direction(".answer:last-child .markdown ul", "rtl")
	direction(".answer:last-child .markdown td", "rtl")
	direction(".answer:last-child .markdown pre", "ltr")
	eval[bool](tb, fmt.Sprintf(`(() => { document.getElementById("input").value = %q; return true; })()`, arabic))
	direction("#input", "rtl")
	f.says("admin_join", "j1", "", frame{"admin_name": "נועה\u202e\u0000"})
	tb.wait(`document.querySelector("#held bdi")?.textContent === "נועה��"`)
	if eval[bool](tb, `/[\u202a-\u202e\u0000]/.test(document.body.innerText)`) {
		t.Error("a name brought its controls onto the page")
	}
	f.says("user_message", "p1", arabic+"\n\n- [x](https://example.org)", frame{"admin_name": "נועה\u202e\u0000"})
	direction(".message.from-admin p", "rtl")
	tb.shoot("phone-rtl")
	tb.wait(`document.documentElement.scrollWidth <= 390`)
}

// Nothing that is read or pressed lies under a notch or the home bar.
func TestConsole_KeepsClearOfTheScreensEdges(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", true))
	tb.connected()
	tb.wait(`document.querySelectorAll(".pod").length === 3`)
	clear := func(width, height, top, bottom, left, right int64) {
		t.Helper()
		tb.width(width, height)
		tb.insets(top, bottom, left, right)
		if under := eval[[]string](tb, fmt.Sprintf(`[...document.querySelectorAll("button, textarea, select, h1, .status, .pod")].filter((n) => n.checkVisibility({visibilityProperty: true}) && !n.closest("[inert]")).filter((n) => {
			const r = n.getBoundingClientRect();
			return r.width > 0 && r.bottom > 0 && (r.top < %d || r.left < %d || r.right > innerWidth - %d || r.bottom > innerHeight - %d) && !n.closest(".pods, .conversation");
		}).map((n) => n.id || n.className)`, top, left, right, bottom)); len(under) > 0 {
			t.Errorf("at %d × %d under the edge: %v", width, height, under)
		}
	}
	clear(390, 844, 47, 34, 0, 0)
	tb.shoot("phone-notch")
	clear(844, 390, 0, 21, 47, 47)
	tb.shoot("phone-notch-landscape")
}

func TestConsole_IsAccessible(t *testing.T) {
	t.Parallel()
	needsAxe(t)
	f := newFake(t)
	tb := openTab(t, f.link("reader", true))
	tb.connected()
	tb.wait(`document.querySelectorAll(".pod").length === 3`)
	tb.accessible("empty")
	tb.say("Show me what Markdown looks like here")
	tb.answered(1)
	tb.say("fail in mid-answer")
	tb.wait(`document.querySelector('.answer[data-finish="error"]')`)
	tb.say("reject this")
	tb.wait(`document.querySelector('.message[data-state="failed"]')`)
	tb.say("headings that skip")
	tb.answered(3)
	tb.accessible("a talk")
	tb.click("#menu-toggle")
	tb.accessible("menu")
	tb.click("#menu button:first-child")
	tb.wait(`document.querySelector("dialog[open]")`)
	tb.accessible("dialog")
	tb.press("Escape", 27, 0)
	tb.say("Write some Go code with a test")
	tb.answered(4)
	tb.phone()
	tb.accessible("telephone")
	tb.click("#drawer-toggle")
	tb.wait(`document.getElementById("sidebar").getBoundingClientRect().left === 0`)
	tb.accessible("drawer")
	tb.press("Escape", 27, 0)
	tb.width(1280, 860)
	f.says("admin_join", "j1", "", nil)
	f.says("user_message", "p1", "Good evening.", nil)
	tb.reads(".message.from-admin", "Good evening.")
	f.told(frame{"event": "rating_requested", "admin_name": "The night desk"})
	f.told(frame{"event": "watched"})
	tb.wait(`document.getElementById("rating").checkVisibility()`)
	tb.accessible("held, with a rating")
	eval[bool](tb, `window.dispatchEvent(new Event("offline"))`)
	tb.accessible("offline")
	eval[bool](tb, `window.dispatchEvent(new Event("online"))`)
	tb.connected()
	tb.endTalk()
	tb.accessible("ended")
	out := openTab(t, f.server.URL+fakePrefix+"/console/")
	out.wait(`document.getElementById("signed-out").checkVisibility()`)
	out.accessible("signed out")
}

// afterWord is what follows "after " in a line.
func afterWord(line string) string {
	_, rest, _ := strings.Cut(line, "after ")
	return rest
}
