package browser

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"chatbox"
	"chatbox/app/devstack"
	"chatbox/providers/llm"
	"chatbox/test/stack"
)

// maxFile is the largest file of the stack in these tests.
const maxFile = 3 << 20

// said transcribes every recording by the same words.
type said string

func (s said) Transcribe(context.Context, chatbox.Recording) (chatbox.Transcript, error) {
	return chatbox.Transcript{Text: string(s)}, nil
}

// newFilesOffice is a user and a member of staff who holds their conversation.
func newFilesOffice(t *testing.T) *office {
	t.Helper()
	cfg := stack.Config(t, llm.Provider{ID: "scripted", Name: "Scripted demo", Type: llm.TypeScripted, Endpoint: "scripted://?delay=2ms"})
	cfg.Drain = devstack.DefaultConfig().Drain
	cfg.Files.Max = maxFile
	cfg.Voice.Transcriber = said("I would like to return this table.")
	o := &office{t: t, stack: stack.Start(t.Context(), t, cfg)}
	o.ada, o.sam = o.user("ada"), o.staff("sam", "Sam")
	o.sam.elsewhere(o.ada.connected())
	return o
}

// paper writes a file to be attached and returns its path.
func paper(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// photo is a picture with colours, as large as a photo of a phone is shown.
func photo(t *testing.T, width, height int, blue uint8) []byte {
	t.Helper()
	picture := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			picture.SetNRGBA(x, y, color.NRGBA{uint8(40 + 180*x/width), uint8(60 + 140*y/height), blue, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const report = "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"

// attach chooses files by the button's dialog.
func (tb *tab) attach(paths ...string) {
	tb.t.Helper()
	tb.wait(`document.getElementById("attach")?.checkVisibility()`)
	tb.do(chromedp.SetUploadFiles(chromedp.CSS("#attach-input"), paths))
}

// brings dispatches an event of a drop or a paste with files made in the page.
func (tb *tab) brings(event, selector, files string) {
	tb.t.Helper()
	eval[bool](tb, fmt.Sprintf(`(() => {
		const data = new DataTransfer();
		for (const file of %s) data.items.add(file);
		const node = document.querySelector(%q), kind = %q;
		const made = kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, bubbles: true, cancelable: true}) : new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true});
		node.dispatchEvent(made);
		return made.defaultPrevented;
	})()`, files, selector, event))
}

// attached waits until so many files are attached and uploaded.
func (tb *tab) attached(n int) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`document.querySelectorAll("#tray .attached").length === %d && document.querySelectorAll('#tray .attached[data-state="done"]').length === %d`, n, n))
}

// thumbnails waits until so many are shown. A page loads only those that are near.
func (tb *tab) thumbnails(within string, n int) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`(() => {
		const all = [...document.querySelectorAll(%q + " .thumbnail")], missing = all.find((one) => one.dataset.state !== "shown");
		missing?.scrollIntoView({block: "nearest"});
		return all.length === %d && !missing && all.every((one) => one.querySelector("img").naturalWidth > 50);
	})()`, within, n))
}

// conditions says twice whether the network is away: Chromium before version 150
// wants that once for all rules.
type conditions struct {
	network.EmulateNetworkConditionsByRuleParams

	Offline bool `json:"offline"`
}

// network slows uploads down to a number of bytes a second, or takes the network away.
func (tb *tab) network(upload float64, offline bool) {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		byRule := cdp.Command[conditions, cdp.Empty]{Method: network.CommandEmulateNetworkConditionsByRule}
		_, err := cdp.Call(ctx, target, byRule, conditions{Offline: offline, EmulateNetworkConditionsByRuleParams: network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: upload, Offline: offline}},
		}})
		if err != nil {
			return err
		}
		_, err = cdp.Call(ctx, target, network.OverrideNetworkState, network.OverrideNetworkStateParams{DownloadThroughput: -1, UploadThroughput: upload, Offline: offline})
		return err
	}))
}

