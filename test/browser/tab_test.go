package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"go.uber.org/goleak"
)

// Every wait is bounded; no test asserts a speed.
const patience = time.Minute

// chromium is one browser for the whole run; each test has its own profile inside it.
type chromium struct {
	once sync.Once
	ctx  context.Context
	stop []context.CancelFunc
	dir  string
	err  error
}

var browser chromium

func TestMain(m *testing.M) {
	code := m.Run()
	browser.close()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// start runs Chromium once; without one the test is skipped in words that a report can look for.
func (b *chromium) start(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("NOT RUN: browser (apt-get install chromium)")
	}
	b.once.Do(func() {
		b.dir, b.err = os.MkdirTemp("", "chatbox-browser-") //nolint:usetesting // outlives the test that starts it
		if b.err != nil {
			return
		}
		options := append(chromedp.DefaultExecAllocatorOptions[:],
			chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(b.dir), chromedp.WindowSize(1280, 860),
			chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-dev-shm-usage", true),
			chromedp.Flag("lang", "en-GB"), chromedp.Flag("hide-scrollbars", false),
			// A microphone that beeps, and that pages may use.
			chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		)
		root, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...) //nolint:forbidigo // the run's root
		ctx, stopBrowser := chromedp.NewContext(root)
		b.stop = []context.CancelFunc{stopBrowser, stopAllocator}
		b.ctx, b.err = ctx, chromedp.Do(ctx)
	})
	if b.err != nil {
		t.Fatalf("start %s: %v", path, b.err)
	}
	return b.ctx
}

// close ends Chromium and kills it if it does not exit. If the library still waits then, goleak reports its goroutine.
func (b *chromium) close() {
	done := make(chan struct{})
	go func() { // ends when Chromium has
		defer close(done)
		for _, stop := range b.stop {
			stop()
		}
	}()
	for range 2 {
		select {
		case <-done:
		case <-time.After(patience):
			if chrome := chromedp.FromContext(b.ctx).Browser; chrome != nil && chrome.Process() != nil {
				_ = chrome.Process().Kill() // gone already: nothing to kill
			}
		}
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir) // a profile left in the temporary folder harms nobody
	}
}

// tab is one page of the browser. Its page must stay free of uncaught errors and refused content.
type tab struct {
	t        *testing.T
	ctx      context.Context
	mu       sync.Mutex // guards following
	troubles []string
}

// openTab opens a link in a fresh profile, as a person on a new machine.
func openTab(t *testing.T, link string) *tab {
	t.Helper()
	return newTab(browser.start(t), t, link, chromedp.WithNewBrowserContext())
}

// another opens a second tab beside the first: the same profile, its own window so that neither is hidden.
func (tb *tab) another(link string) *tab {
	tb.t.Helper()
	return newTab(tb.ctx, tb.t, link, chromedp.WithNewWindow(true))
}

func newTab(parent context.Context, t *testing.T, link string, options ...chromedp.ContextOption) *tab {
	t.Helper()
	tb := &tab{t: t}
	ctx, stop := chromedp.NewContext(parent, append(options, chromedp.WithListener(tb.hear))...)
	tb.ctx = ctx
	t.Cleanup(func() { //nolint:contextcheck // the tab's context is made from the parent above
		if t.Failed() {
			tb.shoot("failed-" + strings.ReplaceAll(t.Name(), "/", "-"))
		}
		stop()
		for _, trouble := range tb.troubles {
			t.Errorf("the page complained: %s", trouble)
		}
	})
	tb.start(chromedp.EmulateViewport(1280, 860), chromedp.Navigate(link))
	tb.wait(`document.querySelector("#app, #signed-out") && document.readyState === "complete"`) //nolint:contextcheck // the tab's context is made from the parent above
	return tb
}

