package browser

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// place is where a test's page comes from: the fake, or a running stack named by CHATBOX_TEST_CONSOLE_URL
// (a link with #token=…&admin=…), whose pods are then really killed.
type place struct {
	link string
	fake *fake
}

func newPlace(t *testing.T) place {
	t.Helper()
	if link := os.Getenv("CHATBOX_TEST_CONSOLE_URL"); link != "" {
		return place{link: link}
	}
	if strings.HasPrefix(t.Name(), "TestOnTheStack/") {
		return place{link: *stackLink.Load()}
	}
	f := newFake(t)
	return place{link: f.link("reader", true), fake: f}
}

// killServing kills the pod behind the tab's socket with the page's own button, and waits for another one.
func killServing(tb *tab) (from, to string) {
	tb.t.Helper()
	from = tb.connected()
	kill := fmt.Sprintf(`.pod[data-pod="%s"] [data-verb="kill"]`, from)
	tb.wait(fmt.Sprintf(`document.querySelector('%s')?.checkVisibility()`, kill))
	tb.click(kill)
	tb.wait(fmt.Sprintf(`document.documentElement.dataset.connection === "open" && document.documentElement.dataset.servedBy !== %q`, from))
	return from, tb.connected()
}

func startPod(tb *tab, pod string) {
	tb.t.Helper()
	start := fmt.Sprintf(`.pod[data-pod="%s"] [data-verb="start"]`, pod)
	tb.wait(fmt.Sprintf(`document.querySelector('%s')?.checkVisibility()`, start))
	tb.click(start)
	tb.wait(fmt.Sprintf(`document.querySelector('.pod[data-pod="%s"]').dataset.state === "serving"`, pod))
}

// stored are the texts of the shown session's history, by REST, as reading order has them in a plain exchange.
func stored(tb *tab) []string {
	tb.t.Helper()
	return eval[[]string](tb, `fetch("../sessions/" + location.hash.replace("#session=", ""), {headers: {Authorization: "Bearer " + sessionStorage.getItem("chatbox.token")}})
		.then((response) => response.json()).then(({messages}) => messages.map((message) => message.content))`)
}

func TestConsole_TypeAndStream(t *testing.T) {
	t.Parallel()
	typesAndStreams(t)
}