// TestFiles_AreAttachedUploadedAndShown is what two people do with files, on a
// real cluster whose pods take turns.
func TestFiles_AreAttachedUploadedAndShown(t *testing.T) {
	t.Parallel()
	o := newFilesOffice(t)
	o.ada.attachedInThreeWays()
	o.ada.refusalsAreClear()
	o.ada.uploadSurvivesTheNetwork()
	o.filesAreSent()
	o.pictureIsShownLarge()
	o.staffSendsFiles()
	o.recordingIsSentAndPlayed()
	if pwned := eval[bool](o.ada, `"pwned" in window`) || eval[bool](o.sam, `"pwned" in window`); pwned {
		t.Error("the name of a file ran as a script")
	}
}

func (tb *tab) attachedInThreeWays() {
	tb.t.Helper()
	tb.attach(paper(tb.t, "harbour.png", photo(tb.t, 1200, 800, 190)), paper(tb.t, "report.pdf", []byte(report)))
	tb.brings("drop", "#conversation", `[new File(["a,b\n1,2\n"], "<img src=x onerror=pwned()>.csv", {type: "text/html"})]`)
	tb.brings("paste", "#input", `[new File([Uint8Array.from(atob("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="), (c) => c.charCodeAt(0))], "image.png", {type: "image/png"})]`)
	tb.attached(4)
	tb.reads("#tray .chip-name", "<img src=x onerror=pwned()>.csv")
	tb.do(chromedp.SendKeys(chromedp.CSS("#input"), "This is the harbour"))
	tb.shoot("files-attached")
	tb.click(`#tray [aria-label="Remove image.png"]`)
	tb.attached(3)
}

func (tb *tab) refusalsAreClear() {
	tb.t.Helper()
	dir := paper(tb.t, "big.txt", bytes.Repeat([]byte("a line of a long file\n"), maxFile/10))
	tb.attach(dir, paper(tb.t, "page.txt", []byte("<!doctype html><script>alert(1)</script>")), paper(tb.t, "empty.txt", nil))
	tb.reads(`.attached[data-state="failed"] .chip-line`, "The file is too large; the limit is 3.1 MB.")
	tb.reads(`.attached[data-state="failed"] .chip-line`, "Files of this type are not accepted.")
	tb.reads(`.attached[data-state="failed"] .chip-line`, "The file is empty.")
	tb.shoot("files-refused")
	tb.press("Enter", 13, 0)
	tb.reads(".toast", "A file was not uploaded.")
	if n := eval[int](tb, `document.querySelectorAll(".message").length`); n != 0 {
		tb.t.Error("the message was sent without its files")
	}
	for _, name := range []string{"big.txt", "page.txt", "empty.txt"} {
		tb.click(fmt.Sprintf(`#tray [aria-label="Remove %s"]`, name))
	}
	tb.attached(3)
}

// uploadSurvivesTheNetwork loses the network in the middle of an upload.
func (tb *tab) uploadSurvivesTheNetwork() {
	tb.t.Helper()
	tb.network(400_000, false)
	tb.attach(paper(tb.t, "long.txt", bytes.Repeat([]byte("a line of a long file\n"), 100_000)), paper(tb.t, "other.txt", bytes.Repeat([]byte("b"), 1<<20)))
	tb.wait(`[...document.querySelectorAll("#tray progress")].some((n) => n.checkVisibility() && n.value > 0.05)`)
	tb.shoot("files-uploading")
	tb.click(`#tray [aria-label="Cancel the upload of other.txt"]`)
	tb.network(-1, true)
	tb.reads(".attached .chip-state", "Waits for the connection")
	tb.shoot("files-offline")
	tb.network(-1, false)
	tb.attached(4)
	if names := eval[string](tb, `[...document.querySelectorAll(".chip-name")].map((n) => n.textContent).join()`); strings.Contains(names, "other.txt") {
		tb.t.Errorf("a cancelled upload is attached: %s", names)
	}
}

