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

	"chatbox/app/devstack"
	"chatbox/providers/llm"
	"chatbox/test/stack"
)

// maxFile is the largest file of the stack in these tests.
const maxFile = 3 << 20

// newFilesOffice is a user and a member of staff who holds their conversation.
func newFilesOffice(t *testing.T) *office {
	t.Helper()
	cfg := stack.Config(t, llm.Provider{ID: "scripted", Name: "Scripted demo", Type: llm.TypeScripted, Endpoint: "scripted://?delay=2ms"})
	cfg.Drain = devstack.DefaultConfig().Drain
	cfg.Files.Config.Max = maxFile
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

// network slows uploads down to a number of bytes a second, or takes the network away.
func (tb *tab) network(upload float64, offline bool) {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{
			MatchedNetworkConditions: []*network.Conditions{{DownloadThroughput: -1, UploadThroughput: upload, Offline: offline}},
		})
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
