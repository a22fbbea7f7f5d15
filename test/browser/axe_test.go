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
	"github.com/chromedp/chromedp"
)

// axeSource is axe-core, read once. Only a machine without npm's registry does
// without it, and says so; in CI that is a failure.
var axeSource = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) //nolint:forbidigo // once for the whole run
	defer cancel()
	out, err := exec.CommandContext(ctx, filepath.Join("..", "..", "scripts", "axe.sh")).Output()
	if err != nil {
		if exit := (&exec.ExitError{}); errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
		}
		return "", err
	}
	source, err := os.ReadFile(strings.TrimSpace(string(out)))
	return string(source), err
})

// needsAxe says at the start of a test what it cannot do without.
func needsAxe(t *testing.T) {
	t.Helper()
	_, err := axeSource()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("axe-core: %v", err)
	default:
		t.Skipf("NOT RUN: axe (npm install axe-core): %v", err)
	}
}

// accessible holds what a page shows now to axe-core's rules, in both themes.
func (tb *tab) accessible(state string) {
	tb.t.Helper()
	source, err := axeSource()
	if err != nil {
		tb.t.Fatal(err)
	}
	eval[bool](tb, source+"; true")
	// A line that is fading in has too little contrast for a moment. Transitions are
	// waited for below; entries of the feed may come at any time.
	eval[bool](tb, `(() => {
		const still = new CSSStyleSheet();
		still.replaceSync("*, *::before, *::after { animation: none !important; }");
		document.adoptedStyleSheets = [still];
		return true;
	})()`)
	for _, theme := range []string{"light", "dark"} {
		eval[bool](tb, fmt.Sprintf(`(document.documentElement.dataset.theme = %q, true)`, theme))
		tb.wait(`!document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === "running")`)
		found := eval[[]string](tb, `axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.flatMap(({id, help, nodes}) =>
			nodes.map(({target, any}) => id + ": " + help + " at " + target.join(" ") + " " + (any[0]?.message ?? ""))))`)
		for _, one := range found {
			tb.t.Errorf("%s, %s: %s", state, theme, one)
		}
	}
	eval[bool](tb, `(document.documentElement.dataset.theme = "light", document.adoptedStyleSheets = [], true)`)
}

// insets gives the screen a notch and a home bar.
func (tb *tab) insets(top, bottom, left, right int64) {
	tb.t.Helper()
	tb.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetSafeAreaInsetsOverride, emulation.SetSafeAreaInsetsOverrideParams{
			Insets: &emulation.SafeAreaInsets{Top: &top, Bottom: &bottom, Left: &left, Right: &right},
		})
		return err
	}))
}