// filesAreSent: with words they are one message, without words each is its own.
func (o *office) filesAreSent() {
	o.t.Helper()
	o.ada.do(chromedp.Focus(chromedp.CSS("#input")))
	o.ada.press("Enter", 13, 0)
	o.ada.wait(`document.querySelectorAll('.message[data-state="sent"]').length === 1 && document.getElementById("tray").hidden`)
	o.ada.thumbnails("#transcript", 1)
	o.ada.wait(`document.querySelectorAll(".message:first-child .card").length === 3`)
	o.ada.attach(paper(o.t, "one.png", photo(o.t, 300, 300, 60)), paper(o.t, "two.txt", []byte("two\n")))
	o.ada.attached(2)
	o.ada.click("#send")
	o.ada.wait(`document.querySelectorAll('.message[data-state="sent"]').length === 3`)
	if kinds := eval[string](o.ada, `import(new URL("js/main.js", location.href)).then(({chat}) => chat.current.items().filter((one) => one.kind === "message").map((one) => one.type + one.files.length).join())`); kinds != "user_message4,file_upload1,file_upload1" {
		o.t.Errorf("the page sent %s", kinds)
	}
	o.ada.do(chromedp.Reload())
	o.ada.connected()
	o.ada.answered(1)
	o.ada.thumbnails("#transcript", 2)
	o.ada.wait(`document.querySelectorAll("#transcript .card").length === 4`)
	o.ada.shoot("files-user")
	o.sam.click(`[data-filter="all"]`)
	o.sam.openTalk("ada")
	o.sam.thumbnails("#lines", 2)
	o.sam.reads("#lines .card-name", "-img src=x onerror=pwned()-.csv") // the server cleans names, too
}

// pictureIsShownLarge: by keyboard, also when its link has expired; documents are downloaded.
func (o *office) pictureIsShownLarge() {
	o.t.Helper()
	eval[bool](o.ada, `(document.querySelector(".thumbnail img").src = "../files/file_x/content?exp=1", true)`)
	o.ada.wait(`document.querySelector(".thumbnail img").src.includes("sig=") && document.querySelector(".thumbnail img").complete`)
	o.ada.do(chromedp.Focus(chromedp.CSS(".thumbnail")))
	o.ada.do(chromedp.SendKeys(chromedp.CSS(".thumbnail"), "\r"))
	o.ada.wait(`document.querySelector("dialog.viewer[open] img")?.naturalWidth === 1200`)
	o.ada.reads(".viewer-name", "harbour.png")
	o.ada.wait(`document.activeElement.getAttribute("aria-label") === "Close"`)
	o.ada.accessibleIfItCan("a picture")
	o.ada.shoot("files-viewer")
	o.ada.press("Escape", 27, 0)
	o.ada.wait(`!document.querySelector("dialog") && document.activeElement === document.querySelector(".thumbnail")`)
	eval[bool](o.ada, `(HTMLAnchorElement.prototype.click = function () { window.fetched = fetch(this.href).then((r) => this.download + " " + r.headers.get("content-disposition")); }, true)`)
	o.ada.click(`#transcript .card[title="report.pdf"]`)
	o.ada.wait(`window.fetched`)
	if got := eval[string](o.ada, `window.fetched`); !strings.HasPrefix(got, "report.pdf ") || !strings.Contains(got, "report.pdf") {
		o.t.Errorf("the download was %q", got)
	}
}

