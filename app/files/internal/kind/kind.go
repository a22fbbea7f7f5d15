// Package kind tells what a file is, from its content alone.
package kind

import (
	"bytes"
	"regexp"
	"strings"
	"unicode/utf16"

	"github.com/gabriel-vasile/mimetype"
)

// Head is how many bytes of a file Of looks at.
const Head = 4096

// Types that need a second look when the whole file is there.
const (
	Zip   = "application/zip"
	MP4   = "video/mp4"
	M4A   = "audio/mp4"
	WebM  = "video/webm"
	Audio = "audio/webm"
	Text  = "text/plain"
)

// Types of documents that are archives.
const (
	Word       = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	Excel      = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	PowerPoint = "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	OpenText   = "application/vnd.oasis.opendocument.text"
)

// names are the short names of types, in the order of the default of FILE_TYPES.
var names = []struct{ name, contentType string }{ //nolint:gochecknoglobals // a constant that Go cannot spell
	{"png", "image/png"},
	{"jpeg", "image/jpeg"},
	{"gif", "image/gif"},
	{"webp", "image/webp"},
	{"pdf", "application/pdf"},
	{"txt", Text},
	{"md", "text/markdown"},
	{"csv", "text/csv"},
	{"json", "application/json"},
	{"docx", Word},
	{"xlsx", Excel},
	{"pptx", PowerPoint},
	{"odt", OpenText},
	{"webm", WebM},
	{"ogg", "audio/ogg"},
	{"m4a", M4A},
	{"mp3", "audio/mpeg"},
	{"wav", "audio/wav"},
	{"flac", "audio/flac"},
	{"mp4", MP4},
}

// Names lists the short names of the types that can be accepted.
func Names() []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = n.name
	}
	return out
}

// TypeOf returns the content type with the short name.
func TypeOf(name string) (string, bool) {
	for _, n := range names {
		if n.name == name {
			return n.contentType, true
		}
	}
	return "", false
}

// MayBe lists the types that a file may turn out to have once all of it is there, if
// its beginning has the given one.
func MayBe(contentType string) []string {
	switch contentType {
	case Zip:
		return []string{Word, Excel, PowerPoint, OpenText}
	case MP4:
		return []string{MP4, M4A}
	case WebM:
		return []string{WebM, Audio}
	}
	return []string{contentType}
}

// NameOf returns the short name of a content type; "" for a type that has none.
func NameOf(contentType string) string {
	switch contentType {
	case Audio:
		return "webm"
	case "video/ogg":
		return "ogg"
	}
	for _, n := range names {
		if n.contentType == contentType {
			return n.name
		}
	}
	return ""
}

// Of returns the content type of a file that begins with head. Office documents
// are Zip, and recordings may be sound or video: both are known when the whole
// file is there. Unknown content is application/octet-stream.
func Of(head []byte) string {
	m := mimetype.Detect(head)
	for at := m; at != nil; at = at.Parent() {
		switch mime, _, _ := strings.Cut(at.String(), ";"); mime {
		case "text/html", "image/svg+xml", "text/xml", "application/xhtml+xml", "text/rtf":
			return mime
		case "application/json":
			return mime
		case "text/csv":
			if looksLikeMarkup(head) {
				return "text/html"
			}
			return mime
		case Text:
			return text(head)
		case Zip:
			return Zip
		case "image/png", "image/vnd.mozilla.apng":
			return "image/png"
		case "image/jpeg", "image/gif", "image/webp", "application/pdf", "audio/mpeg", "audio/wav", "audio/flac":
			return mime
		case "audio/mp4", "audio/x-m4a":
			return M4A
		case "video/mp4", "video/quicktime", "video/x-m4v", "audio/aac":
			if mime == MP4 {
				return MP4
			}
			return mime
		case "video/webm":
			return WebM
		case "audio/ogg", "application/ogg":
			return "audio/ogg"
		case "video/ogg":
			return mime
		}
	}
	return "application/octet-stream"
}

// text tells plain text from Markdown, and from what a browser would run.
func text(head []byte) string {
	if looksLikeMarkup(head) {
		return "text/html"
	}
	if markdown(Decoded(head)) {
		return "text/markdown"
	}
	return Text
}

// looksLikeMarkup reports whether browsers may take the beginning for HTML, SVG or
// XML.
func looksLikeMarkup(head []byte) bool {
	s := strings.ToLower(strings.TrimLeft(Decoded(head), " \t\r\n\f\v\x00\ufeff"))
	if !strings.HasPrefix(s, "<") {
		return false
	}
	return regexp.MustCompile(`^<(!doctype|!--|\?xml|!\[cdata\[|[a-z][a-z0-9:-]*[\s/>])`).MatchString(s)
}

// markdown reports whether a text begins with a heading, or has fenced code.
func markdown(s string) bool {
	return regexp.MustCompile(`^\s*#{1,6} \S[^\n]*(\r?\n\s*(\r?\n|$)|$)`).MatchString(s) || regexp.MustCompile("(?m)^```").MatchString(s)
}

// Decoded returns text in UTF-8. Text in UTF-16 with a byte order mark is
// converted; all else is returned as it is.
func Decoded(b []byte) string {
	big := bytes.HasPrefix(b, []byte{0xFE, 0xFF})
	if !big && !bytes.HasPrefix(b, []byte{0xFF, 0xFE}) {
		return string(b)
	}
	b = b[2:]
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		lo, hi := b[0], b[1]
		if big {
			lo, hi = hi, lo
		}
		units = append(units, uint16(hi)<<8|uint16(lo))
	}
	return string(utf16.Decode(units))
}

// IsText reports whether files of the type are text.
func IsText(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || contentType == "application/json"
}