func typesAndStreams(t *testing.T) {
	t.Helper()
	tb := openTab(t, newPlace(t).link)
	tb.connected()
	tb.say("Show me Markdown")
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 10`)
	tb.answered(1)
	tb.wait(`document.querySelector('.message[data-state="sent"]')`)
	if got, want := tb.texts(), stored(tb); !slices.Equal(got, want) {
		t.Errorf("the page shows %q, the history has %q", got, want)
	}
	if hash := eval[string](tb, `location.hash`); strings.Contains(hash, "token") || !strings.HasPrefix(hash, "#session=") {
		t.Errorf("the address still carries %q", hash)
	}
	if said := eval[string](tb, `document.getElementById("announcer").textContent`); !strings.HasPrefix(said, "Answer: ") {
		t.Errorf("a screen reader was told %q", said)
	}
}

func TestConsole_ReloadResumes(t *testing.T) {
	t.Parallel()
	resumesAfterReload(t)
}

func resumesAfterReload(t *testing.T) {
	t.Helper()
	tb := openTab(t, newPlace(t).link)
	tb.connected()
	tb.say("First, briefly")
	tb.answered(1)
	tb.say("Tell me a long story")
	tb.wait(`[...document.querySelectorAll('.answer[data-state="running"] .markdown')].at(-1)?.textContent.length > 200`)
	tb.do(chromedp.Reload())
	tb.wait(`document.querySelectorAll(".answer").length === 2`)
	tb.answered(2)
	if got, want := tb.texts(), stored(tb); !slices.Equal(got, want) {
		t.Errorf("after the reload the page shows %q, the history has %q", got, want)
	}
}

func TestConsole_TwoTabsInStep(t *testing.T) {
	t.Parallel()
	keepsTwoTabsInStep(t)
}

func keepsTwoTabsInStep(t *testing.T) {
	t.Helper()
	p := newPlace(t)
	one := openTab(t, p.link)
	one.connected()
	one.say("Hello from the first tab")
	one.answered(1)
	session := eval[string](one, `location.hash.slice(1)`)
	two := one.another(p.link + "&" + session)
	two.answered(1)
	two.say("Tell me a long story")
	one.wait(`[...document.querySelectorAll('.answer[data-state="running"] .markdown')].at(-1)?.textContent.length > 50`)
	one.answered(2)
	two.answered(2)
	if a, b := one.texts(), two.texts(); !slices.Equal(a, b) {
		t.Errorf("the tabs differ: %q and %q", a, b)
	}
	// Typing in one is seen in the other.
	one.do(chromedp.SendKeys(chromedp.CSS("#input"), "thinking"))
	two.wait(`document.getElementById("typing").checkVisibility()`)
}

func TestConsole_KilledPodLosesNothing(t *testing.T) {
	t.Parallel()
	losesNothingWithAPod(t)
}

func losesNothingWithAPod(t *testing.T) {
	t.Helper()
	p := newPlace(t)
	for _, restart := range []bool{false, true} {
		t.Run(map[bool]string{false: "continued", true: "restarted"}[restart], func(t *testing.T) {
			if p.fake != nil {
				p.fake.mu.Lock()
				p.fake.restart = restart
				p.fake.mu.Unlock()
			}
			tb := openTab(t, p.link)
			tb.connected()
			tb.say("Tell me a long story")
			tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 300`)
			from, to := killServing(tb)
			tb.shoot("killed-" + map[bool]string{false: "continued", true: "restarted"}[restart])
			tb.answered(1)
			if got, want := tb.texts(), stored(tb); !slices.Equal(got, want) {
				t.Errorf("killed %s, moved to %s: the page shows %q, the history has %q", from, to, got, want)
			}
			tb.wait(fmt.Sprintf(`document.getElementById("feed").textContent.includes("socket moved from %s to ")`, from))
			startPod(tb, from)
			tb.shoot("story-" + map[bool]string{false: "continued", true: "restarted"}[restart])
		})
	}
}