// staffSendsFiles: only the holder attaches.
func (o *office) staffSendsFiles() {
	o.t.Helper()
	if shown := eval[bool](o.sam, `document.getElementById("attach").checkVisibility()`); shown {
		o.t.Error("whoever only watches is offered to attach files")
	}
	o.sam.click("#take")
	o.sam.attach(paper(o.t, "a.png", photo(o.t, 400, 300, 10)), paper(o.t, "b.png", photo(o.t, 300, 500, 250)), paper(o.t, "guide.txt", []byte("a guide\n")))
	o.sam.attached(3)
	o.sam.typeInto("#words", "Two plans and a guide")
	o.sam.accessibleIfItCan("attached by staff")
	o.sam.shoot("files-staff-attached")
	o.sam.press("Enter", 13, 0)
	o.ada.thumbnails("#transcript .from-admin", 2)
	o.ada.reads(".from-admin .card-name", "guide.txt")
	o.sam.thumbnails("#lines .admin", 2)
	if said := eval[string](o.ada, `document.getElementById("announcer").textContent`); said != "Sam sent 3 files. Two plans and a guide" {
		o.t.Errorf("a screen reader was told %q", said)
	}
	o.ada.click(".from-admin .thumbnail")
	o.ada.reads(".viewer-name", "a.png (1 of 2)")
	o.ada.press("ArrowRight", 39, 0)
	o.ada.reads(".viewer-name", "b.png (2 of 2)")
	o.ada.press("Escape", 27, 0)
}

// recordingIsSentAndPlayed uses the browser's own microphone, which beeps.
func (o *office) recordingIsSentAndPlayed() {
	o.t.Helper()
	o.ada.click("#record")
	o.ada.wait(`document.getElementById("recording").dataset.state === "recording"`)
	o.ada.click(`[aria-label="Discard the recording"]`)
	o.ada.wait(`document.getElementById("recording").hidden && document.getElementById("input").checkVisibility()`)
	o.ada.click("#record")
	o.ada.wait(`Number(document.querySelector(".recording-time")?.textContent.slice(2)) >= 1 && [...document.querySelectorAll(".level i")].some((n) => Number(n.style.getPropertyValue("--level")) > 0.2)`)
	o.ada.shoot("files-recording")
	o.ada.click(`[aria-label="Stop recording"]`)
	o.ada.wait(`document.querySelector("#recording .player")`)
	o.ada.accessibleIfItCan("a recording before it is sent")
	o.ada.click(`[aria-label="Play your recording"]`)
	o.ada.wait(`document.querySelector('#recording [aria-label="Pause your recording"]')`)
	o.ada.shoot("files-preview")
	o.ada.click(`[aria-label="Send the voice message"]`)
	o.ada.wait(`document.querySelector('.message:last-child[data-state="sent"] .player') && document.getElementById("recording").hidden`)
	o.sam.wait(`/^0:0[1-9]/.test(document.querySelector(".line.user:last-child .player-time")?.textContent)`)
	o.ada.wait(`document.querySelector(".message:last-child .transcribed")?.textContent.endsWith("return this table.")`)
	o.sam.wait(`document.querySelector(".line.user:last-child .transcribed")?.textContent.endsWith("return this table.")`)
	o.sam.click(`.line.user:last-child [aria-label="Play voice message"]`)
	o.sam.wait(`document.querySelector('#lines [aria-label="Pause voice message"]')`)
	o.sam.wait(`document.querySelector('#lines [aria-label="Play voice message"]')`) // it has ended
	o.sam.shoot("files-staff")
	o.narrowFiles()
}

// narrowFiles checks both pages at the width of a small phone.
func (o *office) narrowFiles() {
	o.t.Helper()
	o.ada.attach(paper(o.t, "a-rather-long-name-of-a-picture-from-a-camera-2026-11-30.png", photo(o.t, 64, 64, 0)))
	o.ada.attached(1)
	for name, tb := range map[string]*tab{"user": o.ada, "staff": o.sam} {
		tb.width(360, 740)
		tb.wait(`innerWidth === 360 && !document.getElementById("sidebar")?.checkVisibility({visibilityProperty: true})`)
		tb.fits("files-" + name + "-narrow")
		tb.dark()
		tb.fits("files-" + name + "-narrow-dark")
	}
	o.ada.width(1280, 860)
	o.ada.shoot("files-user-dark")
}
