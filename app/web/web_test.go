package web

import (
	"context"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func get(t *testing.T, prefix, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	Handler(prefix).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func TestHandler_ServesUnderAnyPrefix(t *testing.T) {
	for _, prefix := range []string{"/chatbox/console", "chatbox/console/", "/a/b/c", "/", ""} {
		at := "/" + strings.Trim(prefix, "/")
		at = strings.TrimSuffix(at, "/") + "/"
		for name, kind := range map[string]string{
			"": "text/html; charset=utf-8", "index.html": "text/html; charset=utf-8", "style.css": "text/css; charset=utf-8",
			"js/main.js": "text/javascript; charset=utf-8", "icons.svg": "image/svg+xml",
		} {
			response := get(t, prefix, http.MethodGet, at+name)
			if response.Code != http.StatusOK || response.Header().Get("Content-Type") != kind {
				t.Errorf("%s%s: %d %q, want 200 %q", at, name, response.Code, response.Header().Get("Content-Type"), kind)
			}
		}
	}
}

func TestHandler_RedirectsToTheSlash(t *testing.T) {
	response := get(t, "/chatbox/console", http.MethodGet, "/chatbox/console")
	if response.Code != http.StatusMovedPermanently || response.Header().Get("Location") != "console/" {
		t.Errorf("got %d to %q", response.Code, response.Header().Get("Location"))
	}
}

func TestHandler_RefusesWhatItDoesNotHave(t *testing.T) {
	for _, path := range []string{"/chatbox/console/nothing", "/chatbox/console/js", "/chatbox/console/js/", "/chatbox/consoles", "/elsewhere", "/chatbox/console/../web.go", "/chatbox/console//js/main.js"} {
		if response := get(t, "/chatbox/console", http.MethodGet, path); response.Code != http.StatusNotFound {
			t.Errorf("%s: %d, want 404", path, response.Code)
		}
	}
	if response := get(t, "/chatbox/console", http.MethodPost, "/chatbox/console/"); response.Code != http.StatusMethodNotAllowed || response.Header().Get("Allow") == "" {
		t.Errorf("POST: %d, Allow %q", response.Code, response.Header().Get("Allow"))
	}
}

func TestHandler_SecuresEveryAnswer(t *testing.T) {
	for _, path := range []string{"/c/", "/c/js/main.js", "/c/nothing", "/c"} {
		header := get(t, "/c", http.MethodGet, path).Header()
		policy := header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for directive := range strings.SplitSeq(policy, ";") {
			name, sources, _ := strings.Cut(strings.TrimSpace(directive), " ")
			if strings.Contains(sources, "blob:") && name != "img-src" && name != "media-src" {
				t.Errorf("%s: %q allows blobs, which a page could fill with code", path, directive)
			}
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cache-Control") != "no-store" || header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: headers %v", path, header)
		}
	}
}

// TestPage_NeverWritesHTMLFromText: nodes are created one by one, so that no text
// can become an element.
func TestPage_NeverWritesHTMLFromText(t *testing.T) {
	forbidden := regexp.MustCompile(`\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function)\s*[(=]|\sstyle="|\son[a-z]+="`)
	err := fs.WalkDir(embedded, "page", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		body, err := fs.ReadFile(embedded, path)
		if err != nil {
			return err
		}
		if found := forbidden.Find(body); found != nil {
			t.Errorf("%s has %q", path, found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestModules runs the page's own unit tests, which need no browser.
func TestModules(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("NOT RUN: page modules (apt-get install nodejs)")
	}
	files, err := filepath.Glob(filepath.Join("test", "*.test.mjs"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no module tests found: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, node, append([]string{"--test"}, files...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
