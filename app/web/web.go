// Package web serves the console: static pages, embedded in the binary, that use
// only the public protocol.
package web

import (
	"bytes"
	"embed"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed page
var embedded embed.FS

// contentSecurityPolicy allows the page to load its own files, to open its own
// socket, and to show a file that its user has chosen or recorded, which is a
// blob, before it is sent. It forbids inline scripts and styles, frames and form targets, so that
// a rendering bug cannot run code.
const contentSecurityPolicy = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob:; " +
	"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page under prefix (for example "/chatbox/console"). The page
// uses relative addresses only: REST one level up (../sessions), the socket at
// ../ws. The prefix without its slash is redirected to the one with it, because
// relative addresses need the slash.
//
// Responses are never cached, because the files change with the binary in
// development.
func Handler(prefix string) http.Handler {
	prefix = "/" + strings.Trim(prefix, "/")
	files, err := fs.Sub(embedded, "page")
	if err != nil {
		panic("web: the embedded folder has another name than its directive: " + err.Error())
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", contentSecurityPolicy)
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			header.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		name, under := strings.CutPrefix(r.URL.Path, strings.TrimSuffix(prefix, "/"))
		switch {
		case under && name == "":
			// Relative, so that the prefix of a proxy in front is kept.
			header.Set("Location", path.Base(prefix)+"/")
			w.WriteHeader(http.StatusMovedPermanently)
			return
		case !under || name[0] != '/':
			http.NotFound(w, r)
			return
		case name == "/":
			name = "/index.html"
		}
		serveFile(w, r, files, name[1:])
	})
}

// serveFile serves one embedded file. Directories and unknown names are 404.
func serveFile(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	body, err := fs.ReadFile(files, name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", contentType(name))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// contentType returns fixed types for the page's files. A machine's own MIME
// table may call a module text/plain, and browsers then refuse to run it.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}