// The goroutine that reads the browser's messages calls this for each of them.
func (tb *tab) hear(event any) {
	trouble := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		trouble = e.ExceptionDetails.Text
		if e.ExceptionDetails.Exception != nil {
			trouble = e.ExceptionDetails.Exception.Description
		}
	case *log.EventEntryAdded:
		if e.Entry.Source == "security" || strings.Contains(e.Entry.Text, "Content Security Policy") {
			trouble = e.Entry.Text
		}
	}
	if trouble == "" {
		return
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.troubles = append(tb.troubles, trouble)
}

// start runs the first actions: they bind the tab's life to its context, so there is no deadline on them.
func (tb *tab) start(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	if err := chromedp.Do(tb.ctx, actions...); err != nil {
		tb.t.Fatalf("open the page: %v", err)
	}
}

func (tb *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		tb.t.Fatalf("in the page: %v", err)
	}
}

// wait polls a JavaScript condition until it is true.
func (tb *tab) wait(condition string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	poll := chromedp.Poll[bool]("Boolean("+condition+")", chromedp.WithPollingInterval(30*time.Millisecond), chromedp.WithPollingTimeout(patience))
	for { // a poll does not survive a page's reload
		_, err := chromedp.Run(ctx, poll)
		switch {
		case err == nil:
			return
		case ctx.Err() != nil || errors.As(err, new(*chromedp.ExceptionError)):
			tb.t.Fatalf("waited for %s: %v", condition, err)
		}
	}
}

// eval returns a JavaScript value; a promise is awaited.
func eval[T any](tb *tab, expression string) T {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		tb.t.Fatalf("evaluate %s: %v", expression, err)
	}
	return value
}

// say types a message as a person does, and sends it with Enter.
func (tb *tab) say(text string) {
	tb.t.Helper()
	tb.do(chromedp.SendKeys(chromedp.CSS("#input"), text))
	tb.press("Enter", 13, 0)
}

// press sends one key without a character of its own, as a browser does for a key whose default a page has taken over.
func (tb *tab) press(key string, code int64, modifiers int64) {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		for _, kind := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
			if _, err := cdp.Call(ctx, target, input.DispatchKeyEvent, input.DispatchKeyEventParams{
				Type: kind, Key: key, Code: key, WindowsVirtualKeyCode: code, NativeVirtualKeyCode: code, Modifiers: modifiers,
			}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// answered waits until n answers are finished.
func (tb *tab) answered(n int) {
	tb.t.Helper()
	tb.wait(fmt.Sprintf(`document.querySelectorAll('.answer[data-state="done"]').length === %d && document.querySelectorAll('.answer[data-state="running"]').length === 0`, n))
}

// connected waits for an open socket and returns its pod.
func (tb *tab) connected() string {
	tb.t.Helper()
	tb.wait(`document.documentElement.dataset.connection === "open"`)
	return eval[string](tb, `document.documentElement.dataset.servedBy`)
}

// texts are the raw texts the page holds for the shown session, in reading order: what it would copy.
func (tb *tab) texts() []string {
	tb.t.Helper()
	return eval[[]string](tb, `import(new URL("js/main.js", location.href)).then(({chat}) => chat.current.items().map((item) => item.text ?? item.content))`)
}

func (tb *tab) width(width, height int64) {
	tb.t.Helper()
	tb.do(chromedp.EmulateViewport(width, height))
}

func (tb *tab) dark() {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	}))
	tb.wait(`document.documentElement.dataset.theme === "dark"`)
}

// shoot writes a screenshot into $CHATBOX_OUT, else out/screenshots at the module's root.
func (tb *tab) shoot(name string) {
	tb.t.Helper()
	ctx, cancel := context.WithTimeout(tb.ctx, patience)
	defer cancel()
	if !tb.t.Failed() { // things that move have arrived
		tb.wait(`!document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === "running")`)
	}
	picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err != nil {
		tb.t.Errorf("screenshot %s: %v", name, err)
		return
	}
	folder := os.Getenv("CHATBOX_OUT")
	if folder == "" {
		folder = filepath.Join("..", "..", "out", "screenshots")
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		tb.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600); err != nil {
		tb.t.Fatal(err)
	}
}