func TestConsole_GeneratingPodKilled(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.restart = true
	tb := openTab(t, f.link("reader", true))
	tb.connected()
	tb.say("Tell me a long story")
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 300`)
	f.mu.Lock()
	for _, s := range f.sessions {
		s.answer.pod = &fakePod{id: "pod-gone", state: "stopped"}
	}
	f.mu.Unlock()
	tb.wait(`document.getElementById("feed").textContent.includes("answer continued, attempt 2")`)
	tb.answered(1)
	if got := tb.texts()[1]; got != longAnswer() {
		t.Errorf("the page shows %q", got)
	}
}

func TestConsole_SocketCutInMidAnswer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", true))
	tb.connected()
	tb.say("Tell me a long story")
	for _, length := range []int{200, 900, 1800} {
		tb.wait(fmt.Sprintf(`document.querySelector(".answer .markdown")?.textContent.length > %d`, length))
		f.cutAll()
	}
	tb.answered(1)
	if got := tb.texts()[1]; got != longAnswer() {
		t.Errorf("after three cuts the page shows %q", got)
	}
}

func TestConsole_MessageWrittenWhileAwayIsSentOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.say("First")
	tb.answered(1)
	f.mu.Lock()
	f.refuse = true
	f.mu.Unlock()
	f.cutAll()
	tb.wait(`document.documentElement.dataset.connection !== "open"`)
	tb.say("Written without a connection")
	tb.wait(`document.querySelector('.message[data-state="pending"]')`)
	tb.wait(`document.getElementById("banner").checkVisibility()`)
	tb.shoot("offline")
	f.mu.Lock()
	f.refuse = false
	f.mu.Unlock()
	tb.answered(2)
	tb.wait(`document.querySelectorAll('.message[data-state="sent"]').length === 2`)
	if got := stored(tb); len(got) != 4 {
		t.Errorf("the history has %d events: %q", len(got), got)
	}
}

func TestConsole_DrainMovesQuietly(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", true))
	from := tb.connected()
	tb.wait(`document.querySelector(".pod.mine")`)
	tb.click(fmt.Sprintf(`.pod[data-pod="%s"] [data-verb="drain"]`, from))
	tb.wait(fmt.Sprintf(`document.documentElement.dataset.connection === "open" && document.documentElement.dataset.servedBy !== %q`, from))
	tb.wait(fmt.Sprintf(`document.getElementById("feed").textContent.includes("socket moved from %s to ")`, from))
}

func TestConsole_StopAndRetry(t *testing.T) {
	t.Parallel()
	stopsAndRetries(t)
}

func stopsAndRetries(t *testing.T) {
	t.Helper()
	tb := openTab(t, newPlace(t).link)
	tb.connected()
	tb.say("Answer slowly, word by word")
	tb.wait(`document.querySelector('.answer[data-state="running"] .markdown')?.textContent.length > 20`)
	tb.click("#stop")
	tb.wait(`document.querySelector('.answer[data-finish="cancelled"]')`)
	if got, want := tb.texts(), stored(tb); !slices.Equal(got, want) {
		t.Errorf("stopped: the page shows %q, the history has %q", got, want)
	}
	tb.click(".retry")
	tb.wait(`document.querySelectorAll(".answer").length === 2`)
	tb.wait(`[...document.querySelectorAll('.answer[data-state="running"] .markdown')].at(-1)?.textContent.length > 20`)
	tb.do(chromedp.KeyEvent(kb.Escape))
	tb.wait(`document.querySelectorAll('.answer[data-finish="cancelled"]').length === 2`)
}

func TestConsole_FailuresAreShownWhereTheyHappen(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()

	tb.say("busy: refused once, then taken")
	tb.answered(1)

	tb.say("fail in mid-answer")
	tb.wait(`document.querySelector('.answer[data-finish="error"] .problem')`)
	tb.shoot("failed-answer")
	tb.click(".retry")
	tb.wait(`document.querySelectorAll('.answer[data-finish="stop"]').length === 2`)

	tb.say("refuse before the first piece")
	tb.wait(`document.querySelectorAll('.answer[data-finish="error"]').length === 2`)
	tb.click(".retry")
	tb.wait(`document.querySelectorAll('.answer[data-finish="stop"]').length === 3`)

	tb.say("reject this")
	tb.wait(`document.querySelector('.message[data-state="failed"] .problem')?.checkVisibility()`)
	tb.click(`.message[data-state="failed"] .problem button`)
	tb.wait(`document.getElementById("input").value === "reject this" && !document.querySelector('.message[data-state="failed"]')`)
}

func TestConsole_SeveralSessions(t *testing.T) {
	t.Parallel()
	tb := openTab(t, newPlace(t).link)
	tb.connected()
	tb.say("The first conversation")
	tb.answered(1)
	first := eval[string](tb, `location.hash`)
	tb.click("#new")
	tb.wait(fmt.Sprintf(`location.hash !== %q && document.querySelectorAll(".message").length === 0`, first))
	tb.say("The second conversation")
	tb.answered(1)
	tb.wait(`document.querySelectorAll("[data-session]").length >= 2`)

	tb.do(chromedp.Click(chromedp.CSS("#menu-toggle")), chromedp.Click(chromedp.CSS("#menu button:first-child")))
	tb.wait(`document.querySelector("dialog[open] input")`)
	tb.do(chromedp.SendKeys(chromedp.CSS("dialog input"), "A better name\r"))
	tb.wait(`document.getElementById("title").textContent === "A better name"`)

	tb.do(chromedp.Click(chromedp.CSS(fmt.Sprintf(`[data-session="%s"]`, strings.TrimPrefix(first, "#session=")))))
	tb.wait(`document.querySelector(".message")?.textContent.includes("The first conversation")`)

	tb.do(chromedp.Click(chromedp.CSS("#menu-toggle")), chromedp.Click(chromedp.CSS("#menu button:nth-child(4)")))
	tb.click("dialog .primary")
	tb.wait(`document.getElementById("closed").checkVisibility() && !document.getElementById("composer").checkVisibility()`)

	tb.do(chromedp.Click(chromedp.CSS("#menu-toggle")), chromedp.Click(chromedp.CSS("#menu .danger")))
	tb.click("dialog .primary")
	tb.wait(`!document.querySelector('[data-session="` + strings.TrimPrefix(first, "#session=") + `"]')`)
}

func TestConsole_ModelPicker(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.wait(`document.querySelectorAll("#model option").length === 2`)
	tb.do(chromedp.SetValue(chromedp.CSS("#model"), "scripted-terse"))
	eval[bool](tb, `document.getElementById("model").dispatchEvent(new Event("change"))`)
	tb.wait(`document.querySelector('.note[data-state="sent"]')?.textContent.includes("Scripted, terse")`)
	tb.say("Who answers?")
	tb.answered(1)
	if who := eval[string](tb, `document.querySelector(".answer header").textContent`); !strings.Contains(who, "Scripted, terse") {
		t.Errorf("the answer is by %q", who)
	}
}

func TestConsole_HostileMarkdownIsInert(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.say("hostile <img src=x onerror=window.pwned=20>")
	tb.answered(1)
	for name, condition := range map[string]string{
		"a script ran":                `window.pwned !== undefined`,
		"an element came in by text":  `document.querySelector("#transcript :is(script, img, iframe, object, embed, style, form, b)")`,
		"a handler came in":           `[...document.querySelectorAll("#transcript *")].some((node) => [...node.attributes].some(({name}) => name.startsWith("on")))`,
		"a link leads elsewhere":      `[...document.querySelectorAll("#transcript a")].some((a) => !["http:", "https:"].includes(a.protocol))`,
		"a link keeps its opener":     `[...document.querySelectorAll("#transcript a")].some((a) => !a.relList.contains("noopener"))`,
		"the code block lost content": `!document.querySelector("#transcript pre").textContent.includes("</code></pre><script>window.pwned=11</script>")`,
	} {
		if eval[bool](tb, "Boolean("+condition+")") {
			t.Error(name)
		}
	}
}

func TestConsole_Keyboard(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.wait(`document.activeElement?.id === "input"`)
	tb.do(chromedp.KeyEvent("one"), chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(kb.ModifierShift)), chromedp.KeyEvent("two"))
	if value := eval[string](tb, `document.getElementById("input").value`); value != "one\ntwo" {
		t.Errorf("Shift+Enter made %q", value)
	}
	tb.press("Enter", 13, 0)
	tb.answered(1)
	tb.wait(`document.activeElement?.id === "input" && document.getElementById("input").value === ""`)

	// The first stop of Tab is the skip link, seen when focused, and it leads to the message box.
	eval[bool](tb, `document.activeElement.blur(), window.getSelection().removeAllRanges(), true`)
	tb.do(chromedp.Reload())
	tb.connected()
	eval[bool](tb, `document.activeElement.blur(), true`)
	eval[bool](tb, `document.querySelector(".skip").focus(), true`)
	tb.wait(`document.querySelector(".skip").getBoundingClientRect().top >= 0`)
	tb.do(chromedp.KeyEvent(kb.Enter))
	tb.wait(`document.activeElement?.id === "input"`)
	if !strings.HasPrefix(eval[string](tb, `location.hash`), "#session=") {
		t.Error("the skip link took the session out of the address")
	}

	// The menu by keys alone.
	eval[bool](tb, `document.getElementById("menu-toggle").focus(), true`)
	tb.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.ArrowDown))
	tb.wait(`document.activeElement?.textContent === "Ask for a person"`)
	tb.do(chromedp.KeyEvent(kb.Escape))
	tb.wait(`document.activeElement?.id === "menu-toggle" && document.getElementById("menu").hidden`)
}

func TestConsole_Narrow(t *testing.T) {
	t.Parallel()
	fitsNarrowScreens(t)
}

func fitsNarrowScreens(t *testing.T) {
	t.Helper()
	tb := openTab(t, newPlace(t).link)
	tb.width(380, 780)
	tb.connected()
	tb.wait(`document.querySelector(".pod")`)
	tb.shoot("narrow-empty")
	tb.say("Show me Markdown")
	tb.answered(1)
	tb.say("Write some Go code with a test")
	tb.answered(2)
	noSideways := func(state string) {
		t.Helper()
		if wide := eval[[]string](tb, `[document.documentElement, document.body, document.getElementById("conversation")].filter((node) => node.scrollWidth > node.clientWidth)
			.map((node) => node.tagName + "#" + node.id).concat(innerWidth > 380 ? ["window"] : [])`); len(wide) > 0 {
			t.Errorf("%s scrolls sideways: %v", state, wide)
		}
	}
	noSideways("the conversation")
	tb.shoot("narrow")
	if !eval[bool](tb, `document.getElementById("sidebar").inert`) {
		t.Error("the closed drawer can be reached")
	}
	tb.click("#drawer-toggle")
	tb.wait(`document.getElementById("sidebar").getBoundingClientRect().left === 0`)
	noSideways("the drawer")
	tb.shoot("narrow-drawer")
	tb.do(chromedp.KeyEvent(kb.Escape))
	tb.wait(`document.getElementById("sidebar").inert && document.activeElement?.id === "drawer-toggle"`)
}

func TestConsole_ReaderWhoScrolledUpIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.say("Tell me a long story")
	area := `document.getElementById("conversation")`
	tb.wait(area + `.scrollTop > 200`)
	eval[bool](tb, area+`.scrollBy(0, -400), true`)
	tb.wait(`document.getElementById("jump").classList.contains("shown")`)
	top := eval[float64](tb, area+`.scrollTop`)
	tb.answered(1)
	if after := eval[float64](tb, area+`.scrollTop`); after != top {
		t.Errorf("the reader was moved from %v to %v", top, after)
	}
	tb.click("#jump")
	tb.wait(area + `.scrollHeight - ` + area + `.clientHeight - ` + area + `.scrollTop < 4`)
}

func TestConsole_ExpiredTokenSaysSo(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("expired", false))
	tb.wait(`document.documentElement.dataset.connection === "refused"`)
	tb.wait(`document.getElementById("banner-text").textContent.includes("fresh link")`)
}

func TestConsole_WithoutALink(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.server.URL+fakePrefix+"/console/")
	tb.wait(`document.getElementById("signed-out").checkVisibility()`)
	tb.shoot("signed-out")
	tb.do(chromedp.SendKeys(chromedp.CSS("#sign-in-link"), f.link("reader", false)+"\r"))
	tb.wait(`document.getElementById("app")?.checkVisibility()`)
	tb.connected()
}

func TestConsole_ForeignSessionIsRefusedKindly(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	one := openTab(t, f.link("reader", false))
	one.connected()
	one.say("Mine alone")
	one.answered(1)
	two := openTab(t, f.link("stranger", false)+"&"+eval[string](one, `location.hash.slice(1)`))
	two.wait(`document.getElementById("unavailable").checkVisibility()`)
	two.do(chromedp.Click(chromedp.CSS("#unavailable-new")))
	two.wait(`document.getElementById("empty").checkVisibility()`)
}

func TestConsole_PersonTakesOver(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.say("I need a person, please")
	tb.answered(1)
	tb.do(chromedp.Click(chromedp.CSS("#menu-toggle")), chromedp.Click(chromedp.CSS("#menu button:nth-child(2)")))
	tb.wait(`[...document.querySelectorAll('.note[data-state="sent"]')].some((note) => note.textContent.includes("asked for a person"))`)
	person := frame{"admin_id": "p1", "admin_name": "The night desk"}
	event := func(kind, content string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, s := range f.sessions {
			f.appendLocked(s, frame{"type": kind, "id": kind + content, "sender": "admin", "content": content, "metadata": person}, nil)
		}
	}
	event("admin_join", "")
	event("user_message", "Good evening. What can I do for you?")
	tb.wait(`document.getElementById("held").checkVisibility() && document.querySelector(".message.from-admin")?.textContent.includes("The night desk")`)
	if eval[bool](tb, `document.querySelector(".retry") !== null || document.getElementById("silent").checkVisibility()`) {
		t.Error("while a person answers, the model's answer is offered again")
	}
	tb.shoot("person")
	event("admin_leave", "")
	tb.wait(`!document.getElementById("held").checkVisibility()`)
}

func TestConsole_ThemeIsRemembered(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tb := openTab(t, f.link("reader", false))
	tb.connected()
	tb.click("#theme")
	tb.wait(`document.documentElement.dataset.theme === "dark"`)
	tb.do(chromedp.Reload())
	tb.connected()
	tb.wait(`document.documentElement.dataset.theme === "dark" && document.getElementById("theme").getAttribute("aria-pressed") === "true"`)
}
